"""What an audit says of loans, from records alone: forged ones, and ones that nobody needed."""

from typing import Any

import pytest

from aem.proof.audit import MoneyRun
from tests.fakes.exports import transfer

DAY = "2026-01-05"
FIAT, LENDER = f"fiat-budget:acme:{DAY}", f"fiat-overrun:acme:{DAY}"
DECISION = {
    "id": f"acme:{DAY}",
    "budget": "acme",
    "day": DAY,
    "daily_limit_nusd": 10,
    "issued_utok": 0,
    "transfers": "",
}


def fiat(number: int, debit: str, credit: str, amount: int, **changed: Any) -> dict[str, Any]:
    named = {"debit": debit, "credit": credit, "amount": amount, "currency": "nusd"}
    return transfer(number, **named | changed)


def loan(number: int, amount: int, **changed: Any) -> dict[str, Any]:
    fields = {"id": f"loa_{number}", "currency": "nusd", "account": FIAT, "amount": amount}
    return fields | {"transfer": transfer(number)["id"]} | changed


def broken(*records: tuple[str, dict[str, Any]]) -> dict[str, str]:
    """Return the statements that do not hold, with why, when 10 nusd are budgeted."""
    run = MoneyRun()
    funding = fiat(0, "fiat-authority", FIAT, 10)
    for number, (kind, row) in enumerate(
        [("transfer", funding), ("issuance_decision", DECISION), *records]
    ):
        run.add(kind, row, number)
    found = vars(run.finish([], []))
    return {
        name: one.first_bad.why
        for name, one in found.items()
        if one.first_bad is not None and name != "balances"  # no stored accounts are given
    }


def spent(number: int, amount: int) -> tuple[str, dict[str, Any]]:
    return "transfer", fiat(number, FIAT, "fiat-spent:p", amount)


def lent(number: int, amount: int) -> tuple[str, dict[str, Any]]:
    return "transfer", fiat(number, LENDER, FIAT, amount)


def returned(number: int, amount: int) -> tuple[str, dict[str, Any]]:
    return "transfer", fiat(number, FIAT, LENDER, amount)


def test_a_day_may_spend_its_limit_and_what_it_was_lent() -> None:
    assert broken(spent(1, 10)) == {}
    assert broken(lent(1, 5), ("loan", loan(1, 5)), spent(2, 15)) == {}
    assert (
        broken(
            lent(1, 5),
            ("loan", loan(1, 5)),
            returned(2, 3),
            ("loan", loan(2, -3)),
            spent(3, 12),
        )
        == {}
    )


@pytest.mark.parametrize(
    ("spends", "why"), [(14, "5 nusd lent, 4 nusd needed"), (0, "5 nusd lent, 0 nusd needed")]
)
def test_more_than_is_needed_is_not_lent(spends: int, why: str) -> None:
    records = [lent(1, 5), ("loan", loan(1, 5)), *([spent(2, spends)] if spends else [])]
    assert broken(*records) == {"fiat": why}


def test_what_was_not_lent_is_overspent() -> None:
    assert broken(("transfer", fiat(1, "fiat-authority", FIAT, 5)), spent(2, 15)) == {
        "fiat": "15 nusd admitted, 10 nusd budgeted"
    }


def test_a_loan_without_a_record_and_a_record_without_a_loan_are_named() -> None:
    unrecorded = "lends money, or takes it back, that no record accounts for"
    assert broken(lent(1, 5), spent(2, 15))["receipts"] == unrecorded
    assert broken(returned(1, 5), spent(2, 5))["receipts"] == unrecorded
    cites = "cites no transfer that lends or gives back so much"
    assert broken(("loan", loan(1, 5)))["receipts"] == cites
    for changed in ({"amount": 6}, {"amount": -5}, {"account": "wallet:x"}):
        assert broken(lent(1, 5), ("loan", loan(1, 5) | changed))["receipts"] == cites
    twice = (("loan", loan(1, 5)), ("loan", loan(1, 5, id="loa_2")))
    assert broken(lent(1, 5), *twice, spent(2, 15))["receipts"] == cites
