"""The judge: decides the four axes of Table 1 and equation (8) from outcomes alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from gold.axes import (
    judge_hallucination,
    judge_invariants,
    judge_logic,
    judge_robustness,
    judge_structure,
)
from gold.dataset import GoldDataset
from gold.domain import CaseOutcome, GoldCase, Part
from gold.errors import OutcomesMismatchError
from gold.falsehoods import DECODERS
from gold.limits import MAX_REPEATS
from gold.report import CaseVerdict, GoldReport
from gold.scoring import CaseScore, missing_outcome, score_case
from gold.trial import Trial, gather_statistics

Outcomes = Mapping[str, Sequence[CaseOutcome]]
"""Outcomes by case identifier, one for each repeat."""


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Judges candidates outside the sandbox; pure: the same outcomes give the same report."""

    def judge(
        self,
        *,
        dataset: GoldDataset,
        part: Part | str,
        candidate: Outcomes,
        incumbent: Outcomes | None,
        best_scenario_share: Fraction | None,
        try_number: int,
        seed: int,
        repeats: int = 1,
    ) -> GoldReport:
        """Judge a candidate against the incumbent on one part of a dataset.

        Args:
            dataset: as frozen.
            part: `holdout` for a verdict that counts.
            candidate: its outcomes; what is missing counts as failed.
            incumbent: of the version that the channel points to, over the same cases; None for a
                first version.
            best_scenario_share: of the channel's attested reports; None when it has none.
            try_number: which try on this holdout lineage this is, from 1.
            seed: of the permutation test.
            repeats: runs of every case, the same for both; a deterministic artifact needs one.

        Raises:
            OutcomesMismatchError: an outcome's case is not judged, or has too many outcomes.
            HoldoutWithheldError: the dataset is a view of its dev part.
            ValueError: `repeats` or `try_number` is out of range.
        """
        if not 1 <= repeats <= MAX_REPEATS:
            raise ValueError(f"repeats lie between 1 and {MAX_REPEATS}, not {repeats}")
        cases = dataset.cases(part)
        trial = Trial(
            dataset=dataset,
            cases=tuple(cases),
            new=_score_all(dataset, cases, candidate, repeats),
            old=None if incumbent is None else _score_all(dataset, cases, incumbent, repeats),
            best_scenario_share=best_scenario_share,
            try_number=try_number,
            seed=seed,
            repeats=repeats,
        )
        statistics = gather_statistics(trial)
        return GoldReport(
            dataset_digest=dataset.digest,
            dataset_name=dataset.name,
            part=Part(part),
            first_version=incumbent is None,
            repeats=repeats,
            axes=(
                judge_structure(trial),
                judge_invariants(trial),
                judge_hallucination(trial),
                judge_logic(trial),
                judge_robustness(trial, statistics),
            ),
            statistics=statistics,
            decoders=DECODERS,
            cases=tuple(_case_verdict(trial, case) for case in cases),
        )


def _score_all(
    dataset: GoldDataset, cases: Sequence[GoldCase], outcomes: Outcomes, repeats: int
) -> Mapping[str, tuple[CaseScore, ...]]:
    unknown = sorted(outcomes.keys() - {case.id for case in cases})
    if unknown:
        raise OutcomesMismatchError(
            f"{len(unknown)} outcome(s) are of cases that are not judged, such as {unknown[0]!r}"
        )
    scores = {}
    for case in cases:
        given = list(outcomes.get(case.id, ()))
        if len(given) > repeats or any(outcome.case_id != case.id for outcome in given):
            raise OutcomesMismatchError(
                f"case {case.id!r} has {len(given)} outcome(s) where {repeats} of its own are due"
            )
        given += [missing_outcome(case)] * (repeats - len(given))
        scores[case.id] = tuple(score_case(dataset, case, outcome) for outcome in given)
    return scores


def _case_verdict(trial: Trial, case: GoldCase) -> CaseVerdict:
    scores = trial.new[case.id]
    problems = {score.problem for score in scores if score.problem is not None}
    return CaseVerdict(
        case_id=case.id,
        type=case.type.value,
        passed=all(score.passed for score in scores),
        old_passed=(
            None if trial.old is None else all(score.passed for score in trial.old[case.id])
        ),
        problems=tuple(sorted(problems)),
        leaks=tuple(sorted({leak.decoder for score in scores for leak in score.leaks})),
    )
