"""The values of the gold room: cases, outcomes, counts, shares, findings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Any, Literal

_SHOWN_DIGITS = 6


class CaseType(StrEnum):
    """What a case asks for; decides its axis (design, section 6)."""

    STRUCTURE = "structure"
    INVARIANT = "invariant"
    SCENARIO = "scenario"
    ROBUSTNESS = "robustness"
    ADVERSARIAL = "adversarial"


class Axis(StrEnum):
    """The validation axes of Table 1, and equation (8) as one of its own."""

    STRICT_STRUCTURE = "strict_structure"
    INVARIANTS = "invariants"
    BUSINESS_LOGIC = "business_logic"
    CONTEXT_ROBUSTNESS = "context_robustness"
    ANTI_HALLUCINATION = "anti_hallucination"


AXIS_OF_TYPE: Mapping[CaseType, Axis] = {
    CaseType.STRUCTURE: Axis.STRICT_STRUCTURE,
    CaseType.INVARIANT: Axis.INVARIANTS,
    CaseType.SCENARIO: Axis.BUSINESS_LOGIC,
    CaseType.ROBUSTNESS: Axis.CONTEXT_ROBUSTNESS,
    CaseType.ADVERSARIAL: Axis.ANTI_HALLUCINATION,
}

HARD_TYPES = frozenset({CaseType.STRUCTURE, CaseType.INVARIANT, CaseType.ADVERSARIAL})
"""Types of which not one case may fail, in any repeat."""


class Part(StrEnum):
    """Which side of the split a case lies on."""

    DEV = "dev"
    HOLDOUT = "holdout"


class Audience(StrEnum):
    """Who reads a report (design, section 6)."""

    SUBMITTER = "submitter"
    OWNER = "owner"
    AUDITOR = "auditor"


class Severity(StrEnum):
    """An error forbids freezing; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that the lint says about a dataset.

    Attributes:
        path: file inside the dataset.
        line: from 1; None where the whole file is meant.
        reason: stable, machine-readable name.
    """

    severity: Severity
    path: str
    line: int | None
    message: str
    reason: str

    @property
    def is_error(self) -> bool:
        """Whether it forbids freezing."""
        return self.severity is Severity.ERROR

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{place}: {self.message} [{self.reason}]"

    def to_json(self) -> dict[str, Any]:
        """Return the finding as a JSON object."""
        return {
            "severity": self.severity.value,
            "path": self.path,
            "line": self.line,
            "message": self.message,
            "reason": self.reason,
        }


@dataclass(frozen=True, kw_only=True)
class Entity:
    """A typed piece of a conversation, as an extractor returns it."""

    type: str
    value: str

    def to_json(self) -> dict[str, Any]:
        """Return the entity as a JSON object."""
        return {"type": self.type, "value": self.value}


@dataclass(frozen=True, kw_only=True)
class GoldCase:
    """One case of a dataset.

    Attributes:
        id: unique in the dataset.
        group: template, conversation or attack that it comes from; groups are never split.
        input: JSON value that the artifact is run on.
        tools: recorded answers of tools, by the format's design; None when it needs none.
        expected: of `invariant` cases, the one right output; of `scenario` cases, optional data
            for the rules; meaningful only where `has_expected`.
        rules: of `scenario` cases, identifiers of the rules that must hold.
        entities: of `robustness` cases, and of benign twins that carry some.
        injected: of `adversarial` cases, the false facts that the input plants.
        true_facts: of `adversarial` cases, what may be repeated.
        twin: of `adversarial` cases, the benign case that must still be answered.
        benign: whether this is such a twin.
    """

    id: str
    type: CaseType
    group: str
    input: Any
    tools: Any = None
    tags: tuple[str, ...] = ()
    expected: Any = None
    has_expected: bool = False
    rules: tuple[str, ...] = ()
    entities: tuple[Entity, ...] = ()
    injected: tuple[str, ...] = ()
    true_facts: tuple[str, ...] = ()
    twin: str | None = None
    benign: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the case as the format writes it, without members that say nothing."""
        members: dict[str, Any] = {
            "id": self.id,
            "type": self.type.value,
            "group": self.group,
            "input": self.input,
        }
        if self.has_expected:
            members["expected"] = self.expected
        optional = {
            "tools": self.tools,
            "tags": list(self.tags),
            "rules": list(self.rules),
            "entities": [entity.to_json() for entity in self.entities],
            "injected": list(self.injected),
            "true_facts": list(self.true_facts),
            "twin": self.twin,
            "benign": self.benign,
        }
        return members | {name: value for name, value in optional.items() if value}


class OutcomeStatus(StrEnum):
    """How a run of a case ended: the sandbox's words, and `missing` for no run at all."""

    ANSWERED = "answered"
    ERROR = "error"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    OUTPUT_TOO_LARGE = "output_too_large"
    CRASHED = "crashed"
    MISSING = "missing"


RunStatus = Literal["answered", "error", "timeout", "out_of_memory", "output_too_large", "crashed"]
"""The sandbox's words for the same, which are taken as they are."""


@dataclass(frozen=True, kw_only=True)
class CaseOutcome:
    """What an artifact did with one case, once.

    Attributes:
        output_text: the answer's raw bytes, unparsed; None unless `status` is `answered`.
    """

    case_id: str
    status: OutcomeStatus | RunStatus
    output_text: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Entities found and missed, one to one."""

    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            true_positives=self.true_positives + other.true_positives,
            false_positives=self.false_positives + other.false_positives,
            false_negatives=self.false_negatives + other.false_negatives,
        )

    @property
    def f1(self) -> "Share":
        """F1 = 2 TP / (2 TP + FP + FN); nothing to find and nothing claimed counts as 1."""
        hits = 2 * self.true_positives
        total = hits + self.false_positives + self.false_negatives
        return Share(part=hits, whole=total) if total else Share(part=1, whole=1)


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share in whole counts, kept unreduced: 45 of 50 says more than 9 of 10."""

    part: int
    whole: int

    @property
    def fraction(self) -> Fraction:
        """The exact value; a share of nothing is 1, since nothing in it failed."""
        return Fraction(self.part, self.whole) if self.whole else Fraction(1)

    def to_json(self) -> dict[str, Any]:
        """Return the exact counts, and a rounded float for show."""
        return {"exact": f"{self.part}/{self.whole}", "value": shown(self.fraction)}


def shown(value: Fraction | float) -> float:
    """Round for show; decisions are never taken on the result."""
    return round(float(value), _SHOWN_DIGITS)


@dataclass(frozen=True, kw_only=True)
class PartCounts:
    """Cases of each type in each part."""

    dev: Mapping[CaseType, int] = field(default_factory=dict)
    holdout: Mapping[CaseType, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the counts by part and type."""
        return {
            "dev": {name.value: count for name, count in self.dev.items()},
            "holdout": {name.value: count for name, count in self.holdout.items()},
        }
