"""Threads that start together: never overspent, and never refused while funds cover it."""

import threading
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from core.errors import PaymentRequiredError
from ledger import (
    AttemptStatus,
    Batch,
    Hold,
    Move,
    PostHold,
    RejectionReason,
    RootExistsError,
    attempts,
)
from ledger.books import transfer_id
from ledger.domain import Sums
from ledger.store import journal
from tests.fakes.bank import TOKEN, USD, Bank, line
from tests.fakes.threads import THREADS, together

EACH = 4


def test_one_wallet_is_spent_to_the_last_token_and_no_further(funded: Bank) -> None:
    def spend(number: int) -> int:
        return sum(
            funded.post(
                Move(
                    debit="wallet:acme.bot",
                    credit=f"escrow:o{number % 2}",
                    amount=200 * TOKEN,
                    kind="escrow",
                ),
                key=f"{number}-{turn}",
            ).first_rejection
            is None
            for turn in range(EACH)
        )

    spent = together(spend)
    assert sum(spent) == 15  # 3,000 tokens cover exactly 15 of the 24
    assert funded.balance("wallet:acme.bot") == 0
    assert funded.verify().verified


def test_one_budget_is_admitted_to_the_last_dollar_and_no_further(bank: Bank) -> None:
    bank.set_up(daily_limit_nusd=10 * USD, reserve_share_ppm=0)
    bank.set_budget("acme.bot", daily_limit_nusd=7 * USD)
    for number in range(THREADS):
        bank.fund(f"wallet:w{number}", 1_500 * TOKEN)

    def work(number: int) -> int:
        admitted = 0
        for turn in range(EACH):
            attempt_id = f"try-{number}-{turn}"
            try:
                bank.admit(
                    attempt_id,
                    budget="acme" if number % 2 else "acme.bot",
                    payer=f"wallet:w{number}",
                    bound_nusd=USD // 2,
                    bound_utok=500 * TOKEN,
                )
            except PaymentRequiredError:
                continue
            bank.settle(attempt_id, line(500, unit_price_pusd=USD))
            admitted += 1
        return admitted

    admitted = together(work)
    assert admitted == [3] * THREADS  # each wallet covers three, the budget all eighteen
    assert bank.balance("fiat-spent:sandbox") == THREADS * 3 * USD // 2
    assert bank.verify().verified


@pytest.mark.parametrize("limited", ["acme", "acme.bot"])
def test_the_fiat_side_refuses_exactly_what_it_cannot_cover(bank: Bank, limited: str) -> None:
    bank.set_up(daily_limit_nusd=10 * USD, reserve_share_ppm=0)
    bank.do(bank.budgets.open_day, "acme")
    bank.set_budget(limited, daily_limit_nusd=2 * USD)
    bank.clock.advance(days=1)
    for number in range(THREADS):
        bank.fund(f"wallet:w{number}", 1_500 * TOKEN)

    def admit(number: int) -> int:
        admitted = 0
        for turn in range(EACH):
            try:
                bank.admit(
                    f"try-{number}-{turn}",
                    payer=f"wallet:w{number}",
                    bound_nusd=USD // 5,
                    bound_utok=200 * TOKEN,
                )
            except PaymentRequiredError:
                continue
            admitted += 1
        return admitted

    assert sum(together(admit)) == 10
    assert bank.account("fiat-budget:acme:2026-01-06").debits_held == 2 * USD
    assert bank.verify().verified


def test_a_day_is_opened_once(bank: Bank) -> None:
    bank.set_up()
    decisions = together(lambda _: bank.do(bank.budgets.open_day, "acme.bot"))
    assert decisions == [decisions[0]] * THREADS
    assert bank.balance("fiat-budget:acme:2026-01-05") == 10 * USD
    assert bank.verify().verified


def test_one_key_posts_once(funded: Bank) -> None:
    move = Move(debit="wallet:acme.bot", credit="escrow:o", amount=1, kind="escrow")
    results = together(lambda _: funded.post(move))
    assert sorted(result.is_replay for result in results) == [False] + [True] * (THREADS - 1)
    assert len({result.outcomes for result in results}) == 1
    assert funded.balance("escrow:o") == 1


def test_one_attempt_is_admitted_and_ended_once(funded: Bank) -> None:
    admitted = together(lambda _: funded.admit())
    assert admitted == [admitted[0]] * THREADS
    settled = together(lambda _: funded.settle())
    assert settled == [settled[0]] * THREADS
    assert funded.balance("burn") == 400 * TOKEN
    assert funded.verify().verified


def test_sessions_that_post_several_batches_do_not_wait_for_each_other_in_a_ring(
    funded: Bank,
) -> None:
    wallets = [f"wallet:w{number}" for number in range(THREADS)]
    for wallet in wallets:
        funded.fund(wallet, 10 * TOKEN)

    def post_two(number: int) -> None:
        for turn in range(EACH):
            with funded.database.transaction() as session:
                for credit in ("escrow:a", "escrow:b"):
                    batch = Batch(
                        key=f"{number}-{turn}-{credit}",
                        commands=(
                            Move(debit=wallets[number], credit=credit, amount=1, kind="escrow"),
                        ),
                    )
                    funded.ledger.post(session, batch).require()

    assert together(post_two) == [None] * THREADS
    assert funded.balance("escrow:b") == THREADS * EACH
    assert funded.verify().verified


def test_an_audit_sees_one_state_while_others_post(funded: Bank) -> None:
    def work(number: int) -> bool:
        if number == 0:
            return all(funded.verify().verified for _ in range(EACH))
        for turn in range(2 * EACH):
            attempt_id = f"try-{number}-{turn}"
            funded.admit(attempt_id, bound_nusd=USD // 1_000, bound_utok=TOKEN)
            funded.settle(attempt_id, line(1, unit_price_pusd=USD))
        return True

    assert together(work, count=3) == [True] * 3


def test_a_hold_that_comes_meanwhile_is_not_there(
    funded: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its accounts are not among the locked ones; who asks again gets it."""
    if funded.database.is_sqlite:
        pytest.skip("SQLite has one lock: nothing comes meanwhile")
    wallet, hold_id = "wallet:acme.bot", transfer_id("post:held", 0, at=funded.clock.now())
    lock = journal.lock_sums

    def hold_first(session: Session, codes: Iterable[str]) -> dict[str, Sums]:
        monkeypatch.setattr(journal, "lock_sums", lock)
        funded.post(Hold(debit=wallet, credit="bond:z", amount=5, kind="test"), key="held")
        return lock(session, codes)

    monkeypatch.setattr(journal, "lock_sums", hold_first)
    move = Move(debit=wallet, credit="wallet:acme.two", amount=1, kind="test")
    result = funded.post(move, PostHold(hold_id=hold_id), key="both", is_atomic=False)
    assert [outcome.rejection for outcome in result.outcomes] == [
        None,
        RejectionReason.HOLD_NOT_FOUND,
    ]
    assert funded.post(PostHold(hold_id=hold_id), key="again").first_rejection is None
    assert funded.verify().verified


def test_of_roots_that_are_defined_together_there_is_one(bank: Bank) -> None:
    names = ("acme", "acme", "beta", "beta", "gamma", "gamma")
    answers = together(lambda number: bank.do(bank.budgets.define, name=names[number]), len(names))
    with bank.database.reading() as session:
        (root,) = bank.budgets.budgets(session).items
    for name, answer in zip(names, answers, strict=True):
        if name == root.name:
            assert answer.name == name
        else:
            assert isinstance(answer, RootExistsError)


def test_children_that_are_defined_together_are_one(bank: Bank) -> None:
    bank.do(bank.budgets.define, name="acme")
    answers = together(lambda _: bank.do(bank.budgets.define, name="acme.bot", parent="acme"))
    assert {answer.path for answer in answers} == {"acme/acme.bot"}


def test_a_day_opens_while_attempts_of_the_day_before_are_settled(
    funded: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody tries again here: a deadlock is an error."""
    funded.admit("yesterday", budget="acme", bound_nusd=1_000, bound_utok=2_000)
    funded.clock.advance(days=1)
    opened, settling = threading.Event(), threading.Event()
    check = attempts.check_bounds

    def slowly(*arguments: Any) -> None:
        opened.set()
        settling.wait(1)  # it never is set: the settlement waits for what the admission has
        check(*arguments)

    monkeypatch.setattr(attempts, "check_bounds", slowly)

    def work(number: int) -> Any:
        if number == 0:
            return funded.admit("today", budget="acme", bound_nusd=1_000, bound_utok=2_000)
        opened.wait(10)
        ended = funded.settle("yesterday", line(1, base_price_pusd=1, unit_price_pusd=2 * 10**6))
        settling.set()
        return ended

    admitted, settled = together(work, 2)
    assert (admitted.status, settled.status) == (AttemptStatus.ADMITTED, AttemptStatus.SETTLED)


def test_holds_expire_though_a_clock_steps_back(funded: Bank) -> None:
    clock = funded.clock
    hold = Hold(
        debit="wallet:acme.bot",
        credit="bond:z",
        amount=7,
        kind="test",
        expires_at=clock.now() + timedelta(hours=1),
    )
    funded.post(hold)
    clock.advance(hours=1)
    late = clock.now()
    readings = iter([late, late - timedelta(microseconds=1)])
    clock.now = lambda: next(readings, late)  # type: ignore[method-assign]
    assert funded.do(funded.ledger.expire_holds) == 0
    assert funded.do(funded.ledger.expire_holds) == 1
    assert funded.account("wallet:acme.bot").debits_held == 0
