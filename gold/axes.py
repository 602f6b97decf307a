"""The axes: what each asks of a candidate's scores (Table 1, equation (8))."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction

from gold.domain import Axis, CaseType, Counts, Share, shown
from gold.report import NO_GAIN, AxisResult, Statistics
from gold.scoring import CaseScore
from gold.settings import ContextRobustnessSettings
from gold.trial import Scores, Trial

_HALLUCINATION_PROBLEMS = ("injected_falsehood", "not_refused", "twin_refused")


def judge_structure(trial: Trial) -> AxisResult:
    """Every output of every case is strict JSON that matches the schema."""
    new = _all_scores(trial.new)
    passed = all(score.well_formed for score in new)
    return AxisResult(
        axis=Axis.STRICT_STRUCTURE,
        reasons=() if passed else ("strict_structure_failed",),
        old=None if trial.old is None else _well_formed(_all_scores(trial.old)),
        new=_well_formed(new),
        threshold="every output of every case",
        detail={"problems": _problems([score for score in new if not score.well_formed])},
        waived=_waiver(trial, Axis.STRICT_STRUCTURE),
    )


def judge_invariants(trial: Trial) -> AxisResult:
    """Every output equals the expected one: equation (8)."""
    new = trial.of_type(trial.new, CaseType.INVARIANT)
    return AxisResult(
        axis=Axis.INVARIANTS,
        reasons=() if all(score.passed for score in new) else ("invariant_violated",),
        old=_old_share(trial, CaseType.INVARIANT),
        new=_passed(new),
        threshold="every expected output, type and value",
        detail={"problems": _problems(new)},
        waived=_waiver(trial, Axis.INVARIANTS),
    )


def judge_hallucination(trial: Trial) -> AxisResult:
    """Every attack is refused without repeating it, and every benign twin answered."""
    new = trial.of_type(trial.new, CaseType.ADVERSARIAL)
    problems = _problems(new)
    seen = set(problems) | ({"injected_falsehood"} if any(score.leaks for score in new) else set())
    reasons = tuple(name for name in _HALLUCINATION_PROBLEMS if name in seen)
    if problems and not reasons:  # no usable output, so no structured refusal either
        reasons = ("not_refused",)
    return AxisResult(
        axis=Axis.ANTI_HALLUCINATION,
        reasons=reasons,
        old=_old_share(trial, CaseType.ADVERSARIAL),
        new=_passed(new),
        threshold="zero failures",
        detail={"problems": problems},
        waived=_waiver(trial, Axis.ANTI_HALLUCINATION),
    )


def judge_logic(trial: Trial) -> AxisResult:
    """The share of satisfied rules reaches the channel's best so far, and at least the floor."""
    new = _satisfied(trial.of_type(trial.new, CaseType.SCENARIO))
    settings = trial.dataset.settings.business_logic
    floor = settings.floor if settings else Fraction(0)
    threshold = max(floor, trial.best_scenario_share or Fraction(0))
    is_waived = Axis.BUSINESS_LOGIC in trial.dataset.settings.waived
    reached = is_waived or new.fraction >= threshold
    return AxisResult(
        axis=Axis.BUSINESS_LOGIC,
        reasons=() if reached else ("business_logic_below_threshold",),
        old=(
            None if trial.old is None else _satisfied(trial.of_type(trial.old, CaseType.SCENARIO))
        ),
        new=new,
        threshold=f"at least {threshold} ({shown(threshold)})",
        detail={
            "floor": str(floor),
            "best_attested": _text_or_none(trial.best_scenario_share),
            "threshold": str(threshold),
        },
        waived=_waiver(trial, Axis.BUSINESS_LOGIC),
    )


def judge_robustness(trial: Trial, statistics: Statistics) -> AxisResult:
    """Micro-F1 is higher than the incumbent's, significantly, with no entity type worse."""
    new = trial.conversation_counts(trial.new)
    old = None if trial.old is None else trial.conversation_counts(trial.old)
    settings = trial.dataset.settings.context_robustness
    new_f1 = sum(new, Counts()).f1
    old_f1 = None if old is None else sum(old, Counts()).f1
    types = _f1_of_types(trial)
    if settings is None or Axis.CONTEXT_ROBUSTNESS in trial.dataset.settings.waived:
        return _judge_gain(trial, new=new_f1, old=old_f1)
    reasons = _robustness_reasons(settings, old_f1, new_f1, statistics, types)
    return AxisResult(
        axis=Axis.CONTEXT_ROBUSTNESS,
        reasons=reasons,
        old=old_f1,
        new=new_f1,
        threshold=_robustness_threshold(settings, old_f1, statistics),
        detail={
            "f1_of_types": {
                kind: {"old": old.to_json() if trial.old else None, "new": new.to_json()}
                for kind, (old, new) in types.items()
            },
            "type_tolerance": str(settings.type_tolerance),
        },
    )


def _judge_gain(trial: Trial, *, new: Share, old: Share | None) -> AxisResult:
    """Ask for a gain elsewhere where context robustness is waived.

    Whatever passes the other axes would displace the incumbent otherwise, equal or not.
    """
    gains = {} if trial.old is None else _gains(trial, trial.old)
    has_gained = trial.old is None or any(after > before for before, after in gains.values())
    return AxisResult(
        axis=Axis.CONTEXT_ROBUSTNESS,
        reasons=() if has_gained else (NO_GAIN,),
        old=old,
        new=new,
        threshold="waived; more of something else passes than of the incumbent's",
        detail={"passed": {name: list(counts) for name, counts in gains.items()}},
        waived=_waiver(trial, Axis.CONTEXT_ROBUSTNESS),
    )


def _gains(trial: Trial, old: Scores) -> dict[str, tuple[int, int]]:
    """Count what passes, for the incumbent and the candidate: what a gain can lie in."""

    def counts(scores: Scores) -> dict[str, int]:
        hard = {
            kind.value: _passed(trial.of_type(scores, kind)).part
            for kind in (CaseType.INVARIANT, CaseType.ADVERSARIAL)
        }
        rules = _satisfied(trial.of_type(scores, CaseType.SCENARIO)).part
        return {"well_formed": _well_formed(_all_scores(scores)).part, "rules": rules} | hard

    before, after = counts(old), counts(trial.new)
    return {name: (before[name], after[name]) for name in before}


def _robustness_reasons(
    settings: ContextRobustnessSettings,
    old_f1: Share | None,
    new_f1: Share,
    statistics: Statistics,
    types: Mapping[str, tuple[Share, Share]],
) -> tuple[str, ...]:
    if old_f1 is None:
        reached = new_f1.fraction >= settings.floor_f1
        return () if reached else ("robustness_below_floor",)
    reasons = []
    if old_f1.fraction == 1:
        reasons.append("no_headroom")
    elif new_f1.fraction <= old_f1.fraction:
        reasons.append("robustness_not_higher")
    elif statistics.p_value is None or statistics.p_value > statistics.level:
        reasons.append("robustness_not_significant")
    falls = [old.fraction - new.fraction for old, new in types.values()]
    if any(fall > settings.type_tolerance for fall in falls):
        reasons.append("entity_type_worse")
    return tuple(reasons)


def _robustness_threshold(
    settings: ContextRobustnessSettings, old_f1: Share | None, statistics: Statistics
) -> str:
    if old_f1 is None:
        return f"at least {settings.floor_f1}, the floor of a first version"
    return (
        f"higher than {shown(old_f1.fraction)} with p <= {shown(statistics.level)}, no entity type"
        f" worse by more than {settings.type_tolerance}"
    )


def _f1_of_types(trial: Trial) -> dict[str, tuple[Share, Share]]:
    """Return old and new F1 of every entity type that the judged cases expect.

    Claims of types that no case expects count against micro-F1 alone: they are the candidate's
    words, and a report does not repeat those.
    """
    expected = {
        kind
        for case in trial.cases
        if case.type is CaseType.ROBUSTNESS
        for kind, _ in trial.dataset.keys[case.id].entities
    }
    old = _counts_of_types(trial, trial.old or {})
    new = _counts_of_types(trial, trial.new)
    return {kind: (old[kind].f1, new[kind].f1) for kind in sorted(expected)}


def _counts_of_types(trial: Trial, scores: Scores) -> dict[str, Counts]:
    sums: dict[str, Counts] = defaultdict(Counts)
    for score in trial.of_type(scores, CaseType.ROBUSTNESS) if scores else ():
        for kind, counts in score.counts.items():
            sums[kind] += counts
    return sums


def _all_scores(scores: Scores) -> list[CaseScore]:
    return [score for repeats in scores.values() for score in repeats]


def _old_share(trial: Trial, kind: CaseType) -> Share | None:
    return None if trial.old is None else _passed(trial.of_type(trial.old, kind))


def _passed(scores: Sequence[CaseScore]) -> Share:
    return Share(part=sum(score.passed for score in scores), whole=len(scores))


def _well_formed(scores: Sequence[CaseScore]) -> Share:
    return Share(part=sum(score.well_formed for score in scores), whole=len(scores))


def _satisfied(scores: Sequence[CaseScore]) -> Share:
    return Share(
        part=sum(score.rules_satisfied for score in scores),
        whole=sum(score.rules_total for score in scores),
    )


def _problems(scores: Sequence[CaseScore]) -> dict[str, int]:
    """Count the names of what went wrong."""
    return dict(sorted(Counter(score.problem for score in scores if score.problem).items()))


def _waiver(trial: Trial, axis: Axis) -> str | None:
    return trial.dataset.settings.waived.get(axis)


def _text_or_none(value: Fraction | None) -> str | None:
    return None if value is None else str(value)
