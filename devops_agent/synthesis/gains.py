"""Gains: edits that lower the loss, and partial repairs that help some case only."""

from collections.abc import Sequence
from dataclasses import dataclass

from devops_agent.synthesis.port import CaseScore, DevCase
from devops_agent.synthesis.source import Edit
from devops_agent.synthesis.symptoms import Dictionary
from devops_agent.synthesis.workbench import Scores


@dataclass(frozen=True, kw_only=True)
class Gain:
    """An edit that lowers the loss.

    Attributes:
        edits: one, or two that only help together.
        scores: of all dev cases, or of a sample.
        worth: how much loss it takes away, less what it adds elsewhere; estimated from a sample.
        is_constructive: whether some output gains a right fact, and not only loses wrong ones.
    """

    edits: Sequence[Edit]
    scores: Scores
    worth: float
    is_constructive: bool

    @property
    def cost(self) -> float:
        """How unusual and how large the change is."""
        return sum(edit.cost + 0.002 * len(edit.text) for edit in self.edits)


@dataclass(frozen=True, kw_only=True)
class Partial:
    """An edit that helps some probe and is no gain on the whole."""

    edit: Edit
    helped: Sequence[str]
    gain: float


def adds_right_facts(
    dictionary: Dictionary, case: DevCase, before: CaseScore, after: CaseScore
) -> bool:
    """Whether the output has an expected fact that it lacked, or the case passes altogether."""
    if after.passed:
        return True
    expected = dictionary.facts(case.expectation)
    right_before = expected & dictionary.facts(before.output)
    right_after = expected & dictionary.facts(after.output)
    return bool(right_after - right_before)
