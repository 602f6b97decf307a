"""Invoices against real books: what differs is named, what is proven is settled, once."""

from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.database import Database
from core.errors import AemError
from ledger import (
    BatchError,
    InvoiceError,
    InvoiceRefusedError,
    Reconciliation,
    ReconciliationNotFoundError,
    Reconciliations,
    Summaries,
)
from tests.fakes.bank import TOKEN, USD, Bank, line

HEADER = "line_id,date,resource,amount,currency,reference,provider"
DAY = "2026-01-05"
RESOURCE = "sandbox-second"


def csv(*lines: tuple[str, str, str], extra: str = "") -> bytes:
    """Lines of reference, resource and amount, numbered from 1."""
    rows = [
        f"{number},{DAY},{resource},{amount},USD,{reference},"
        for number, (reference, resource, amount) in enumerate(lines, start=1)
    ]
    return "\n".join([HEADER, *rows, extra]).encode()


def compare(bank: Bank, content: bytes, **named: Any) -> Reconciliation:
    with bank.database.reading() as session:
        return Reconciliations(clock=bank.clock).compare(
            session, **({"provider": "sandbox", "content": content} | named)
        )


def settle(bank: Bank, content: bytes, **named: Any) -> Reconciliation:
    service = Reconciliations(clock=bank.clock)
    given = {"provider": "sandbox", "content": content, "actor": "operator"} | named
    return bank.do(service.settle, **given)


@pytest.fixture
def books(funded: Bank) -> Bank:
    """Two settled attempts of 0.4 and 0.1 USD, and two lost ones of 1 and 0.5 USD at most."""
    funded.set_up()
    funded.admit("paid-1")
    funded.settle("paid-1", line(400))
    funded.admit("paid-2", bound_nusd=USD // 2)
    funded.settle("paid-2", line(100))
    for name, bound_nusd in (("lost-1", USD), ("lost-2", USD // 2)):
        funded.admit(name, bound_nusd=bound_nusd)
        funded.do(funded.metering.lose, attempt_id=name)
    return funded


ALL = (
    ("paid-1", RESOURCE, "0.4"),
    ("paid-2", RESOURCE, "0.1"),
    ("lost-1", RESOURCE, "0.25"),
)


def kinds(found: Reconciliation) -> list[tuple[str, Any, str]]:
    return [(d["kind"], d["line"], d["reference"]) for d in found.differences]


@pytest.mark.parametrize("folds", [False, True])
def test_an_invoice_that_names_attempts_settles_the_lost_ones(books: Bank, *, folds: bool) -> None:
    if folds:
        books.do(Summaries().advance)
    authority = books.balance("fiat-authority")
    day_left = books.balance(f"fiat-budget:acme:{DAY}")
    preview = compare(books, csv(*ALL))
    assert (preview.matched, preview.differences) == (3, [])
    assert (preview.billed_nusd, preview.released_nusd) == (USD // 4, USD * 5 // 4)
    assert not preview.is_applied
    assert books.balance("suspense:sandbox") == USD * 3 // 2
    found = settle(books, csv(*ALL))
    assert found.is_applied
    assert (found.billed_nusd, found.released_nusd) == (preview.billed_nusd, preview.released_nusd)
    assert books.balance("suspense:sandbox") == 0
    assert books.balance("fiat-spent:sandbox") == USD * 3 // 4
    assert books.balance("fiat-authority") == authority + USD * 5 // 4
    assert books.balance(f"fiat-budget:acme:{DAY}") == day_left
    assert books.balance("operator-loss") == 0
    assert books.verify().verified
    with books.database.reading() as session:
        moved = books.ledger.transfers(session, reference="lost-1").items[-2:]
    assert [transfer.kind for transfer in moved] == ["suspense_billed", "suspense_released"]
    assert {transfer.memo for transfer in moved} == {f"invoice {found.invoice_digest}"}
    assert [transfer.id for transfer in moved] == found.transfers[:2]


def test_the_same_invoice_settles_once_and_another_nothing_more(books: Bank) -> None:
    first = settle(books, csv(*ALL))
    transfers = len(first.transfers)
    again = settle(books, csv(*ALL))
    assert again.is_replay
    assert (again.transfers, again.billed_nusd) == (first.transfers, first.billed_nusd)
    other = settle(books, csv(*ALL, ("paid-9", RESOURCE, "1")))
    assert (other.attempts, other.transfers) == (0, [])
    assert kinds(other) == [("missing_in_ledger", 5, "paid-9")]
    assert books.balance("fiat-spent:sandbox") == USD * 3 // 4
    assert transfers == 3


def test_what_was_settled_is_listed_with_who_did_it_and_when(books: Bank) -> None:
    service = Reconciliations(clock=books.clock)
    compare(books, csv(*ALL))
    settled = []
    for number in range(4):
        invoice = csv(*ALL, extra=f"x{number},{DAY},other,1,USD,,")
        settled.append((settle(books, invoice, actor=f"key-{number}"), books.clock.instant))
        books.clock.advance(minutes=number % 2)
    settle(books, invoice, actor="replay")
    found, cursor = [], ""
    while cursor is not None:
        with books.database.reading() as session:
            page = service.page(session, after=cursor, limit=3)
        found += page.items
        cursor = page.next_cursor
    assert sorted(one.found.id for one in found) == sorted(one.id for one, _ in settled)
    assert [one.at for one in found] == sorted((at for _, at in settled), reverse=True)
    assert {one.actor for one in found} == {f"key-{number}" for number in range(4)}
    with books.database.reading() as session:
        (first, at) = settled[0]
        assert service.settlement(session, first.id).found == first
        assert service.settlement(session, first.id).at == at
        assert service.page(session, provider="nobody").items == ()
        assert len(service.page(session, provider="sandbox").items) == 4
        with pytest.raises(ReconciliationNotFoundError):
            service.settlement(session, "rec_none")
        with pytest.raises(BatchError):
            service.page(session, after="x")


def test_a_later_bill_for_what_was_settled_is_named_and_moves_nothing(books: Bank) -> None:
    settle(books, csv(*ALL))
    late = csv(*ALL[:2], ("lost-1", RESOURCE, "0.26"), ("lost-2", RESOURCE, "0.1"))
    found = settle(books, late)
    assert kinds(found) == [("amount_differs", 4, "lost-1"), ("amount_differs", 5, "lost-2")]
    assert [d["ledger_pusd"] for d in found.differences] == [USD * 1_000 // 4, 0]
    assert found.transfers == []
    totals = compare(books, csv(("", RESOURCE, "0.75")))
    assert (totals.differences, totals.matched) == ([], 1)


def test_what_is_billed_above_a_bound_is_the_operators_loss(books: Bank) -> None:
    found = settle(books, csv(*ALL[:2], ("lost-1", RESOURCE, "1.75"), ("lost-2", RESOURCE, "0.5")))
    assert (found.billed_nusd, found.released_nusd, found.loss_nusd) == (
        USD * 3 // 2,
        0,
        USD * 3 // 4,
    )
    assert books.balance("operator-loss") == -USD * 3 // 4
    assert books.balance("fiat-spent:sandbox") == USD * 11 // 4
    assert books.verify().verified


def test_every_difference_has_a_name_and_a_place(books: Bank) -> None:
    content = csv(
        ("paid-1", RESOURCE, "0.400000000001"),
        ("ghost", RESOURCE, "0.1"),
        extra="\n".join(
            [
                f"1,{DAY},{RESOURCE},0.4,USD,paid-1,",
                f"4,{DAY},{RESOURCE},0.4,EUR,paid-1,",
                f"5,{DAY},{RESOURCE},0.4,USD,paid-1,elsewhere",
            ]
        ),
    )
    found = compare(books, content)
    assert sorted(kinds(found), key=str) == [
        ("amount_differs", 2, "paid-1"),
        ("currency_differs", 5, "paid-1"),
        ("duplicate_line", 4, "paid-1"),
        ("missing_in_invoice", None, "paid-2"),
        ("missing_in_ledger", 3, "ghost"),
        ("unknown_provider", 6, "paid-1"),
    ]
    (differs,) = (d for d in found.differences if d["kind"] == "amount_differs")
    assert differs["invoice_pusd"] - differs["ledger_pusd"] == 1
    assert found.counts == dict.fromkeys(found.counts, 1)
    with pytest.raises(InvoiceRefusedError):
        settle(books, content)
    assert books.balance("suspense:sandbox") == USD * 3 // 2


def test_without_references_days_and_resources_are_compared(books: Bank) -> None:
    """0.5 USD are booked; what is billed above that is the lost attempts'."""
    found = settle(books, csv(("", RESOURCE, "0.9"), ("", RESOURCE, "0.85")))
    assert found.differences == []
    assert (found.billed_nusd, found.released_nusd, found.loss_nusd) == (USD * 5 // 4, USD // 4, 0)
    assert books.balance("suspense:sandbox") == 0
    assert books.verify().verified


def test_totals_that_are_too_low_or_of_another_resource_are_named(books: Bank) -> None:
    found = compare(books, csv(("", RESOURCE, "0.3"), ("", "gpu", "0")))
    assert kinds(found) == [("amount_differs", None, "")]
    assert found.released_nusd == USD * 3 // 2
    without_losses = compare(books, csv(("", "gpu", "0.2"), ("", RESOURCE, "0.5")))
    assert without_losses.billed_nusd == USD // 5


def test_a_lost_attempt_of_another_day_stays_in_suspense(books: Bank) -> None:
    other = csv(*ALL[:1]).replace(DAY.encode(), b"2026-01-07")
    found = settle(books, other)
    assert (found.attempts, found.matched) == (0, 1)
    assert books.balance("suspense:sandbox") == USD * 3 // 2
    wide = compare(books, other, start=date(2026, 1, 1), end=date(2026, 2, 1))
    assert (wide.attempts, wide.released_nusd) == (2, USD * 3 // 2)


def test_an_unknown_provider_and_an_empty_invoice_are_named(books: Bank) -> None:
    found = compare(books, csv(*ALL), provider="elsewhere")
    assert found.counts == {"unknown_provider": 3}
    with pytest.raises(InvoiceError, match="no lines"):
        compare(books, csv())
    empty = compare(books, csv(), start=date(2026, 1, 5), end=date(2026, 1, 6))
    assert empty.counts == {"missing_in_invoice": 1}
    with pytest.raises(AemError):
        compare(books, csv(*ALL), provider="no provider")


amounts = st.lists(st.integers(0, 3 * USD), min_size=0, max_size=6)


@pytest.mark.slow
def test_every_bound_is_settled_whole_and_once_by_any_invoices(
    database: Database, tmp_path: Any
) -> None:
    bank = Bank.open(database, tmp_path / "keys")
    bank.set_up(daily_limit_nusd=100 * USD)
    bank.fund("wallet:acme.bot", 90_000 * TOKEN)
    names = (f"try-{number}" for number in range(10**6))

    @settings(
        max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(amounts, st.booleans())
    def check(billed: list[int], by_name: bool) -> None:  # noqa: FBT001
        bank.clock.advance(days=1)
        day = f"{bank.clock.instant:%Y-%m-%d}"
        before = {code: bank.balance(code) for code in ("fiat-spent:sandbox", "operator-loss")}
        lost = [next(names) for _ in billed]
        for name in lost:
            bank.admit(name)
            bank.do(bank.metering.lose, attempt_id=name)
        rows = [
            (name if by_name else "", RESOURCE, f"{nusd / USD:.9f}")
            for name, nusd in zip(lost, billed, strict=True)
        ]
        period = {"start": bank.clock.instant.date(), "end": date(2030, 1, 1)}
        content = csv(*rows).replace(DAY.encode(), day.encode())
        found = settle(bank, content, **period)
        assert settle(bank, content, **period).is_replay
        assert bank.balance("suspense:sandbox") == 0
        assert found.billed_nusd + found.released_nusd == len(lost) * USD
        spent = bank.balance("fiat-spent:sandbox") - before["fiat-spent:sandbox"]
        assert spent == sum(billed) == found.billed_nusd + found.loss_nusd
        assert before["operator-loss"] - bank.balance("operator-loss") == found.loss_nusd

    check()
    assert bank.verify().verified
