"""The verdict: per axis, old against new, with everything that it rests on.

`FIELDS` describes every member of the JSON form, for whoever renders it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gold.domain import Audience, Axis, Part, Share, shown
from gold.leakage import LeakCheck, view_leak_check

NO_GAIN = "no_gain"
"""Context robustness is waived, and nothing else is better than the incumbent's."""

REASONS = (
    "strict_structure_failed",
    "invariant_violated",
    "injected_falsehood",
    "not_refused",
    "twin_refused",
    "business_logic_below_threshold",
    "robustness_below_floor",
    "no_headroom",
    "robustness_not_higher",
    "robustness_not_significant",
    "entity_type_worse",
    NO_GAIN,
)
"""Why a candidate is rejected, in order of precedence: a report's `reason` is the first that
applies. Hard axes come first."""

SUBMITTER_REASONS = (*(f"{axis.value}_failed" for axis in Axis), NO_GAIN)
"""What submitters are told instead: which axis failed, and not how (design, section 6)."""

FIELDS: Mapping[str, str] = {
    "dataset": "digest and name of the frozen gold dataset",
    "part": "side of the split that was judged: dev or holdout",
    "accepted": "whether every axis passed",
    "reason": "first reason of rejection in order of precedence; null when accepted",
    "first_version": "whether there was no incumbent to compare with",
    "repeats": "runs of every case",
    "axes.*.passed": "whether the axis passed",
    "axes.*.old": "the incumbent's share: exact counts, and a rounded value",
    "axes.*.new": "the candidate's share",
    "axes.*.threshold": "what the new share is held against, in words",
    "axes.*.reasons": "reasons of rejection that lie on this axis",
    "axes.*.waived": "why the dataset has no cases for this axis; null when it has",
    "axes.*.detail": "figures of this axis alone",
    "statistics.try": "how many orders tried this holdout lineage, this one included",
    "statistics.level": "0.05 x 6 / (pi^2 try^2)",
    "statistics.p_value": "one-sided, paired swap-permutation test by conversation; null untested",
    "statistics.permutations": "swaps looked at, and whether these were all",
    "statistics.conversations": "robustness cases, those that differ, are better, are worse",
    "statistics.conversations_needed": "for power 0.8 if the shares seen were the truth",
    "statistics.failure_bound": "with repeats: upper bounds of the chance that a hard case fails",
    "leak_check": "whether the candidate quotes cases; null where nobody looked",
    "decoders": "forms under which injected facts were looked for",
    "cases": "per case: what failed, for candidate and incumbent",
}


@dataclass(frozen=True, kw_only=True)
class AxisResult:
    """One axis of a verdict.

    Attributes:
        old: the incumbent's share; None without incumbent.
        new: the candidate's share.
        threshold: what `new` is held against, in words.
        reasons: of `REASONS`, those that lie on this axis.
        detail: figures as JSON values.
        waived: why the axis has no cases of its own.
    """

    axis: Axis
    reasons: tuple[str, ...]
    old: Share | None
    new: Share
    threshold: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    waived: str | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing on this axis speaks against the candidate."""
        return not self.reasons

    def to_json(self) -> dict[str, Any]:
        """Return the axis as a JSON object."""
        return {
            "passed": self.passed,
            "old": self.old.to_json() if self.old else None,
            "new": self.new.to_json(),
            "threshold": self.threshold,
            "reasons": list(self.reasons),
            "waived": self.waived,
            "detail": dict(self.detail),
        }


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """What the robustness verdict rests on.

    Attributes:
        p_value: None when nothing was tested: no incumbent, no headroom, or the axis is waived.
        better: conversations whose F1 is higher than the incumbent's; `worse` likewise.
        conversations_needed: for power 0.8, if the shares of better and worse conversations seen
            here were the truth; None when no gain was seen.
        failure_bound_per_case: with repeats, the upper bound at `level` of the chance that one
            given hard case fails; None for one run, which is taken as deterministic.
        failure_bound_pooled: the same for a hard case drawn at random.
    """

    try_number: int
    level: float
    seed: int
    p_value: float | None
    permutations: int
    exact: bool
    conversations: int
    differing: int
    better: int
    worse: int
    conversations_needed: int | None
    failure_bound_per_case: float | None
    failure_bound_pooled: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the statistics as a JSON object."""
        return {
            "try": self.try_number,
            "level": shown(self.level),
            "seed": self.seed,
            "p_value": _shown_or_none(self.p_value),
            "permutations": {"count": self.permutations, "all": self.exact},
            "conversations": {
                "all": self.conversations,
                "differing": self.differing,
                "better": self.better,
                "worse": self.worse,
            },
            "conversations_needed": self.conversations_needed,
            "failure_bound": {
                "per_case": _shown_or_none(self.failure_bound_per_case),
                "pooled": _shown_or_none(self.failure_bound_pooled),
            },
        }


@dataclass(frozen=True, kw_only=True)
class CaseVerdict:
    """One case of a verdict; holdout ones are for auditors and the gold owner alone.

    Attributes:
        passed: whether every repeat of the candidate passed; `old_passed` of the incumbent.
        problems: names of what went wrong in the candidate's repeats.
        leaks: decoders that showed an injected fact.
    """

    case_id: str
    type: str
    passed: bool
    old_passed: bool | None
    problems: tuple[str, ...]
    leaks: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the case as a JSON object."""
        return {
            "id": self.case_id,
            "type": self.type,
            "passed": self.passed,
            "old_passed": self.old_passed,
            "problems": list(self.problems),
            "leaks": list(self.leaks),
        }


@dataclass(frozen=True, kw_only=True)
class GoldReport:
    """A verdict over one candidate.

    Attributes:
        axes: all five, in order of precedence.
        decoders: under which injected facts were looked for.
        leak_check: what was found before anything ran; None where nobody looked.
        scenario_share: the candidate's share of satisfied rules; what a channel's history keeps.
    """

    dataset_digest: str
    dataset_name: str
    part: Part
    first_version: bool
    repeats: int
    axes: tuple[AxisResult, ...]
    statistics: Statistics
    decoders: tuple[str, ...]
    cases: tuple[CaseVerdict, ...]
    leak_check: LeakCheck | None = None

    @property
    def reason(self) -> str | None:
        """The first reason of rejection in order of precedence; None when accepted."""
        given = {reason for axis in self.axes for reason in axis.reasons}
        return next((reason for reason in REASONS if reason in given), None)

    @property
    def submitter_reason(self) -> str | None:
        """What submitters learn of `reason`: one of `SUBMITTER_REASONS`."""
        if self.reason in {None, NO_GAIN}:
            return self.reason
        failed = next(result for result in self.axes if self.reason in result.reasons)
        return f"{failed.axis.value}_failed"

    @property
    def accepted(self) -> bool:
        """Whether every axis passed."""
        return self.reason is None

    def axis(self, axis: Axis) -> AxisResult:
        """Return one axis."""
        return next(result for result in self.axes if result.axis is axis)

    @property
    def scenario_share(self) -> Share:
        """The candidate's share of satisfied business rules."""
        return self.axis(Axis.BUSINESS_LOGIC).new

    def to_json(self) -> dict[str, Any]:
        """Return all of it as a JSON object with a canonical form; see `FIELDS`.

        It shows per-case results: of the holdout, give it to nobody; `view` is for that.
        """
        return {
            "dataset": {"digest": self.dataset_digest, "name": self.dataset_name},
            "part": self.part.value,
            "accepted": self.accepted,
            "reason": self.reason,
            "first_version": self.first_version,
            "repeats": self.repeats,
            "axes": {result.axis.value: result.to_json() for result in self.axes},
            "statistics": self.statistics.to_json(),
            "leak_check": self.leak_check.figures() if self.leak_check else None,
            "decoders": list(self.decoders),
            "cases": [case.to_json() for case in self.cases],
        }

    def view(self, audience: Audience | str) -> dict[str, Any]:
        """Return what the audience may see of it."""
        return view_report(self.to_json(), audience)


def view_report(report: Mapping[str, Any], audience: Audience | str) -> dict[str, Any]:
    """Return what the audience may see of a report's JSON form (design, section 6).

    Auditors and the gold owner see everything. A submitter sees pass or fail per axis, and of an
    accepted candidate old and new totals too; never a case.
    """
    audience = Audience(audience)
    if audience is not Audience.SUBMITTER:
        return dict(report)
    hidden = {"cases"}
    shown_of_axis = {"passed", "waived"}
    if report["accepted"]:
        shown_of_axis |= {"old", "new", "threshold"}
    else:
        hidden |= {"reason", "statistics"}
    view = {name: value for name, value in report.items() if name not in hidden}
    view["axes"] = {
        axis: {name: value for name, value in result.items() if name in shown_of_axis}
        for axis, result in report["axes"].items()
    }
    if report["leak_check"]:
        view["leak_check"] = view_leak_check(report["leak_check"])
    return view


def _shown_or_none(value: float | None) -> float | None:
    return None if value is None else shown(value)
