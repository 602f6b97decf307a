"""The ledger against a model of a dozen lines, step by random step (Hypothesis)."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core.database import Database
from core.errors import AemError
from core.money import ceil_div
from ledger import Hold, Move, PostHold, VoidHold
from tests.fakes.bank import KAPPA, TOKEN, USD, Bank, line

OWNERS = ("wallet:a", "wallet:b", "escrow:o")
LIMIT_NUSD = 3 * USD
CAP_UTOK = 3_000 * TOKEN

pytestmark = pytest.mark.slow


class LedgerMachine(RuleBasedStateMachine):
    """Drives the services, and predicts every answer from plain dictionaries."""

    def __init__(self, bank: Bank, run: int) -> None:
        super().__init__()
        self.bank = bank
        self.run = run
        self.step = 0
        self.balance: dict[str, int] = dict.fromkeys(OWNERS, 0)
        self.held: dict[str, int] = dict.fromkeys(OWNERS, 0)
        self.holds: dict[str, tuple[str, str, int]] = {}
        self.attempts: dict[str, tuple[str, int, int]] = {}
        self.admitted_nusd = 0
        for owner in OWNERS:  # a run begins with what the one before it left
            account = bank.account(owner)
            self.balance[owner] = account.balance
            self.held[owner] = account.debits_held
        self.bank.clock.advance(days=1)
        self.bank.do(bank.budgets.open_day, "acme")

    def key(self) -> str:
        self.step += 1
        return f"{self.run}-{self.step}"

    def free(self, owner: str) -> int:
        return self.balance[owner] - self.held[owner]

    @rule(owner=st.sampled_from(OWNERS[:2]), amount=st.integers(1, 400 * TOKEN))
    def allocate(self, owner: str, amount: int) -> None:
        treasury = self.bank.balance("treasury:acme")
        try:
            self.bank.fund(owner, amount, key=self.key())
        except AemError:
            assert amount > treasury
        else:
            assert amount <= treasury
            self.balance[owner] += amount

    @rule(
        debit=st.sampled_from(OWNERS),
        credit=st.sampled_from(OWNERS),
        amount=st.integers(-1, 300 * TOKEN),
    )
    def move(self, debit: str, credit: str, amount: int) -> None:
        key = self.key()
        command = Move(debit=debit, credit=credit, amount=amount, kind="test")
        result = self.bank.post(command, key=key)
        assert self.bank.post(command, key=key).outcomes == result.outcomes
        allowed = debit != credit and 0 < amount <= self.free(debit)
        assert (result.first_rejection is None) is allowed
        if allowed:
            self.balance[debit] -= amount
            self.balance[credit] += amount

    @rule(debit=st.sampled_from(OWNERS), amount=st.integers(0, 300 * TOKEN))
    def hold(self, debit: str, amount: int) -> None:
        credit = OWNERS[(OWNERS.index(debit) + 1) % len(OWNERS)]
        command = Hold(debit=debit, credit=credit, amount=amount, kind="test")
        result = self.bank.post(command, key=self.key())
        assert (result.first_rejection is None) is (0 < amount <= self.free(debit))
        for transfer in result.transfers:
            self.held[debit] += amount
            self.holds[transfer.id] = (debit, credit, amount)

    @precondition(lambda self: self.holds)
    @rule(data=st.data(), share=st.integers(0, 3))
    def settle_hold(self, data: st.DataObject, share: int) -> None:
        hold_id = data.draw(st.sampled_from(sorted(self.holds)))
        debit, credit, held = self.holds.pop(hold_id)
        amount = held * share // 2
        command = PostHold(hold_id=hold_id, amount=amount) if share else VoidHold(hold_id=hold_id)
        result = self.bank.post(command, key=self.key())
        if share and not 0 < amount <= held:
            assert result.first_rejection is not None
            self.holds[hold_id] = (debit, credit, held)
            return
        self.held[debit] -= held
        self.balance[debit] -= amount
        self.balance[credit] += amount

    @rule(payer=st.sampled_from(OWNERS), bound=st.integers(1, USD), room=st.integers(0, TOKEN))
    def admit(self, payer: str, bound: int, room: int) -> None:
        attempt_id = self.key()
        bound_utok = ceil_div(bound * KAPPA, USD) + room
        try:
            self.bank.admit(attempt_id, payer=payer, bound_nusd=bound, bound_utok=bound_utok)
        except AemError:
            assert self.admitted_nusd + bound > LIMIT_NUSD or bound_utok > self.free(payer)
        else:
            assert self.admitted_nusd + bound <= LIMIT_NUSD
            assert bound_utok <= self.free(payer)
            self.admitted_nusd += bound
            self.held[payer] += bound_utok
            self.attempts[attempt_id] = (payer, bound, bound_utok)

    @precondition(lambda self: self.attempts)
    @rule(data=st.data(), ending=st.sampled_from(["settle", "lose", "release"]))
    def end(self, data: st.DataObject, ending: str) -> None:
        attempt_id = data.draw(st.sampled_from(sorted(self.attempts)))
        payer, bound, bound_utok = self.attempts.pop(attempt_id)
        self.held[payer] -= bound_utok
        if ending == "settle":
            nusd = data.draw(st.integers(0, bound))
            used: dict[str, Any] = {"base_price_pusd": 1_000, "unit_price_pusd": 1_500}
            attempt = self.bank.settle(attempt_id, line(nusd, **used))
            self.balance[payer] -= attempt.charge_utok
            self.admitted_nusd += nusd - bound
            assert attempt.burn_utok == ceil_div(nusd * KAPPA, USD)
            return
        self.bank.do(getattr(self.bank.metering, ending), attempt_id=attempt_id)
        if ending == "release":
            self.admitted_nusd -= bound

    @precondition(lambda self: not self.attempts)
    @rule()
    def roll_over(self) -> None:
        self.bank.clock.advance(days=1)
        decision = self.bank.do(self.bank.budgets.open_day, "acme")
        assert decision.issued_utok == max(0, CAP_UTOK - decision.circulating_utok)
        self.admitted_nusd = 0

    @invariant()
    def balances_are_the_models(self) -> None:
        for owner in OWNERS:
            account = self.bank.account(owner)
            assert (account.balance, account.debits_held) == (
                self.balance[owner],
                self.held[owner],
            )

    def teardown(self) -> None:
        report = self.bank.verify()
        assert report.verified, report.to_json()
        assert report.identity.figures["money_utok"] <= CAP_UTOK


def test_the_ledger_does_what_the_model_says(database: Database, tmp_path: Path) -> None:
    bank = Bank.open(database, tmp_path / "keys")
    bank.set_up(daily_limit_nusd=LIMIT_NUSD)
    runs = iter(range(10**6))
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        lambda: LedgerMachine(bank, next(runs)),
        settings=settings(
            max_examples=8,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
