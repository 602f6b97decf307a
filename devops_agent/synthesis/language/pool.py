"""The pool: variants that improve on the incumbent, each the best at something.

As in GEPA (Agrawal et al., 2025), a variant is worth building on when no other one is at least as
good on every case and better on one. The whole of the dev cases is measured, not a sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from aem.artifact import Bundle
from devops_agent.synthesis.workbench import EPSILON, Scores, total_loss


@dataclass(kw_only=True, eq=False)
class Variant:
    """An artifact that all dev cases were run on.

    Attributes:
        bundle: its files.
        scores: of all dev cases.
        rationales: why each change was made, the first first; none for the incumbent.
        fruitless: how many rounds have built on it and found nothing better than all before.
    """

    bundle: Bundle
    scores: Scores
    rationales: tuple[str, ...] = ()
    fruitless: int = 0
    loss: float = field(init=False)

    def __post_init__(self) -> None:
        """Sum the losses."""
        self.loss = total_loss(self.scores)

    def dominates(self, other: "Variant") -> bool:
        """Whether it is at least as good on every case, and better on one."""
        pairs = [
            (score.loss, other.scores[case_id].loss) for case_id, score in self.scores.items()
        ]
        return all(mine <= its + EPSILON for mine, its in pairs) and any(
            mine < its - EPSILON for mine, its in pairs
        )


class Pool:
    """The incumbent and its improvements, in the order in which they were found."""

    def __init__(self, incumbent: Variant) -> None:
        """Begin with the incumbent."""
        self._variants = [incumbent]

    @property
    def incumbent(self) -> Variant:
        """What every variant must improve on."""
        return self._variants[0]

    @property
    def improvements(self) -> Sequence[Variant]:
        """All variants but the incumbent."""
        return self._variants[1:]

    @property
    def best_loss(self) -> float:
        """The least loss so far."""
        return min(variant.loss for variant in self._variants)

    def add(self, variant: Variant) -> None:
        """Take an improvement in."""
        self._variants.append(variant)

    def parent(self) -> Variant:
        """Return what to build on next: of the undominated the one tried least, then the best."""
        front = [
            variant
            for variant in self._variants
            if not any(other.dominates(variant) for other in self._variants)
        ]
        return min(front, key=lambda variant: (variant.fruitless, variant.loss))
