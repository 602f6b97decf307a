"""What each command writes: its transfer to the last field, both accounts, and its hold."""

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.money import MAX_AMOUNT, Currency
from ledger import Hold, Move, Phase, PostHold, Reverse, Transfer, VoidHold
from ledger import RejectionReason as R
from ledger.books import Books, apply_batch, transfer_id
from ledger.domain import Batch, Command, ExpireHold, HoldEntry, HoldStatus, Sums

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
PAYER, PAYEE = "wallet:payer", "escrow:payee"
OPEN = HoldEntry(
    id="open",
    debit=PAYER,
    credit=PAYEE,
    amount=10,
    currency=Currency.UTOK,
    kind="reserved",
    reference="order",
    expires_at=LATER,
)
SPENT = Transfer(
    id="spent",
    batch_key="old",
    position=0,
    debit=PAYEE,
    credit=PAYER,
    amount=7,
    currency=Currency.UTOK,
    kind="fee",
    phase=Phase.POST,
    reference="order-7",
    memo="old",
    at=NOW - timedelta(days=1),
)
BEFORE = {
    PAYER: Sums(floor=0, credits_posted=100, debits_posted=20, debits_held=30, credits_held=3),
    PAYEE: Sums(floor=0, credits_posted=11, debits_posted=1, debits_held=2, credits_held=30),
}
NAME = transfer_id("post:k", 5, at=NOW)


def books() -> Books:
    holds = [OPEN, replace(OPEN, id="over", expires_at=NOW)]
    return Books(
        now=NOW,
        accounts=deepcopy(BEFORE),
        holds={hold.id: hold for hold in holds},
        originals={SPENT.id: SPENT},
    )


def written(amount: int, kind: str, phase: Phase, **more: Any) -> Transfer:
    fields: dict[str, Any] = {"debit": PAYER, "credit": PAYEE, "reference": "order"} | more
    return Transfer(
        id=NAME,
        batch_key="post:k",
        position=5,
        amount=amount,
        currency=Currency.UTOK,
        kind=kind,
        phase=phase,
        at=NOW,
        **fields,
    )


MOVE = Move(debit=PAYER, credit=PAYEE, amount=4, kind="fee", reference="order", memo="why")
HOLD = Hold(
    debit=PAYER,
    credit=PAYEE,
    amount=4,
    kind="fee",
    reference="order",
    memo="why",
    expires_at=LATER,
)
SETTLED = {"kind": "reserved", "hold_id": "open"}


@pytest.mark.parametrize(
    ("command", "transfer", "posted", "held"),
    [
        (MOVE, written(4, "fee", Phase.POSTED, memo="why"), 4, 0),
        (HOLD, written(4, "fee", Phase.HOLD, memo="why", expires_at=LATER), 0, 4),
        (PostHold(hold_id="open"), written(10, phase=Phase.POST, **SETTLED), 10, -10),
        (PostHold(hold_id="open", amount=1), written(1, phase=Phase.POST, **SETTLED), 1, -10),
        (VoidHold(hold_id="open"), written(10, phase=Phase.VOID, **SETTLED), 0, -10),
        (
            ExpireHold(hold_id="over"),
            written(10, "reserved", Phase.EXPIRE, hold_id="over"),
            0,
            -10,
        ),
        (
            Reverse(transfer_id="spent", memo="oops"),
            written(
                7, "reversal", Phase.POSTED, reference="order-7", memo="oops", reverses="spent"
            ),
            7,
            0,
        ),
    ],
)
def test_a_transfer_and_its_sums(
    command: Command, transfer: Transfer, posted: int, held: int
) -> None:
    found = books()
    outcome = found.apply(command, batch_key="post:k", position=5)
    assert (outcome.rejection, outcome.transfer) == (None, transfer)
    payer, payee = BEFORE[PAYER], BEFORE[PAYEE]
    assert found.accounts == {
        PAYER: replace(
            payer,
            debits_posted=payer.debits_posted + posted,
            debits_held=payer.debits_held + held,
        ),
        PAYEE: replace(
            payee,
            credits_posted=payee.credits_posted + posted,
            credits_held=payee.credits_held + held,
        ),
    }
    assert found.originals[NAME] == transfer


def test_a_new_hold_is_what_was_asked_for() -> None:
    found = books()
    found.apply(HOLD, batch_key="post:k", position=5)
    assert found.holds[NAME] == replace(OPEN, id=NAME, amount=4, kind="fee")
    assert found.holds["open"] == OPEN


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (PostHold(hold_id="open", amount=2), HoldStatus.POSTED),
        (VoidHold(hold_id="open"), HoldStatus.VOIDED),
        (ExpireHold(hold_id="over"), HoldStatus.EXPIRED),
    ],
)
def test_a_settled_hold_says_how(command: Any, status: HoldStatus) -> None:
    found = books()
    before = dict(found.holds)
    found.apply(command, batch_key="post:k", position=5)
    changed = {command.hold_id: replace(before[command.hold_id], status=status)}
    assert found.holds == before | changed


def test_a_reversal_is_remembered_and_can_itself_be_reversed_once() -> None:
    found = books()
    found.apply(Reverse(transfer_id="spent"), batch_key="post:k", position=5)
    assert found.reversals == {"spent": NAME}
    again = found.apply(Reverse(transfer_id=NAME), batch_key="post:k", position=6)
    assert again.transfer is not None
    assert (again.transfer.debit, again.transfer.reverses) == (PAYEE, NAME)
    third = found.apply(Reverse(transfer_id=NAME), batch_key="post:k", position=7)
    assert third.rejection is R.ALREADY_REVERSED


def test_identifiers_follow_from_instant_key_and_position() -> None:
    """They stand in sealed records: another way of making them is another ledger."""
    assert transfer_id("post:k", 3, at=NOW) == "tra_01ke6p4ym0fhy3bjkskxpn1ppe"
    batch = Batch(key="k", commands=(MOVE, MOVE, MOVE), is_atomic=False, linked=frozenset({1}))
    outcomes = apply_batch(batch, books(), batch_key="post:k")
    assert [(one.transfer.position, one.transfer.id) for one in outcomes if one.transfer] == [
        (position, transfer_id("post:k", position, at=NOW)) for position in range(3)
    ]


@pytest.mark.parametrize(
    "command",
    [
        replace(MOVE, amount=1),
        replace(HOLD, amount=1),
        PostHold(hold_id="open", amount=1),
        replace(HOLD, expires_at=NOW + timedelta(microseconds=1)),
        replace(MOVE, amount=50),  # all that is available
        replace(HOLD, amount=50),
    ],
)
def test_the_smallest_and_the_largest_are_taken(command: Command) -> None:
    assert books().apply(command, batch_key="k", position=0).rejection is None


@pytest.mark.parametrize(("amount", "reason"), [(6, None), (7, R.OVERFLOW)])
@pytest.mark.parametrize("side", ["payer", "payee"])
def test_no_sum_of_posted_and_held_passes_64_bits(
    side: str, amount: int, reason: R | None
) -> None:
    """The mint has no floor: only the sums themselves are in the way."""
    payer, payee = Sums(floor=None), Sums(floor=0)
    if side == "payer":
        payer.debits_posted, payer.debits_held = MAX_AMOUNT - 10, 4
    else:
        payee.credits_posted, payee.credits_held = MAX_AMOUNT - 10, 4
    accounts = {"mint": payer, "treasury:acme": payee}
    command = Move(debit="mint", credit="treasury:acme", amount=amount, kind="issuance")
    outcome = Books(now=NOW, accounts=accounts, is_privileged=True).apply(
        command, batch_key="k", position=0
    )
    assert outcome.rejection is reason
