"""The `openai` synthesizer: a language model proposes edits, the dev cases decide.

Rounds of reflection: the model sees the artifact, what fails and what it tried before, and
proposes edits; what can be applied is run on the dev cases; what improves on the incumbent joins
a pool to build on. It performs no call itself: `Tools.models` takes holds for each and keeps it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from aem.artifact import ArtifactKind, Bundle, ChatModel, ChatRequest
from core.errors import PaymentRequiredError
from devops_agent.synthesis.errors import BudgetExhaustedError, UnsupportedKindError
from devops_agent.synthesis.language.attempts import Attempt, measured
from devops_agent.synthesis.language.briefing import Brief, Briefing
from devops_agent.synthesis.language.errors import ProposalRefusedError, ProposalRepeatedError
from devops_agent.synthesis.language.outcome import FAMILY, ranked
from devops_agent.synthesis.language.patch import Patcher
from devops_agent.synthesis.language.pool import Pool, Variant
from devops_agent.synthesis.language.reply import REPLY_SCHEMA, Proposal, read_reply
from devops_agent.synthesis.language.scrubbing import Scrubber
from devops_agent.synthesis.language.withholding import has_secrets, told_of
from devops_agent.synthesis.port import (
    SynthesisContext,
    SynthesisResult,
    SynthesisStatistics,
    Tools,
)
from devops_agent.synthesis.workbench import EPSILON, Workbench

KINDS = frozenset({ArtifactKind.PYTHON, ArtifactKind.PROMPT})

MAX_ROUNDS = 8
"""Calls of the model in one search; the order's money may end it before."""

MAX_FRUITLESS = 3
"""So many rounds in a row without a new best one end the search."""

REPLY_TOKENS = 8_192
"""Of one reply: a module of some 25 kB written anew."""

WARM_TEMPERATURE = 0.7
"""After a fruitless round: the likeliest reply was tried."""

SOLVED = "solved"
STALLED = "stalled"
ROUNDS_OVER = "rounds_over"
EXHAUSTED = "exhausted"
NO_MODEL = "no_model"


class LanguageSynthesizer:
    """Asks a language model for edits; needs a model of the service's catalogue."""

    name = "openai"
    asks_model = True
    kinds = KINDS

    def synthesize(self, context: SynthesisContext, tools: Tools) -> SynthesisResult:
        """Search for better variants until the rounds, the runs or the money end.

        Deterministic given the same replies and scores.

        Raises:
            UnsupportedKindError: the artifact is neither a `python` nor a `prompt` artifact.
            InfrastructureError: a model's provider failed; the artifact is not to blame.
        """
        kind = context.bundle.manifest.kind
        if kind not in KINDS:
            raise UnsupportedKindError(
                f"the openai synthesizer mends {', '.join(sorted(KINDS))} artifacts, not"
                f" {kind.value}: choose another synthesizer",
                kind=kind.value,
            )
        if tools.models is None or not context.model:
            return SynthesisResult(
                candidates=(),
                statistics=SynthesisStatistics(ended_by=NO_MODEL),
                reason=NO_MODEL,
            )
        bench = Workbench(context, tools.evaluator, tools.progress)
        return _Search(bench, tools.models).run()


class _Search:
    def __init__(self, bench: Workbench, models: ChatModel) -> None:
        context = bench.context
        self._bench = bench
        self._models = models
        self._scrubber = Scrubber(_texts(context.bundle))
        self._withholds = has_secrets(context, self._scrubber)
        self._briefing = Briefing(context, self._scrubber, withholds=self._withholds)
        self._patcher = Patcher(context.bundle, self._scrubber)
        self._attempts: list[Attempt] = []
        self._tried = {context.bundle.digest}
        self._exhausted = ""

    def run(self) -> SynthesisResult:
        if not self._bench.case_ids:
            return self._nothing("there are no dev cases to learn from")
        self._bench.enter("baseline")
        try:
            scores = self._bench.run(self._bench.context.bundle, self._bench.case_ids)
        except BudgetExhaustedError:
            return self._nothing("the run budget does not cover the dev cases once")
        incumbent = Variant(bundle=self._bench.context.bundle, scores=scores)
        self._bench.best_loss = incumbent.loss
        if incumbent.loss <= EPSILON:
            return self._nothing("every dev case passes already")
        pool = Pool(incumbent)
        ended_by = self._rounds(pool)
        return self._result(pool, ended_by)

    def _rounds(self, pool: Pool) -> str:
        """Search; return why the search ended."""
        fruitless = 0
        try:
            for number in range(1, MAX_ROUNDS + 1):
                if pool.best_loss <= EPSILON:
                    return SOLVED
                if fruitless == MAX_FRUITLESS:
                    return STALLED
                self._require_runs()
                self._bench.rounds = number
                before = pool.best_loss
                parent = pool.parent()
                self._attempts.append(self._round(number, pool, parent, is_warm=fruitless > 0))
                gained = pool.best_loss < before - EPSILON
                self._bench.best_loss = pool.best_loss
                fruitless = 0 if gained else fruitless + 1
                parent.fruitless += not gained
        except (BudgetExhaustedError, PaymentRequiredError) as error:
            self._exhausted = error.message  # what was found until here counts
            return EXHAUSTED
        return SOLVED if pool.best_loss <= EPSILON else ROUNDS_OVER

    def _require_runs(self) -> None:
        """Pay for no proposal that could not be measured.

        Raises:
            BudgetExhaustedError: the run budget does not cover the dev cases once more.
        """
        if self._bench.remaining_runs < len(self._bench.case_ids):
            raise BudgetExhaustedError("the run budget does not cover the dev cases once more")

    def _round(self, number: int, pool: Pool, parent: Variant, *, is_warm: bool) -> Attempt:
        self._bench.enter("asking")
        brief = self._briefing.write(parent.bundle, parent.scores, self._attempts)
        reply = self._models.complete(self._request(brief, number, is_warm=is_warm))
        proposal: Proposal | None = None
        try:
            proposal = read_reply(reply)
            bundle = self._patched(parent.bundle, proposal, brief)
        except ProposalRefusedError as error:
            told = told_of(error) if self._withholds else error.message
            return Attempt(number=number, outcome=error.reason, told=told, proposal=proposal)
        return self._measured(number, pool, parent, proposal, bundle)

    def _request(self, brief: Brief, number: int, *, is_warm: bool) -> ChatRequest:
        context = self._bench.context
        return ChatRequest(
            model=context.model,
            messages=brief.messages,
            max_tokens=REPLY_TOKENS,
            temperature=WARM_TEMPERATURE if is_warm else 0.0,
            seed=context.seed + number,
            reply_schema=REPLY_SCHEMA,
        )

    def _patched(self, base: Bundle, proposal: Proposal, brief: Brief) -> Bundle:
        bundle = self._patcher.apply(base, proposal, shown_whole=brief.shown_whole)
        if bundle.digest in self._tried:
            raise ProposalRepeatedError("these very files were tried before: try another cause")
        self._tried.add(bundle.digest)
        return bundle

    def _measured(
        self, number: int, pool: Pool, parent: Variant, proposal: Proposal, bundle: Bundle
    ) -> Attempt:
        """Run a variant until it has lost more than the incumbent; keep it if it is better."""
        self._bench.enter("measuring")
        self._bench.count(FAMILY)
        before = pool.incumbent.scores
        guards = set(self._bench.guards(before))
        order = sorted(self._bench.case_ids, key=lambda case_id: case_id not in guards)
        scores = self._bench.run(bundle, order, stop_above=pool.incumbent.loss)
        attempt = measured(number, proposal, self._bench.context.dev_cases, before, scores)
        if attempt.is_kept:
            ordered = {case_id: scores[case_id] for case_id in self._bench.case_ids}
            told = (*parent.rationales, proposal.rationale)
            pool.add(Variant(bundle=bundle, scores=ordered, rationales=told))
        return attempt

    def _result(self, pool: Pool, ended_by: str) -> SynthesisResult:
        candidates = ranked(pool.incumbent, pool.improvements, self._scrubber)
        statistics = replace(
            self._statistics(),
            baseline_loss=pool.incumbent.loss,
            best_loss=pool.best_loss,
            ended_by=ended_by,
        )
        return SynthesisResult(
            candidates=candidates,
            statistics=statistics,
            reason=None if candidates else self._exhausted or self._attempts[-1].outcome,
        )

    def _nothing(self, reason: str) -> SynthesisResult:
        statistics = replace(self._statistics(), ended_by=reason)
        return SynthesisResult(candidates=(), statistics=statistics, reason=reason)

    def _statistics(self) -> SynthesisStatistics:
        return SynthesisStatistics(
            runs=self._bench.runs,
            variants=self._bench.variants,
            rounds=self._bench.rounds,
            baseline_loss=self._bench.best_loss,
            best_loss=self._bench.best_loss,
            families=dict(sorted(self._bench.families.items())),
            replies=dict(sorted(Counter(a.outcome for a in self._attempts).items())),
            outputs_withheld=self._withholds,
        )


def _texts(bundle: Bundle) -> Sequence[str]:
    """Return the files that are texts."""
    texts = []
    for data in bundle.files.values():
        try:
            texts.append(data.decode())
        except UnicodeDecodeError:
            continue
    return texts
