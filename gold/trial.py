"""One trial: scores of candidate and incumbent, and the statistics over them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from gold.dataset import GoldDataset
from gold.domain import HARD_TYPES, CaseType, Counts, GoldCase
from gold.permutation import PermutationResult, level_of_try, swap_test
from gold.power import conversations_needed
from gold.report import Statistics
from gold.scoring import CaseScore

Scores = Mapping[str, tuple[CaseScore, ...]]
"""Scores by case identifier, one for each repeat."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Everything that the axes are decided from.

    Attributes:
        new: the candidate's scores.
        old: the incumbent's; None for a first version.
    """

    dataset: GoldDataset
    cases: tuple[GoldCase, ...]
    new: Scores
    old: Scores | None
    best_scenario_share: Fraction | None
    try_number: int
    seed: int
    repeats: int

    def of_type(self, scores: Scores, kind: CaseType) -> Sequence[CaseScore]:
        """Return all scores of one type of case, every repeat by itself."""
        return [score for case in self.cases if case.type is kind for score in scores[case.id]]

    def conversation_counts(self, scores: Scores) -> list[Counts]:
        """Return the counts of each robustness case, repeats added up, in order of cases."""
        return [
            sum((score.total for score in scores[case.id]), Counts())
            for case in self.cases
            if case.type is CaseType.ROBUSTNESS
        ]


def gather_statistics(trial: Trial) -> Statistics:
    """Test the gain in F1 and bound what repeats leave open."""
    new = trial.conversation_counts(trial.new)
    old = None if trial.old is None else trial.conversation_counts(trial.old)
    level = level_of_try(trial.try_number)
    result = _test(old, new, level, trial.seed)
    better, worse = _compare(old, new)
    hard_cases = sum(case.type in HARD_TYPES for case in trial.cases)
    return Statistics(
        try_number=trial.try_number,
        level=level,
        seed=trial.seed,
        p_value=result.p_value if result else None,
        permutations=result.permutations if result else 0,
        exact=result.exact if result else False,
        conversations=len(new),
        differing=result.differing if result else 0,
        better=better,
        worse=worse,
        conversations_needed=_needed(better, worse, len(new), trial.try_number),
        failure_bound_per_case=_failure_bound(level, trial.repeats, 1),
        failure_bound_pooled=_failure_bound(level, trial.repeats, hard_cases),
    )


def _test(
    old: Sequence[Counts] | None, new: Sequence[Counts], level: float, seed: int
) -> PermutationResult | None:
    """Test only where the candidate is higher: a loss needs no test to be rejected."""
    if not old or sum(new, Counts()).f1.fraction <= sum(old, Counts()).f1.fraction:
        return None
    return swap_test(old, new, level=level, seed=seed)


def _compare(old: Sequence[Counts] | None, new: Sequence[Counts]) -> tuple[int, int]:
    pairs = [
        (before.f1.fraction, after.f1.fraction)
        for before, after in zip(old or (), new, strict=False)
    ]
    return sum(a > b for b, a in pairs), sum(a < b for b, a in pairs)


def _needed(better: int, worse: int, conversations: int, try_number: int) -> int | None:
    if better <= worse:
        return None
    return conversations_needed(
        win_share=better / conversations, loss_share=worse / conversations, try_number=try_number
    )


def _failure_bound(level: float, repeats: int, cases: int) -> float | None:
    """Return the largest failure chance under which all runs pass with chance `level`."""
    if repeats == 1 or cases == 0:
        return None
    return float(1 - level ** (1 / (repeats * cases)))
