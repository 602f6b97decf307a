"""What observe-only mode lets pass: an order's record says which refusals it would have met."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from core.errors import PaymentRequiredError
from devops_agent.domain import Order

LET_PASS = "let_pass"  # noqa: S105 - no password
"""Where an order's summary keeps them."""

SUBMISSION = "submission"


class LetPass:
    """Refuses for lack of money, or keeps a note of it where nothing is enforced."""

    def __init__(self, *, is_observing: bool) -> None:
        """Start with no note."""
        self._is_observing = is_observing
        self.notes: list[dict[str, Any]] = []

    def check(self, refusal: PaymentRequiredError | None) -> None:
        """Refuse, or go on.

        Raises:
            PaymentRequiredError: there is a refusal, and it is enforced.
        """
        if refusal is None:
            return
        if not self._is_observing:
            raise refusal
        note = {"stage": SUBMISSION, "reason": refusal.reason, "message": refusal.message}
        self.notes.append(note | refusal.details)


def with_notes(order: Order, stage: str, reasons: Iterable[str]) -> Order:
    """Add what an attempt at a stage was not refused for, each reason once for a stage.

    Once, and without figures: how often and for how much a judging's calls were let pass would
    tell of the cases that it asks about.
    """
    notes = list(order.summary.get(LET_PASS, ()))
    known = {(note["stage"], note["reason"]) for note in notes}
    notes += [
        {"stage": stage, "reason": reason} for reason in reasons if (stage, reason) not in known
    ]
    return replace(order, summary=order.summary | {LET_PASS: notes})
