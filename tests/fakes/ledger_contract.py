"""What every ledger must do, as checks that can be run on one that does not (`canaries`).

Each check spends from a wallet of its own, so that all of them run on one ledger, in any order.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from ledger import (
    Batch,
    BatchResult,
    Hold,
    IdempotencyKeyReusedError,
    Move,
    PostHold,
    RejectionReason,
    VoidHold,
    Writer,
)
from tests.fakes.bank import TOKEN, USD, Bank
from tests.fakes.model_books import TOKENS, kind
from tests.fakes.threads import together

FUNDS = 600 * TOKEN


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A ledger under test: its services, and the writer over them."""

    bank: Bank
    writer: type[Writer] = Writer

    def purse(self, name: str) -> str:
        code = f"wallet:{name}"
        self.bank.fund(code, FUNDS, key=name)
        return code


def move(debit: str, credit: str, amount: int) -> Move:
    return Move(debit=debit, credit=credit, amount=amount, kind="check")


def spends_together_what_it_has_once(subject: Subject) -> None:
    purse = subject.purse("together")
    answers = together(
        lambda number: subject.bank.post(
            move(purse, f"escrow:together-{number}", FUNDS), key=f"together-{number}"
        )
    )
    spent = [one for one in answers if isinstance(one, BatchResult) and not one.first_rejection]
    assert len(spent) == 1
    assert subject.bank.balance(purse) == 0


def judges_each_command_on_what_is_there(subject: Subject) -> None:
    purse = subject.purse("order")
    before_its_money = (move("wallet:empty", "escrow:order", 5), move(purse, "wallet:empty", 5))
    result = subject.bank.post(*before_its_money, key="order")
    assert result.first_rejection == (0, RejectionReason.INSUFFICIENT_FUNDS)
    assert subject.bank.balance("escrow:order") == 0


def does_a_request_once(subject: Subject) -> None:
    purse = subject.purse("once")
    first, again = (subject.bank.post(move(purse, "escrow:once", 7), key="once") for _ in range(2))
    assert (first.is_replay, again.is_replay) == (False, True)
    assert first.outcomes == again.outcomes
    assert subject.bank.balance("escrow:once") == 7
    try:
        subject.bank.post(move(purse, "escrow:once", 8), key="once")
    except IdempotencyKeyReusedError:
        return
    raise AssertionError("a used key took another request")


def seals_all_that_it_writes(subject: Subject) -> None:
    purse = subject.purse("sealed")
    subject.bank.post(*[move(purse, "escrow:sealed", 1)] * 3, key="sealed").require()
    report = subject.bank.verify()
    assert report.log.holds, report.to_json()


def issues_no_more_than_its_cap(subject: Subject) -> None:
    bank = subject.bank
    limit, kappa = 20 * USD + 1, 10**9 + 1  # so that the cap is no whole number of micro-tokens
    bank.set_budget(daily_limit_nusd=limit, utok_per_usd=kappa)
    bank.clock.advance(days=1)
    bank.do(bank.budgets.open_day, "acme")
    with bank.database.reading() as session:
        accounts = bank.ledger.accounts(session).items
    circulating = sum(one.balance for one in accounts if kind(one.code) in TOKENS)
    assert Fraction(limit * kappa, USD) - 1 < circulating <= Fraction(limit * kappa, USD)


def keeps_what_may_have_been_spent(subject: Subject) -> None:
    bank, purse = subject.bank, subject.purse("unknown")
    attempt = bank.admit("unknown", payer=purse, bound_nusd=USD // 2, bound_utok=FUNDS)
    before = bank.balance(attempt.fiat_account), bank.balance("suspense:sandbox")
    bank.do(bank.metering.lose, attempt_id="unknown")
    bank.clock.advance(hours=1)
    bank.do(bank.ledger.expire_holds)
    after = bank.balance(attempt.fiat_account), bank.balance("suspense:sandbox")
    assert after == (before[0] - USD // 2, before[1] + USD // 2)


def settles_a_hold_once(subject: Subject) -> None:
    bank, purse = subject.bank, subject.purse("hold")
    hold = Hold(debit=purse, credit="escrow:hold", amount=100, kind="check")
    (held,) = bank.post(hold, key="hold").require()
    bank.post(PostHold(hold_id=held.id, amount=60), key="hold-first").require()
    for command in (PostHold(hold_id=held.id, amount=40), VoidHold(hold_id=held.id)):
        result = bank.post(command, key=f"hold-{type(command).__name__}")
        assert result.first_rejection == (0, RejectionReason.HOLD_ALREADY_SETTLED)
    assert bank.balance("escrow:hold") == 60
    assert bank.account(purse).debits_held == 0


def answers_when_it_is_written(subject: Subject) -> None:
    bank, purse = subject.bank, subject.purse("durable")
    with subject.writer(database=bank.database, ledger=bank.ledger) as writer:
        batch = Batch(key="durable", commands=(move(purse, "escrow:durable", 3),))
        writer.post(batch).require()
        assert bank.balance("escrow:durable") == 3


CHECKS: Mapping[str, Callable[[Subject], None]] = {
    check.__name__: check
    for check in (
        spends_together_what_it_has_once,
        judges_each_command_on_what_is_there,
        does_a_request_once,
        seals_all_that_it_writes,
        keeps_what_may_have_been_spent,
        settles_a_hold_once,
        answers_when_it_is_written,
        issues_no_more_than_its_cap,  # the last: it goes on to the next day
    )
}


def failed_checks(subject: Subject) -> set[str]:
    """Run all checks; return the names of those that the ledger fails."""
    failed = set()
    for name, check in CHECKS.items():
        try:
            check(subject)
        except AssertionError:
            failed.add(name)
    return failed
