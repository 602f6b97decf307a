"""The workbench: runs variants on dev cases, counts, and stops at the end of the budget."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aem.artifact import Bundle
from devops_agent.synthesis.history import replay
from devops_agent.synthesis.localization import Coverage
from devops_agent.synthesis.port import (
    CaseScore,
    DevEvaluator,
    Progress,
    SynthesisContext,
)
from devops_agent.synthesis.source import Edit, Program, parse_program, parse_tree

EPSILON = 1e-9
"""Losses that differ by less are equal: they are sums of floats."""

PROGRESS_INTERVAL_VARIANTS = 100

Scores = Mapping[str, CaseScore]


def total_loss(scores: Scores, case_ids: Sequence[str] | None = None) -> float:
    """Sum the losses of all, or of some, cases."""
    ids = scores.keys() if case_ids is None else case_ids
    return sum(scores[case_id].loss for case_id in ids)


@dataclass(frozen=True, kw_only=True)
class State:
    """A variant that all dev cases were run on.

    Attributes:
        program: its Python files, parsed.
        bundle: its files.
        scores: of all dev cases.
        history: the edits that made it, in the order of their application.
    """

    program: Program
    bundle: Bundle
    scores: Scores
    history: Sequence[Edit] = ()

    @property
    def loss(self) -> float:
        """The sum of the losses."""
        return total_loss(self.scores)

    @property
    def failing(self) -> Sequence[str]:
        """Ids of cases with a loss, in the dataset's order."""
        return [case_id for case_id, score in self.scores.items() if score.loss > EPSILON]


def is_harmless(before: Scores, after: Scores) -> bool:
    """Whether no hard case became worse."""
    return all(
        score.loss <= before[case_id].loss + EPSILON
        for case_id, score in after.items()
        if before[case_id].hard
    )


def harm(before: Scores, after: Scores) -> float:
    """Sum by how much cases became worse."""
    return sum(max(0.0, score.loss - before[case_id].loss) for case_id, score in after.items())


class Workbench:
    """Runs variants of one artifact and keeps count."""

    def __init__(
        self,
        context: SynthesisContext,
        evaluator: DevEvaluator,
        progress: Callable[[Progress], None],
    ) -> None:
        """Keep the collaborators; nothing is run."""
        self.context = context
        self.evaluator = evaluator
        self.case_ids: Sequence[str] = [case.id for case in context.dev_cases]
        self.families: Counter[str] = Counter()
        self.rounds = 0
        self.stage = "starting"
        self.best_loss = 0.0
        self._kills: Counter[str] = Counter()
        self._progress = progress
        self._runs = 0
        self._variants = 0

    @property
    def runs(self) -> int:
        """Case runs used so far; what is left also falls with the time that they took."""
        return self._runs

    @property
    def remaining_runs(self) -> int:
        """Case runs left."""
        return self.evaluator.remaining_runs

    @property
    def variants(self) -> int:
        """Distinct variants run so far."""
        return self._variants

    def enter(self, stage: str) -> None:
        """Begin a stage and tell those who watch."""
        self.stage = stage
        self.tell()

    def tell(self) -> None:
        """Report where the search stands."""
        self._progress(
            Progress(
                stage=self.stage, runs=self.runs, loss=self.best_loss, variants=self._variants
            )
        )

    def count(self, family: str) -> None:
        """Count a variant that is about to be run, by the family of its newest edit."""
        self._variants += 1
        self.families[family] += 1
        if self._variants % PROGRESS_INTERVAL_VARIANTS == 0:
            self.tell()

    def run(
        self, bundle: Bundle, case_ids: Sequence[str], stop_above: float | None = None
    ) -> Scores:
        """Run a variant on some cases.

        Raises:
            BudgetExhaustedError: the evaluator's budget ended.
        """
        scores = self.evaluator.evaluate(bundle, case_ids, stop_above=stop_above).scores
        self._runs += len(scores)
        return scores

    def lines(self, bundle: Bundle, case_ids: Sequence[str]) -> Coverage:
        """Run a variant on some cases under the line tracer.

        Raises:
            BudgetExhaustedError: the evaluator's budget ended.
        """
        covered = self.evaluator.lines(bundle, case_ids)
        self._runs += len(covered)
        return covered

    def baseline(self) -> State:
        """Run the incumbent on all dev cases.

        Raises:
            BudgetExhaustedError: the evaluator's budget ended.
        """
        bundle = self.context.bundle
        scores = self.run(bundle, self.case_ids)
        return State(program=parse_program(bundle.files), bundle=bundle, scores=scores)

    def rebuilt(self, history: Sequence[Edit]) -> Bundle | None:
        """Apply a history to the incumbent; None when it would not compile."""
        changes: dict[str, bytes] = {}
        for path in sorted({edit.path for edit in history}):
            here = [edit for edit in history if edit.path == path]
            data = replay(self.context.bundle.files[path], here)
            if parse_tree(data) is None:
                return None
            changes[path] = data
        return self.context.bundle.replace(changes)

    def guards(self, scores: Scores) -> list[str]:
        """Return the hard cases without loss, those first that have refused the most variants."""
        ids = [
            case_id for case_id, score in scores.items() if score.hard and score.loss <= EPSILON
        ]
        return sorted(ids, key=lambda case_id: -self._kills[case_id])

    def guarded(self, before: Scores, bundle: Bundle, case_ids: Sequence[str]) -> Scores | None:
        """Run hard cases without loss; None when the variant fails one.

        Raises:
            BudgetExhaustedError: the evaluator's budget ended.
        """
        found = self.run(bundle, case_ids, stop_above=EPSILON) if case_ids else {}
        if is_harmless(before, found):
            return found
        self._kills.update(case_id for case_id in found if found[case_id].loss > EPSILON)
        return None

    def improved(self, before: Scores, bundle: Bundle, known: Scores) -> Scores | None:
        """Run a variant on all cases, or until it can be no improvement any more.

        Hard cases without loss come first, of which none may fail.

        Args:
            before: scores of all cases that are to be improved on.
            bundle: the variant.
            known: what the variant has scored already.

        Returns:
            The scores of all cases; None when the variant is no improvement.

        Raises:
            BudgetExhaustedError: the evaluator's budget ended.
        """
        if not is_harmless(before, known):
            return None
        scores = dict(known)
        guards = [case_id for case_id in self.guards(before) if case_id not in scores]
        found = self.guarded(before, bundle, guards)
        if found is None:
            return None
        scores.update(found)
        rest = [case_id for case_id in self.case_ids if case_id not in scores]
        rest.sort(key=lambda case_id: before[case_id].loss <= EPSILON)
        allowed = total_loss(before) - total_loss(scores) - EPSILON
        if allowed < 0:
            return None
        if rest:
            scores.update(self.run(bundle, rest, stop_above=allowed))
        if len(scores) < len(self.case_ids) or total_loss(scores) >= total_loss(before) - EPSILON:
            return None
        ordered = {case_id: scores[case_id] for case_id in self.case_ids}
        return ordered if is_harmless(before, ordered) else None
