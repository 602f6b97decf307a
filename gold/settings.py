"""What ``gold.toml`` declares."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from gold.domain import Axis
from gold.entities import Normalization


@dataclass(frozen=True, kw_only=True)
class BusinessLogicSettings:
    """Axis `business_logic`.

    Attributes:
        rules: path of the rules file.
        floor: share of satisfied rules that is asked for even of a first version.
    """

    rules: str
    floor: Fraction


@dataclass(frozen=True, kw_only=True)
class ContextRobustnessSettings:
    """Axis `context_robustness`.

    Attributes:
        entities: JSON pointer into the output, to a list of ``{type, value}``.
        floor_f1: micro-F1 that is asked of a first version, which has no incumbent.
        type_tolerance: by how much no entity type's F1 may fall.
        normalize: by entity type; `exact` for types that are not named.
    """

    entities: str
    floor_f1: Fraction
    type_tolerance: Fraction
    normalize: Mapping[str, Normalization] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AntiHallucinationSettings:
    """Axis `anti_hallucination`: CEL over input and output, told apart from `injected`.

    Attributes:
        refused: true when an output is a structured refusal.
        answered: true when it is an answer.
    """

    refused: str
    answered: str


@dataclass(frozen=True, kw_only=True)
class GoldSettings:
    """A dataset's declarations; an axis is None only where it is waived.

    Attributes:
        name: ``namespace/name``.
        output_schema: path of the schema that every output must match.
        holdout_share: share of groups that the judge keeps to itself.
        waived: axes without cases, with the reason that every report shows.
    """

    name: str
    description: str
    output_schema: str
    business_logic: BusinessLogicSettings | None
    context_robustness: ContextRobustnessSettings | None
    anti_hallucination: AntiHallucinationSettings | None
    holdout_share: Fraction
    waived: Mapping[Axis, str] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        """The team that the dataset belongs to."""
        return self.name.partition("/")[0]

    @property
    def normalizations(self) -> Mapping[str, Normalization]:
        """How entity values are compared, by type."""
        return self.context_robustness.normalize if self.context_robustness else {}

    def to_json(self) -> dict[str, Any]:
        """Return what a reader of the dataset needs to know of its rules."""
        return {
            "name": self.name,
            "description": self.description,
            "holdout_share": str(self.holdout_share),
            "waived": {axis.value: reason for axis, reason in self.waived.items()},
            "business_logic": _axis_json(self.business_logic),
            "context_robustness": _axis_json(self.context_robustness),
            "anti_hallucination": _axis_json(self.anti_hallucination),
        }


def _axis_json(
    settings: BusinessLogicSettings | ContextRobustnessSettings | AntiHallucinationSettings | None,
) -> dict[str, Any] | None:
    if settings is None:
        return None
    return {
        name: str(value) if isinstance(value, Fraction) else value
        for name, value in vars(settings).items()
    }
