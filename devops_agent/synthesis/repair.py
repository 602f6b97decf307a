"""The `repair` synthesizer: offline, by fault localization, edits and bounded search."""

from collections.abc import Mapping, Sequence

from aem.artifact import ArtifactKind
from devops_agent.synthesis.errors import BudgetExhaustedError, UnsupportedKindError
from devops_agent.synthesis.influence import Influence, measure_influence
from devops_agent.synthesis.localization import Coverage, Localization, localize
from devops_agent.synthesis.port import (
    SynthesisContext,
    SynthesisResult,
    SynthesisStatistics,
    Tools,
)
from devops_agent.synthesis.probes import (
    INFLUENCE_CASES,
    INFLUENCE_TIMES,
    MAX_PROBES,
    ProbePlan,
    telling_cases,
)
from devops_agent.synthesis.search import Search
from devops_agent.synthesis.selection import Selection
from devops_agent.synthesis.source import Edit
from devops_agent.synthesis.symptoms import (
    Dictionary,
    read_dictionary,
    read_vocabulary,
    symptoms,
)
from devops_agent.synthesis.workbench import EPSILON, Scores, State, Workbench

MAX_TRACED_CASES = 40
"""Failing, and passing, cases that are run under the line tracer."""

MAX_ROUNDS = 12
"""Sweeps of one search: more faults than this are left for the next order."""

MIN_ROUND_GAIN_SHARE = 0.01
"""A round that takes away less of the baseline's loss is the last: what follows is noise."""

RESERVED_SHARE = 0.1
RESERVED_PASSES = 12
"""Runs kept for the selection: so many passes over the dev cases, within the share."""


class RepairSynthesizer:
    """Repairs Python artifacts; needs no network, no key and no model."""

    name = "repair"
    asks_model = False
    kinds = frozenset({ArtifactKind.PYTHON})

    def synthesize(self, context: SynthesisContext, tools: Tools) -> SynthesisResult:
        """Search for better variants within the evaluator's run budget.

        Deterministic: the same context, seed, scores and budget give the same result.

        Raises:
            UnsupportedKindError: the artifact is no `python` artifact.
        """
        kind = context.bundle.manifest.kind
        if kind is not ArtifactKind.PYTHON:
            raise UnsupportedKindError(
                f"the repair synthesizer mends python artifacts, not {kind.value}: choose another"
                " synthesizer",
                kind=kind.value,
            )
        return _Repair(Workbench(context, tools.evaluator, tools.progress)).run()


def _times(state: State, symptoms: Mapping[str, Mapping[str, int]]) -> int:
    """Return how often general probes show a symptom: once where all failures look alike.

    Then there is one fault, as far as is known, and whatever mends it mends any probe.
    """
    labels = {label for found in symptoms.values() for label in found}
    total = all(state.scores[case_id].loss == 1.0 for case_id in state.failing)
    return 1 if total and len(labels) == 1 else 2


class _Repair:
    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._cases = {case.id: case for case in bench.context.dev_cases}
        self._dictionary: Dictionary = read_dictionary(bench.context.dev_cases)
        self._influence = Influence(regions=())
        self._baseline_loss = 0.0

    def run(self) -> SynthesisResult:
        if not self._cases:
            return self._nothing("there are no dev cases to learn from")
        self._bench.enter("baseline")
        try:
            baseline = self._bench.baseline()
        except BudgetExhaustedError:
            return self._nothing("the run budget does not cover the dev cases once")
        self._baseline_loss = self._bench.best_loss = baseline.loss
        if not baseline.failing:
            return self._nothing("every dev case passes already")
        if not baseline.program.modules:
            return self._nothing("no Python file of the artifact can be parsed")
        return self._search(baseline)

    def _search(self, baseline: State) -> SynthesisResult:
        vocabulary = read_vocabulary(
            self._dictionary, self._bench.context.dev_cases, baseline.scores
        )
        reserved = min(
            RESERVED_PASSES * len(self._cases),
            int(self._bench.remaining_runs * RESERVED_SHARE),
        )
        search = Search(self._bench, self._dictionary, vocabulary, reserved)
        final = self._rounds(search, baseline)
        if final.loss >= baseline.loss - EPSILON:
            return self._nothing("no edit within the budget lowers the dev loss")
        self._bench.enter("selecting")
        selection = Selection(self._bench)
        repairs = search.repairs if final.loss <= EPSILON and self._bench.rounds == 1 else []
        states = selection.prune(baseline, final)
        candidates = selection.candidates(baseline, states, repairs)
        return SynthesisResult(
            candidates=candidates, statistics=self._statistics(candidates[0].dev_loss)
        )

    def _rounds(self, search: Search, baseline: State) -> State:
        state = baseline
        try:
            while self._bench.rounds < MAX_ROUNDS and state.loss > EPSILON:
                self._bench.rounds += 1
                self._bench.enter("localizing")
                plan = self._plan(state)
                self._bench.enter("searching")
                gains = search.sweep(state, plan) or search.complete(state, plan)
                if not gains:
                    break
                self._bench.enter("combining")
                before = state.loss
                state = search.combine(state, gains)
                self._bench.best_loss = state.loss
                if before - state.loss < MIN_ROUND_GAIN_SHARE * self._baseline_loss:
                    break
        except BudgetExhaustedError:
            pass  # what was found until here counts
        return state

    def _plan(self, state: State) -> ProbePlan:
        found = {
            case_id: symptoms(self._dictionary, self._cases[case_id], state.scores[case_id])
            or {"": 1}
            for case_id in state.failing
        }
        coverage = self._coverage(state)
        localization = self._localized(state, coverage)
        cases = telling_cases(found, coverage, most=INFLUENCE_CASES, times=INFLUENCE_TIMES)
        self._influence = self._measured(state, cases)
        return ProbePlan(
            symptoms=found,
            influence=self._influence,
            localization=localization,
            general=telling_cases(found, coverage, most=MAX_PROBES, times=_times(state, found)),
        )

    def _coverage(self, state: State) -> Coverage:
        passing = [case_id for case_id in self._cases if case_id not in set(state.failing)]
        traced = [*state.failing[:MAX_TRACED_CASES], *passing[:MAX_TRACED_CASES]]
        return self._bench.lines(state.bundle, traced)

    def _localized(self, state: State, coverage: Coverage) -> Localization:
        tracebacks = [score.error for score in state.scores.values() if score.error]
        tracebacks += [trace.error for trace in self._bench.context.traces if trace.error]
        return localize(state.program, state.scores, coverage, tracebacks)

    def _measured(self, state: State, case_ids: Sequence[str]) -> Influence:
        def run(edit: Edit, ids: Sequence[str]) -> Scores | None:
            files = state.program.apply([edit])
            return None if files is None else self._bench.run(state.bundle.replace(files), ids)

        return measure_influence(
            program=state.program,
            run=run,
            dictionary=self._dictionary,
            baseline=state.scores,
            case_ids=case_ids,
            known=self._influence,
        )

    def _nothing(self, reason: str) -> SynthesisResult:
        statistics = self._statistics(self._baseline_loss)
        return SynthesisResult(candidates=(), statistics=statistics, reason=reason)

    def _statistics(self, best_loss: float) -> SynthesisStatistics:
        return SynthesisStatistics(
            runs=self._bench.runs,
            variants=self._bench.variants,
            rounds=self._bench.rounds,
            baseline_loss=self._baseline_loss,
            best_loss=best_loss,
            families=dict(sorted(self._bench.families.items())),
        )
