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
    "transfers": transfer(0)["id"],
}
BATCH = "attempt:a:admit"


def fiat(number: int, debit: str, credit: str, amount: int, **changed: Any) -> dict[str, Any]:
    named = {"debit": debit, "credit": credit, "amount": amount, "currency": "nusd"}
    return transfer(number, **named | {"batch_key": BATCH, "reference": "a"} | changed)


def loan(number: int, amount: int, **changed: Any) -> dict[str, Any]:
    fields = {"id": f"loa_{number}", "currency": "nusd", "account": FIAT, "amount": amount}
    fields |= {"owner": "acme.bot", "reference": "a"}
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
    assert broken(lent(1, 5), spent(2, 15), ("loan", loan(1, 5))) == {}
    within = (lent(1, 5), spent(2, 12), ("loan", loan(1, 5)))
    assert broken(*within, returned(3, 3), ("loan", loan(3, -3))) == {}


@pytest.mark.parametrize(
    ("spends", "why"), [(14, "5 nusd lent, 4 nusd needed"), (0, "5 nusd lent, 0 nusd needed")]
)
def test_more_than_is_needed_is_not_lent(spends: int, why: str) -> None:
    held = fiat(2, FIAT, "fiat-spent:p", 5, phase="hold")
    void = fiat(3, FIAT, "fiat-spent:p", 5, phase="void", hold_id=held["id"])
    taken = (lent(1, 5), ("transfer", held), ("loan", loan(1, 5)), ("transfer", void))
    assert broken(*taken, *([spent(4, spends)] if spends else [])) == {"fiat": why}


def test_what_was_not_lent_is_overspent() -> None:
    assert broken(("transfer", fiat(1, "fiat-authority", FIAT, 5)), spent(2, 15)) == {
        "fiat": "15 nusd admitted, 10 nusd budgeted",
        "receipts": "allows dollars that no issuance decision accounts for",
    }


def test_a_loan_without_a_record_and_a_record_without_a_loan_are_named() -> None:
    unrecorded = "lends money, or takes it back, that no record accounts for"
    assert broken(lent(1, 5), spent(2, 15))["receipts"] == unrecorded
    back = (lent(1, 5), spent(2, 15), ("loan", loan(1, 5)), returned(3, 5))
    assert broken(*back)["receipts"] == unrecorded
    cites = "cites no transfer that lends or gives back so much"
    assert broken(("loan", loan(1, 5)))["receipts"] == cites
    for changed in ({"amount": 6}, {"amount": -5}, {"account": "wallet:x"}):
        assert broken(lent(1, 5), ("loan", loan(1, 5) | changed))["receipts"] == cites
    twice = (("loan", loan(1, 5)), ("loan", loan(1, 5, id="loa_2")))
    assert broken(lent(1, 5), spent(2, 15), *twice)["receipts"] == cites


def borrowed(lender: str, account: str, *, amount: int = 5) -> tuple[str, dict[str, Any]]:
    return "transfer", fiat(1, lender, account, amount, currency="utok")


def taken(account: str, *, amount: int = 5, **changed: Any) -> tuple[str, dict[str, Any]]:
    held = {"phase": "hold", "currency": "utok"} | changed
    return "transfer", fiat(2, account, "burn", amount, **held)


def recorded(account: str, **changed: Any) -> tuple[str, dict[str, Any]]:
    return "loan", loan(1, 5, account=account, currency="utok") | changed


OVERDRAFT, WALLET = "overdraft:acme.bot", "wallet:acme.bot"


def test_an_owner_is_lent_what_its_work_takes() -> None:
    for account in (WALLET, "escrow:order"):
        found = broken(borrowed(OVERDRAFT, account), taken(account), recorded(account))
        assert "receipts" not in found


@pytest.mark.parametrize(
    ("lender", "account", "changed", "why"),
    [
        ("overdraft:evil", WALLET, {}, "names another owner than its lender lends to"),
        (OVERDRAFT, WALLET, {"owner": "x"}, "names another owner than its lender lends to"),
        (OVERDRAFT, "treasury:acme", {}, "is of tokens, and of no wallet or escrow"),
        (OVERDRAFT, "overdraft:b", {}, "is of tokens, and of no wallet or escrow"),
        (OVERDRAFT, WALLET, {"currency": "nusd"}, "names another currency than its lender lends"),
        (OVERDRAFT, WALLET, {"reference": "b"}, "names other work than its transfer"),
    ],
)
def test_a_record_that_does_not_fit_its_lender_is_named(
    lender: str, account: str, changed: dict[str, Any], why: str
) -> None:
    records = (borrowed(lender, account), taken(account), recorded(account, **changed))
    assert broken(*records)["receipts"] == why


@pytest.mark.parametrize(
    "use",
    [
        (),
        (taken(WALLET, reference="b"),),
        (taken(WALLET, batch_key="another"),),
        (taken(WALLET, amount=4),),
        (taken("wallet:x"),),
        (taken(WALLET, phase="void"),),
    ],
)
def test_a_loan_for_work_that_is_not_there_is_named(use: tuple[Any, ...]) -> None:
    found = broken(borrowed(OVERDRAFT, WALLET), *use, recorded(WALLET))
    assert found["receipts"] == "was lent for work that did not take it"


def test_a_day_lends_to_itself_and_only_if_it_was_decided() -> None:
    aside = ("transfer", fiat(2, "fiat-spent:p", "suspense:p", 5))
    to_provider = (("transfer", fiat(1, LENDER, "fiat-spent:p", 5)), aside)
    record = ("loan", loan(1, 5, account="fiat-spent:p"))
    why = "is of dollars, and not of its lender's own day"
    assert broken(*to_provider, record)["receipts"] == why
    day = "fiat-budget:acme:2099-01-01"
    never = fiat(1, "fiat-overrun:acme:2099-01-01", day, 5)
    use = fiat(2, day, "fiat-spent:p", 5)
    records = (("transfer", never), ("transfer", use), ("loan", loan(1, 5, account=day)))
    assert broken(*records)["receipts"] == "is of a day that no issuance decision opened"


def test_only_what_was_lent_is_given_back_and_by_who_was_lent_it() -> None:
    back = fiat(3, "treasury:acme", OVERDRAFT, 5, currency="utok")
    of_treasury = loan(3, -5, account="treasury:acme", currency="utok")
    lent_before = (borrowed(OVERDRAFT, WALLET), taken(WALLET), recorded(WALLET))
    found = broken(*lent_before, ("transfer", back), ("loan", of_treasury))
    assert found["receipts"] == "is of tokens, and of no wallet or escrow"
    too_much = ("transfer", back | {"debit": WALLET, "amount": 6})
    assert broken(*lent_before, too_much)["receipts"] == "gives more back than was lent"


def test_dollars_are_allowed_by_a_decision_alone() -> None:
    found = broken(("transfer", fiat(1, "fiat-authority", "fiat-spent:p", 5)))
    assert found == {"receipts": "allows dollars that no issuance decision accounts for"}
    decision = DECISION | {"id": "acme:2026-01-06", "day": "2026-01-06", "daily_limit_nusd": 5}
    cited = DECISION["transfers"] + " tra_1"
    aside = ("transfer", fiat(1, "fiat-authority", "fiat-spent:p", 5))
    found = broken(aside, ("issuance_decision", decision | {"transfers": cited}))
    assert found["receipts"] == "cites transfers of 0 nusd to its day, not of its limit"
