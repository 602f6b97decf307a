"""Every rejection, alone and before those that stand behind it."""

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aem.proof import NotCanonicalError, canonical_json, digest_of
from core.money import MAX_AMOUNT, Currency
from ledger import (
    Batch,
    BatchError,
    Hold,
    Move,
    Outcome,
    Phase,
    PostHold,
    Reverse,
    Transfer,
    VoidHold,
)
from ledger import RejectionReason as R
from ledger.books import Books, apply_batch
from ledger.domain import Command, ExpireHold, HoldEntry, HoldStatus, Sums
from ledger.store.journal import new_account

NOW = datetime(2026, 1, 5, tzinfo=UTC)
RICH, POOR, ESCROW = "wallet:rich", "wallet:poor", "escrow:o"


def make_hold(hold_id: str, **changed: object) -> HoldEntry:
    hold = HoldEntry(
        id=hold_id,
        debit=RICH,
        credit=ESCROW,
        amount=10,
        currency=Currency.UTOK,
        kind="test",
        reference="",
        expires_at=None,
    )
    return replace(hold, **changed)  # type: ignore[arg-type]


def make_transfer(transfer_id: str, **changed: object) -> Transfer:
    transfer = Transfer(
        id=transfer_id,
        batch_key="k",
        position=0,
        debit=ESCROW,
        credit=RICH,
        amount=10,
        currency=Currency.UTOK,
        kind="test",
        phase=Phase.POSTED,
        at=NOW,
    )
    return replace(transfer, **changed)  # type: ignore[arg-type]


def make_books(*, is_privileged: bool = False) -> Books:
    codes = (RICH, POOR, ESCROW, "wallet:full", "burn", "fiat-spent:p", "operator-loss")
    accounts = {code: Sums(floor=new_account(code).floor) for code in codes}
    accounts[RICH] = Sums(floor=0, credits_posted=100, debits_held=40)
    accounts[ESCROW] = Sums(floor=0, credits_held=40)
    accounts["wallet:full"] = Sums(floor=0, credits_posted=MAX_AMOUNT)
    past = NOW - timedelta(seconds=1)
    holds = [
        make_hold("open", expires_at=NOW + timedelta(seconds=1)),
        make_hold("over", expires_at=NOW),
        make_hold("voided", status=HoldStatus.VOIDED, expires_at=past),
        make_hold("burning", credit="burn", status=HoldStatus.POSTED),
        make_hold("free"),
    ]
    originals = [
        make_transfer("spent"),
        make_transfer("again"),
        make_transfer("burned", debit=RICH, credit="burn"),
        make_transfer("held", phase=Phase.HOLD),
        make_transfer("overflow", debit="wallet:full", credit=RICH, amount=MAX_AMOUNT),
    ]
    return Books(
        now=NOW,
        accounts=accounts,
        holds={hold.id: hold for hold in holds},
        originals={transfer.id: transfer for transfer in originals},
        reversals={"again": "back", "burned": "back"},
        is_privileged=is_privileged,
    )


def outcome_of(command: Command, *, is_privileged: bool = False) -> Outcome:
    books = make_books(is_privileged=is_privileged)
    return books.apply(command, batch_key="k", position=0)


def move(debit: str, credit: str, amount: int) -> Move:
    return Move(debit=debit, credit=credit, amount=amount, kind="test")


def hold(debit: str, credit: str, amount: int, expires_at: datetime | None = None) -> Hold:
    return Hold(debit=debit, credit=credit, amount=amount, kind="test", expires_at=expires_at)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (move("nonsense", "burn", 0), R.ACCOUNT_UNKNOWN),
        (move("burn", "burn", 0), R.ACCOUNT_RESTRICTED),
        (move(RICH, "fiat-spent:p", 0), R.ACCOUNT_RESTRICTED),
        (move(POOR, POOR, 0), R.ACCOUNTS_SAME),
        (move(POOR, "wallet:full", 0), R.AMOUNT_NOT_POSITIVE),
        (move(POOR, "wallet:full", -1), R.AMOUNT_NOT_POSITIVE),
        (move(POOR, "wallet:full", 1), R.OVERFLOW),
        (move(RICH, POOR, MAX_AMOUNT + 1), R.OVERFLOW),
        (move(RICH, POOR, 61), R.INSUFFICIENT_FUNDS),
        (move(RICH, POOR, 60), None),
        (hold("nonsense", POOR, 0, NOW), R.ACCOUNT_UNKNOWN),
        (hold(RICH, POOR, 0, NOW), R.AMOUNT_NOT_POSITIVE),
        (hold(RICH, "wallet:full", 1_000, NOW), R.EXPIRY_NOT_AHEAD),
        (hold(RICH, "wallet:full", 1_000), R.OVERFLOW),
        (hold(RICH, POOR, 61), R.INSUFFICIENT_FUNDS),
        (hold(RICH, POOR, 60, NOW + timedelta(seconds=1)), None),
        (PostHold(hold_id="none", amount=0), R.HOLD_NOT_FOUND),
        (PostHold(hold_id="burning", amount=0), R.ACCOUNT_RESTRICTED),
        (PostHold(hold_id="voided", amount=0), R.HOLD_ALREADY_SETTLED),
        (PostHold(hold_id="over", amount=0), R.HOLD_EXPIRED),
        (PostHold(hold_id="open", amount=0), R.AMOUNT_NOT_POSITIVE),
        (PostHold(hold_id="open", amount=11), R.AMOUNT_EXCEEDS_HOLD),
        (PostHold(hold_id="open", amount=10), None),
        (PostHold(hold_id="open"), None),
        (VoidHold(hold_id="none"), R.HOLD_NOT_FOUND),
        (VoidHold(hold_id="voided"), R.HOLD_ALREADY_SETTLED),
        (VoidHold(hold_id="over"), R.HOLD_EXPIRED),
        (VoidHold(hold_id="open"), None),
        (ExpireHold(hold_id="voided"), R.HOLD_ALREADY_SETTLED),
        (ExpireHold(hold_id="open"), R.HOLD_NOT_EXPIRED),
        (ExpireHold(hold_id="free"), R.HOLD_NOT_EXPIRED),
        (ExpireHold(hold_id="over"), None),
        (Reverse(transfer_id="none"), R.TRANSFER_NOT_FOUND),
        (Reverse(transfer_id="burned"), R.NOT_REVERSIBLE),
        (Reverse(transfer_id="held"), R.NOT_REVERSIBLE),
        (Reverse(transfer_id="again"), R.ALREADY_REVERSED),
        (Reverse(transfer_id="overflow"), R.OVERFLOW),
        (Reverse(transfer_id="spent"), None),
    ],
)
def test_the_first_reason_is_named(command: Command, reason: R | None) -> None:
    assert outcome_of(command).rejection is reason


def test_the_ledgers_own_services_may_post_to_restricted_accounts() -> None:
    assert outcome_of(move(RICH, "burn", 1), is_privileged=True).rejection is None
    assert outcome_of(move(RICH, "fiat-spent:p", 1), is_privileged=True).rejection is (
        R.CURRENCY_MISMATCH
    )
    loss = move("operator-loss", "fiat-spent:p", 5)
    assert outcome_of(loss, is_privileged=True).rejection is None
    burned = Reverse(transfer_id="burned")
    assert outcome_of(burned, is_privileged=True).rejection is R.NOT_REVERSIBLE


def test_a_refused_command_changes_nothing() -> None:
    books = make_books()
    before = deepcopy((books.accounts, books.holds))
    for amount in (0, 61, MAX_AMOUNT):
        books.apply(move(RICH, POOR, amount), batch_key="k", position=0)
    books.apply(PostHold(hold_id="open", amount=11), batch_key="k", position=0)
    assert (books.accounts, books.holds) == before


def test_holds_and_moves_change_the_sums_that_they_name() -> None:
    books = make_books()
    books.apply(move(RICH, POOR, 7), batch_key="k", position=0)
    held = books.apply(hold(RICH, POOR, 5), batch_key="k", position=1).transfer
    assert held is not None
    rich, poor = books.accounts[RICH], books.accounts[POOR]
    assert (rich.debits_posted, rich.debits_held) == (7, 45)
    assert (poor.credits_posted, poor.credits_held) == (7, 5)
    books.apply(PostHold(hold_id=held.id, amount=2), batch_key="k", position=2)
    rich, poor = books.accounts[RICH], books.accounts[POOR]
    assert (rich.debits_posted, rich.debits_held) == (9, 40)
    assert (poor.credits_posted, poor.credits_held) == (9, 0)


def test_one_transfer_is_reversed_once_within_a_batch() -> None:
    twice = Batch(key="k", commands=(Reverse(transfer_id="spent"),) * 2, is_atomic=False)
    outcomes = apply_batch(twice, make_books(), batch_key="k")
    assert [outcome.rejection for outcome in outcomes] == [None, R.ALREADY_REVERSED]


def test_a_chain_stands_or_falls_by_itself() -> None:
    chained = Batch(
        key="k",
        commands=(
            move(RICH, POOR, 1),
            move(RICH, POOR, 10),
            hold(RICH, ESCROW, 5),
            move(RICH, POOR, 1_000),
            Reverse(transfer_id="spent"),
            move(POOR, ESCROW, 3),
            move(POOR, RICH, 8),
        ),
        is_atomic=False,
        linked=frozenset({1, 2, 3, 5}),
    )
    books = make_books()
    outcomes = apply_batch(chained, books, batch_key="k")
    assert [outcome.rejection for outcome in outcomes] == [
        None,
        R.CHAIN_REJECTED,
        R.CHAIN_REJECTED,
        R.INSUFFICIENT_FUNDS,
        R.CHAIN_REJECTED,
        R.INSUFFICIENT_FUNDS,
        R.CHAIN_REJECTED,
    ]
    expected = make_books()
    expected.apply(chained.commands[0], batch_key="k", position=0)
    assert (books.accounts, books.holds) == (expected.accounts, expected.holds)
    assert books.reversals == expected.reversals
    assert books.originals == expected.originals


@pytest.mark.parametrize("settlement", [PostHold(hold_id="free"), VoidHold(hold_id="free")])
def test_a_hold_that_a_refused_chain_settled_is_open_again(settlement: Command) -> None:
    chained = Batch(
        key="k",
        commands=(settlement, move(RICH, POOR, 1_000), PostHold(hold_id="free")),
        is_atomic=False,
        linked=frozenset({0}),
    )
    books = make_books()
    outcomes = apply_batch(chained, books, batch_key="k")
    assert [outcome.rejection for outcome in outcomes] == [
        R.CHAIN_REJECTED,
        R.INSUFFICIENT_FUNDS,
        None,
    ]
    assert books.holds["free"] == make_hold("free", status=HoldStatus.POSTED)


def test_a_chain_sees_what_its_commands_left() -> None:
    chained = Batch(
        key="k",
        commands=(move(RICH, POOR, 60), move(POOR, ESCROW, 60), move(ESCROW, RICH, 61)),
        is_atomic=False,
        linked=frozenset({0}),
    )
    outcomes = apply_batch(chained, make_books(), batch_key="k")
    assert [outcome.rejection for outcome in outcomes] == [None, None, R.INSUFFICIENT_FUNDS]


@pytest.mark.parametrize("linked", [{2}, {-1}, {1, 7}])
def test_a_chain_has_an_end(linked: set[int]) -> None:
    commands = (move(RICH, POOR, 1),) * 3
    with pytest.raises(BatchError, match="linked"):
        Batch(key="k", commands=commands, is_atomic=False, linked=frozenset(linked))
    with pytest.raises(BatchError, match="one chain already"):
        Batch(key="k", commands=commands, linked=frozenset({0}))


def test_links_are_part_of_the_request_and_their_absence_is_not() -> None:
    commands = (move(RICH, POOR, 1),) * 2
    plain = Batch(key="k", commands=commands, is_atomic=False)
    linked = Batch(key="k", commands=commands, is_atomic=False, linked=frozenset({0}))
    assert request_of(plain).keys() == {"is_atomic", "commands"}
    assert linked.request_hash != plain.request_hash


def request_of(batch: Batch) -> dict[str, Any]:
    """Write a batch as the JSON whose digest its key is bound to."""
    request: dict[str, Any] = {
        "is_atomic": batch.is_atomic,
        "commands": [
            {"command": type(command).__name__, **json_fields(command)}
            for command in batch.commands
        ],
    }
    return request | ({"linked": sorted(batch.linked)} if batch.linked else {})


def json_fields(command: Command) -> dict[str, str | None]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value and str(value)
        for name, value in vars(command).items()
    }


@pytest.mark.parametrize(
    "commands",
    [
        (
            Move(debit='"', credit="\n", amount=1, kind="k", reference="\x01", memo="\U0001f600"),
            move(RICH, POOR, -(2**70)),
            hold('a "quote"', POOR, 5, NOW),
            hold(RICH, POOR, 1),
        ),
        (
            PostHold(hold_id="h", amount=3),
            PostHold(hold_id="h\u2028\x01"),
            VoidHold(hold_id="\U0001f600"),
        ),
        (ExpireHold(hold_id="h"), Reverse(transfer_id="t", memo="a\nb"), Reverse(transfer_id="t")),
    ],
)
def test_a_request_is_hashed_as_its_canonical_json(commands: tuple[Command, ...]) -> None:
    for batch in (
        Batch(key="k", commands=commands),
        Batch(key="k", commands=commands, is_atomic=False, linked=frozenset({1, 0})),
    ):
        assert batch.request_hash == digest_of(canonical_json(request_of(batch)))


def test_a_request_without_a_form_is_refused() -> None:
    with pytest.raises(NotCanonicalError):
        Batch(key="k", commands=(VoidHold(hold_id="\ud800"),)).request_hash  # noqa: B018
