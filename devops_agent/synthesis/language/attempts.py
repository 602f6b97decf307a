"""Attempts: what became of each round, told to the model so that it does not repeat itself."""

from collections.abc import Sequence
from dataclasses import dataclass

from devops_agent.synthesis.language.reply import Proposal
from devops_agent.synthesis.port import CaseScore, DevCase
from devops_agent.synthesis.workbench import EPSILON, Scores, is_harmless, total_loss

KEPT = "kept"
NO_GAIN = "no_gain"
HARD_CASE_BROKEN = "hard_case_broken"


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One round that has ended.

    Attributes:
        number: of the round, from 1.
        outcome: ``kept``, ``no_gain``, ``hard_case_broken``, or why the proposal was refused.
        told: the same in sentences, for the model.
        proposal: what was proposed, as far as it could be read.
        worse: cases that came out worse than before, with what came out.
    """

    number: int
    outcome: str
    told: str
    proposal: Proposal | None = None
    worse: Sequence[tuple[DevCase, CaseScore]] = ()

    @property
    def is_kept(self) -> bool:
        """Whether the variant is an improvement on the incumbent."""
        return self.outcome == KEPT


def measured(
    number: int, proposal: Proposal, cases: Sequence[DevCase], before: Scores, after: Scores
) -> Attempt:
    """Compare a variant with the incumbent: it must lose strictly less and break no hard case.

    Args:
        number: of the round.
        proposal: what made the variant.
        cases: all dev cases.
        before: the incumbent's scores, of all cases.
        after: the variant's, of those that were run until it had lost too much.
    """
    worse = [
        (case, after[case.id])
        for case in cases
        if case.id in after and after[case.id].loss > before[case.id].loss + EPSILON
    ]
    better = sum(
        after[case.id].loss < before[case.id].loss - EPSILON for case in cases if case.id in after
    )
    old, new = total_loss(before), total_loss(after)
    counts = f"{better} cases came out better and {len(worse)} worse"
    if not is_harmless(before, after):
        told = f"It breaks cases each of which alone rejects a candidate; {counts}."
        outcome = HARD_CASE_BROKEN
    elif new >= old - EPSILON:
        told = f"It gains nothing: the loss must be below {old:.4f}; {counts}."
        outcome = NO_GAIN
    else:
        told = f"It lowers the loss from {old:.4f} to {new:.4f} and was kept; {counts}."
        outcome = KEPT
    worse.sort(key=lambda pair: not pair[1].hard)
    return Attempt(number=number, outcome=outcome, told=told, proposal=proposal, worse=worse)
