"""The end of an escrow in observe-only mode: lenders come before treasury and buyer."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.database import Database
from devops_agent.metering import OrderMetering
from ledger import Cause, Move
from tests.fakes.bank import TOKEN, Bank, line

ESCROW, OVERDRAFT, BUYER = "escrow:o", "overdraft:acme.bot", "wallet:acme.bot"


@pytest.mark.parametrize(
    ("refund", "ends"),
    [(0, (600, 0, 0)), (500, (100, 0, 0)), (603, (0, 3, 0)), (610, (0, 5, 5))],
)
def test_a_refund_of_lent_work_goes_to_the_lender_first(
    database: Database, tmp_path: Path, refund: int, ends: tuple[int, int, int]
) -> None:
    bank = Bank.open(database, tmp_path).observing
    bank.set_up()
    bank.fund(BUYER, 100 * TOKEN)
    cause = Cause(budget="acme.bot", owner="acme.bot", reference="o")
    paid = Move(debit=BUYER, credit=ESCROW, amount=200 * TOKEN, kind="escrow", reference="o")
    bank.do(bank.metering.lending.pay, key="escrow:o", move=paid, cause=cause)
    bank.admit("try", payer=ESCROW, reference="o", bound_utok=1_000 * TOKEN)
    bank.settle("try", line(700, unit_price_pusd=10**9))  # 100 of its own, 600 lent
    if refund:
        bank.do(
            bank.budgets.refund_from_reserve,
            key="r",
            budget="acme",
            to=ESCROW,
            amount_utok=refund * TOKEN,
            reference="o",
        )
    order: Any = SimpleNamespace(
        id="o", payer="acme.bot", budget="acme.bot", money=SimpleNamespace(lent_utok=100 * TOKEN)
    )
    unused: Any = None
    metering = OrderMetering(
        clock=bank.clock,
        market=unused,
        ledger=bank.ledger,
        budgets=bank.budgets,
        metering=bank.metering,
        terms=unused,
    )
    rest = bank.do(metering.close_escrow, order, fee_utok=5 * TOKEN)
    found = (-bank.balance(OVERDRAFT), bank.balance("treasury:acme.bot"), bank.balance(BUYER))
    assert found == tuple(tokens * TOKEN for tokens in ends)  # owed, fee, the buyer's
    assert rest.lent_utok - rest.repaid_utok == found[0]
    assert bank.balance(ESCROW) == 0
    assert bank.verify().verified
