"""Payments that observe-only mode lends to, such as an order's escrow."""

import threading

import pytest
from sqlalchemy.exc import DBAPIError

from ledger import Cause, Enforcement, InsufficientFundsError, Lending, Move
from tests.fakes.bank import TOKEN, USD, Bank
from tests.fakes.loans import check_loans, lent

WALLET = "wallet:acme.bot"


class TestPaying:
    """Moves that are paid by who cannot pay them, such as an order's escrow."""

    CAUSE = Cause(budget="acme", owner="acme.bot", reference="order")

    def pay(self, bank: Bank, amount: int, *, key: str = "escrow:order") -> int:
        lending = Lending(clock=bank.clock, enforcement=Enforcement.OBSERVE)
        move = Move(
            debit=WALLET,
            credit="escrow:order",
            amount=amount,
            kind="escrow",
            reference=self.CAUSE.reference,
        )
        return bank.do(lending.pay, key=key, move=move, cause=self.CAUSE)

    def give_back(self, bank: Bank, amount: int) -> None:
        bank.do(
            Lending(clock=bank.clock).give_back,
            key="return:order",
            account="escrow:order",
            cause=self.CAUSE,
            amount_utok=amount,
        )

    def test_what_the_payer_lacks_is_lent_once(self, funded: Bank) -> None:
        for _ in range(2):
            assert self.pay(funded, 5_000 * TOKEN) == 2_000 * TOKEN
        assert funded.balance("escrow:order") == 5_000 * TOKEN
        assert funded.balance(WALLET) == 0
        check_loans(funded)

    def test_what_is_covered_is_not_lent(self, funded: Bank) -> None:
        for _ in range(2):
            assert self.pay(funded, 3_000 * TOKEN) == 0
        assert funded.balance("escrow:order") == 3_000 * TOKEN
        check_loans(funded)

    def test_what_is_not_needed_goes_back_once(self, funded: Bank) -> None:
        self.pay(funded, 5_000 * TOKEN)
        for _ in range(2):
            self.give_back(funded, 1_500 * TOKEN)
        assert lent(funded)[0] == 500 * TOKEN
        assert funded.balance("escrow:order") == 3_500 * TOKEN
        check_loans(funded)

    def test_enforced_what_is_not_covered_is_refused(self, funded: Bank) -> None:
        move = Move(debit=WALLET, credit="escrow:o", amount=3_000 * TOKEN + 1, kind="escrow")
        with pytest.raises(InsufficientFundsError):
            funded.do(Lending(clock=funded.clock).pay, key="k", move=move, cause=self.CAUSE)
        assert funded.balance("escrow:o") == 0

    def test_nothing_back_is_nothing(self, funded: Bank) -> None:
        self.give_back(funded, 0)
        check_loans(funded)


def test_processes_that_differ_do_not_deadlock_on_the_same_work(funded: Bank) -> None:
    """Nobody tries again here: a deadlock is an error. Both claim the key before they lock."""
    observed, names, errors = funded.observing, [f"try-{n}" for n in range(25)], []

    def pay(bank: Bank, name: str) -> None:
        move = Move(debit=WALLET, credit=f"escrow:{name}", amount=1, kind="escrow", reference=name)
        cause = Cause(budget="acme", owner="acme.bot", reference=name)
        bank.do(bank.metering.lending.pay, key=name, move=move, cause=cause)

    def work(bank: Bank) -> None:
        for name in names:
            try:
                bank.admit(name, bound_nusd=USD // 100, bound_utok=10 * TOKEN)
                pay(bank, name)
            except DBAPIError as error:
                errors.append(str(error))

    threads = [threading.Thread(target=work, args=(b,)) for b in (funded, observed) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert funded.balance(WALLET) == 3_000 * TOKEN - len(names)
    assert funded.account(WALLET).debits_held == len(names) * 10 * TOKEN
    check_loans(funded)


def test_only_who_pays_for_work_is_lent_tokens(observed: Bank) -> None:
    with pytest.raises(InsufficientFundsError):
        observed.admit(payer="reward-pool:acme", bound_nusd=12 * USD, bound_utok=12_000 * TOKEN)
    with pytest.raises(InsufficientFundsError):
        observed.admit(payer="reward-pool:acme")
    assert lent(observed) == (0, 0)
