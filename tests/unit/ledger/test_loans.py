"""Which transfers are loans, and what their records say."""

from datetime import UTC, datetime

from core.money import Currency
from ledger import Cause, Phase, Transfer
from ledger.loans import Loan, loans_of

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
CAUSE = Cause(budget="acme.bot", owner="acme.bot", reference="try")


def transfer(number: int, debit: str, credit: str, **changed: object) -> Transfer:
    fields: dict[str, object] = {
        "id": f"tra_{number}",
        "batch_key": "k",
        "position": number,
        "debit": debit,
        "credit": credit,
        "amount": 7,
        "currency": Currency.UTOK,
        "kind": "loan",
        "reference": "try",
        "phase": Phase.POSTED,
        "at": NOW,
    }
    return Transfer(**(fields | changed))  # type: ignore[arg-type]


def test_an_owner_borrows_from_an_account_of_its_own() -> None:
    assert CAUSE.overdraft == "overdraft:acme.bot"


def test_loans_and_returns_have_a_record_and_nothing_else_has() -> None:
    fiat = "fiat-budget:acme:2026-01-05"
    found = loans_of(
        [
            transfer(0, "overdraft:acme.bot", "escrow:o"),
            transfer(1, fiat, "fiat-overrun:acme:2026-01-05", currency=Currency.NUSD),
            transfer(2, fiat, "fiat-spent:p", currency=Currency.NUSD, phase=Phase.HOLD),
            transfer(3, "escrow:o", "burn", phase=Phase.HOLD),
            transfer(4, "mint", "treasury:acme"),
        ],
        CAUSE,
    )
    known = {"budget": "acme.bot", "owner": "acme.bot", "reference": "try", "at": NOW}
    assert [vars(one) | {"id": ""} for one in found] == [
        vars(
            Loan(
                id="",
                currency=currency,
                account=account,
                amount=amount,
                transfer=name,
                **known,  # type: ignore[arg-type]
            )
        )
        for currency, account, amount, name in (
            (Currency.UTOK, "escrow:o", 7, "tra_0"),
            (Currency.NUSD, fiat, -7, "tra_1"),
        )
    ]
    assert len({one.id for one in found}) == 2
