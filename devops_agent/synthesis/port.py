"""The port of all synthesizers: a context goes in, ranked candidates come out.

The caller makes the evaluator: it runs variants in a sandbox, scores them with gold, and counts
every case run against the budget. A synthesizer sees dev cases only.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from aem.artifact import ArtifactKind, Bundle, ChatModel
from devops_agent.traces import Trace

Json = Any
"""A JSON value as plain Python: dict, list, str, int, float, bool or None."""


@dataclass(frozen=True, kw_only=True)
class DevCase:
    """A gold case that the synthesizer may see.

    Attributes:
        id: unique among the context's cases.
        type: the case's type in the gold dataset, such as ``robustness``.
        group: cases of one group share a template or a conversation and are never split.
        input: what the artifact is called with.
        expectation: what the case says about a good output; a JSON value whose shape is the
            dataset's own affair.
    """

    id: str
    type: str
    group: str
    input: Json
    expectation: Json


@dataclass(frozen=True, kw_only=True)
class SynthesisContext:
    """All that a synthesizer is told.

    Attributes:
        bundle: the incumbent's files.
        dev_cases: the visible part of the gold dataset, in the dataset's order.
        traces: recorded calls of the incumbent.
        metrics: error metrics by name, computed from the traces or named by the submitter.
        seed: the same context and seed give the same result on any machine.
        model: the catalogue's name of the model that the buyer chose, "" for none.
    """

    bundle: Bundle
    dev_cases: Sequence[DevCase]
    traces: Sequence[Trace] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    model: str = ""


@dataclass(frozen=True, kw_only=True)
class CaseScore:
    """What one run of one case was worth.

    Attributes:
        passed: whether the case is satisfied in full.
        loss: 0.0 when passed, up to 1.0 when nothing is right.
        hard: whether a failure of this case alone rejects a candidate.
        error: bounded traceback text of a run that failed, else None.
        output: the parsed output, None when there is none.
    """

    passed: bool
    loss: float
    hard: bool
    error: str | None = None
    output: Json = None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Scores of one variant, by case id; cases that an early stop left out are absent."""

    scores: Mapping[str, CaseScore]


class DevEvaluator(Protocol):
    """Runs variants of the artifact on dev cases, within a budget of case runs."""

    @property
    def remaining_runs(self) -> int:
        """How many case runs are left."""
        ...

    def evaluate(
        self, bundle: Bundle, case_ids: Sequence[str], *, stop_above: float | None
    ) -> Evaluation:
        """Run the cases in the given order and score them.

        Args:
            bundle: the variant.
            case_ids: cases to run; each costs one run.
            stop_above: end after the first case at which the sum of losses exceeds this; None
                runs all cases.

        Raises:
            BudgetExhaustedError: the budget ended before the cases did.
        """
        ...

    def lines(
        self, bundle: Bundle, case_ids: Sequence[str]
    ) -> Mapping[str, Mapping[str, frozenset[int]]]:
        """Run the cases under a line tracer with a step limit; each costs one run.

        Returns:
            By case id, by path in the bundle, the executed lines (the first line is 1).

        Raises:
            BudgetExhaustedError: the budget ended before the cases did.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a synthesis stands, for those who watch.

    Attributes:
        stage: a short word such as ``localizing``.
        runs: case runs used so far.
        loss: sum of dev losses of the best variant so far.
        variants: variants tried so far.
    """

    stage: str
    runs: int
    loss: float
    variants: int


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What a synthesizer works with; whatever it uses is metered on the order.

    Attributes:
        evaluator: runs variants on dev cases.
        progress: tells those who watch.
        models: performs chat calls, each within holds on the order's escrow; None where the
            service knows no model.
    """

    evaluator: DevEvaluator
    progress: Callable[[Progress], None]
    models: ChatModel | None = None


@dataclass(frozen=True, kw_only=True)
class EditRecord:
    """One change of a candidate, as its reader sees it."""

    path: str
    line: int
    function: str
    family: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A variant that does better on the dev cases than the incumbent.

    Attributes:
        bundle: the whole variant.
        rationale: why it should be better, in sentences for the gold report.
        dev_loss: sum of losses over all dev cases.
        edits: what was changed; empty where a synthesizer rewrites whole files.
    """

    bundle: Bundle
    rationale: str
    dev_loss: float
    edits: Sequence[EditRecord] = ()


@dataclass(frozen=True, kw_only=True)
class SynthesisStatistics:
    """What a synthesis did, for the order's record.

    Attributes:
        runs: case runs used.
        variants: distinct variants run.
        rounds: sweeps over the edits.
        baseline_loss: sum of the incumbent's dev losses.
        best_loss: sum of the first candidate's dev losses; the baseline's without a candidate.
        families: by edit family, how many variants were run.
        replies: by what became of it, how many replies of a language model; see docs/synthesis.md.
        ended_by: why a search in rounds ended; "" where it went through all it had to try.
        outputs_withheld: whether a language model was not told what variants answered, since
            secrets were in their reach.
    """

    runs: int = 0
    variants: int = 0
    rounds: int = 0
    baseline_loss: float = 0.0
    best_loss: float = 0.0
    families: Mapping[str, int] = field(default_factory=dict)
    replies: Mapping[str, int] = field(default_factory=dict)
    ended_by: str = ""
    outputs_withheld: bool = False


@dataclass(frozen=True, kw_only=True)
class SynthesisResult:
    """Candidates, the best first. None at all is a legal outcome, with its reason.

    Attributes:
        candidates: ranked; the first is the finalist that the synthesizer recommends.
        statistics: what was done.
        reason: why there is no candidate, else None.
    """

    candidates: Sequence[Candidate]
    statistics: SynthesisStatistics
    reason: str | None = None


class Synthesizer(Protocol):
    """Makes candidates from a context."""

    @property
    def name(self) -> str:
        """The name by which orders choose the synthesizer."""
        ...

    @property
    def asks_model(self) -> bool:
        """Whether it asks a language model: orders must then name one."""
        ...

    @property
    def kinds(self) -> frozenset[ArtifactKind]:
        """The kinds of artifacts that it knows how to change; orders for others are refused."""
        ...

    def synthesize(self, context: SynthesisContext, tools: Tools) -> SynthesisResult:
        """Search for better variants until there is nothing left to gain or to spend.

        Raises:
            UnsupportedKindError: the artifact's kind is not the synthesizer's.
            InfrastructureError: a model's provider failed; the artifact is not to blame.
        """
        ...
