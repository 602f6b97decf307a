"""Observe-only mode: nothing is refused for lack of money, and every micro-token of it shows."""

import io
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from aem.proof.audit import verify_export
from ledger import (
    AlertKind,
    Alerts,
    AttemptClosedError,
    BudgetExhaustedError,
    Cause,
    IdempotencyKeyReusedError,
    InsufficientFundsError,
    Journals,
    Move,
    Reports,
    UnboundedCostError,
)
from tests.fakes.bank import TOKEN, USD, Bank, line, request
from tests.fakes.bookkeeping import bean_check, hledger_check
from tests.fakes.intruder import tamper
from tests.fakes.loans import OVERDRAFT, OVERRUN, check_loans, lent

TODAY = "fiat-budget:acme:2026-01-05"
WALLET = "wallet:acme.bot"


def alerts(bank: Bank) -> list[tuple[AlertKind, str]]:
    with bank.database.reading() as session:
        found = Alerts(clock=bank.clock).page(session).items
    return sorted((one.kind, one.subject) for one in found)


def test_what_is_covered_is_not_lent(observed: Bank) -> None:
    attempt = observed.admit()
    assert (attempt.overdraft_utok, attempt.overrun_nusd, attempt.let_pass) == (0, 0, ())
    observed.settle()
    assert lent(observed) == (0, 0)
    assert observed.balance(WALLET) == 2_520 * TOKEN
    assert alerts(observed) == []
    check_loans(observed)


def test_a_day_lends_itself_what_it_lacks(observed: Bank) -> None:
    observed.fund(WALLET, 6_000 * TOKEN, key="more")
    attempt = observed.admit(bound_nusd=12 * USD, bound_utok=12_000 * TOKEN)
    assert attempt.overrun_nusd == 2 * USD
    assert attempt.overdraft_utok == 3_000 * TOKEN
    assert attempt.let_pass == ("budget_exhausted", "insufficient_funds")
    assert lent(observed) == (3_000 * TOKEN, 2 * USD)
    assert observed.account(TODAY).available == observed.account(WALLET).available == 0
    assert alerts(observed) == [
        (AlertKind.BUDGET_OVERRUN, "acme:2026-01-05"),
        *((AlertKind.BUDGET_THRESHOLD, f"acme:2026-01-05:{n}") for n in (100, 50, 80)),
        (AlertKind.OVERDRAFT, "acme.bot:2026-01-05"),
    ]
    check_loans(observed)


@pytest.mark.parametrize(
    ("used", "owed_utok", "owed_nusd"),
    [
        pytest.param(0, 0, 0, id="nothing"),
        pytest.param(1_000, 0, 0, id="within what there was"),
        pytest.param(11_000, 8_000 * TOKEN, USD, id="under the bound"),
        pytest.param(12_000, 9_000 * TOKEN, 2 * USD, id="at the bound"),
        pytest.param(13_000, 9_000 * TOKEN, 2 * USD, id="above the bound"),
    ],
)
def test_what_is_not_used_goes_back(
    observed: Bank, used: int, owed_utok: int, owed_nusd: int
) -> None:
    """The market price is 20 % above the base price: the charge is 1.2 times the burn."""
    observed.admit(bound_nusd=12 * USD, bound_utok=12_000 * TOKEN)
    ended = observed.settle("try-1", line(used))
    charge = min(1_200 * used * TOKEN // 1_000, 12_000 * TOKEN)
    assert ended.charge_utok == charge
    assert lent(observed) == (owed_utok, owed_nusd)
    assert observed.balance(WALLET) == max(0, 3_000 * TOKEN - charge)
    assert observed.account(TODAY).available == max(0, 10 - used / 1_000) * USD
    assert ended.overbilled_nusd == max(0, used - 12_000) * USD // 1_000
    check_loans(observed)
    assert observed.settle("try-1", line(used)) == ended
    assert lent(observed) == (owed_utok, owed_nusd)


def test_usage_cites_what_paid_for_it_and_not_what_was_given_back(observed: Bank) -> None:
    observed.admit(bound_nusd=12 * USD, bound_utok=12_000 * TOKEN)
    observed.settle("try-1", line(5_000))
    with observed.database.reading() as session:
        (record,) = observed.ledger.usage(session, reference="order-1").items
        moved = observed.ledger.transfers(session, reference="try-1").items
    kinds = {one.id: one.kind for one in moved}
    assert sorted(kinds.values()).count("loan_return") == 2
    cited = {kinds[name] for name in record.transfers}
    assert cited == {"metered_cost", "metered_burn"}  # lent tokens pay no premium


@pytest.mark.parametrize(
    ("used", "owed_utok", "premium_utok"),
    [(2_000, 0, 400), (2_900, 0, 100), (4_000, 1_000, 0), (11_000, 8_000, 0)],
)
def test_lent_tokens_are_burned_or_given_back_and_make_no_treasury_rich(
    observed: Bank, used: int, owed_utok: int, premium_utok: int
) -> None:
    observed.admit(bound_nusd=12 * USD, bound_utok=12_000 * TOKEN)
    ended = observed.settle("try-1", line(used))
    assert ended.charge_utok == min(used * 12 // 10, 12_000) * TOKEN  # the price stays
    assert lent(observed)[0] == owed_utok * TOKEN
    assert observed.balance("treasury:acme.bot") == premium_utok * TOKEN
    check_loans(observed)


def test_an_order_that_was_lent_its_escrow_pays_no_premium_with_it(observed: Bank) -> None:
    cause = Cause(budget="acme", owner="acme.bot", reference="order-1")
    move = Move(
        debit=WALLET,
        credit="escrow:order-1",
        amount=3_150 * TOKEN,
        kind="escrow",
        reference="order-1",
    )
    observed.do(observed.metering.lending.pay, key="k", move=move, cause=cause)
    for number, rest_utok in enumerate((50, 0)):
        observed.admit(f"try-{number}", payer="escrow:order-1")
        observed.settle(f"try-{number}", line(500))  # 500 burned, a premium of 100
        assert lent(observed)[0] == rest_utok * TOKEN
    assert observed.balance("treasury:acme.bot") == 50 * TOKEN
    assert observed.balance("escrow:order-1") == 1_950 * TOKEN
    check_loans(observed)


def test_debts_of_an_order_are_its_own_and_its_attempts(observed: Bank) -> None:
    cause = Cause(budget="acme", owner="acme.bot", reference="order-1")
    named: dict[str, Any] = {"kind": "escrow", "reference": "order-1"}
    move = Move(debit=WALLET, credit="escrow:order-1", amount=3_100 * TOKEN, **named)
    observed.do(observed.metering.lending.pay, key="k", move=move, cause=cause)
    observed.admit(payer="escrow:order-1", bound_utok=3_105 * TOKEN)
    observed.admit("other", payer="escrow:other", reference="other")
    with observed.database.reading() as session:
        found = observed.metering.lending.debts(session, owner="acme.bot", order="order-1")
    assert found == {"order-1": 100 * TOKEN, "try-1": 5 * TOKEN}


def test_a_released_attempt_gives_all_back(observed: Bank) -> None:
    observed.admit(bound_nusd=12 * USD, bound_utok=12_000 * TOKEN)
    for _ in range(2):
        observed.do(observed.metering.release, attempt_id="try-1")
    assert lent(observed) == (0, 0)
    assert observed.balance(WALLET) == 3_000 * TOKEN
    assert observed.account(TODAY).available == 10 * USD
    check_loans(observed)


def test_a_lost_attempt_owes_the_day_its_bound_and_the_payer_nothing(observed: Bank) -> None:
    observed.admit(bound_nusd=12 * USD, bound_utok=12_000 * TOKEN)
    for _ in range(2):
        ended = observed.do(observed.metering.lose, attempt_id="try-1")
    assert lent(observed) == (0, 2 * USD)
    assert observed.balance(WALLET) == 3_000 * TOKEN
    assert observed.balance("suspense:sandbox") == 12 * USD
    assert (ended.burn_utok, ended.shortfall_utok) == (1_000 * TOKEN, 11_000 * TOKEN)
    check_loans(observed)


def test_a_day_owes_just_what_was_admitted_beyond_its_budget(observed: Bank) -> None:
    """What one attempt frees pays for what was lent for another one."""
    observed.admit("first", bound_nusd=8 * USD, bound_utok=8_000 * TOKEN)
    observed.admit("second", bound_nusd=5 * USD, bound_utok=5_000 * TOKEN)
    assert lent(observed)[1] == 3 * USD
    observed.settle("second", line(5_000, unit_price_pusd=USD))
    assert lent(observed)[1] == 3 * USD
    observed.settle("first", line(1_000, unit_price_pusd=USD))
    assert lent(observed)[1] == 0
    assert observed.account(TODAY).available == 4 * USD
    check_loans(observed)


def test_a_payer_keeps_what_is_its_own(observed: Bank) -> None:
    """What one attempt frees does not pay the debt of another one: that stays to be seen."""
    observed.admit("own", bound_nusd=3 * USD, bound_utok=3_000 * TOKEN)
    observed.admit("lent", bound_nusd=USD, bound_utok=1_000 * TOKEN)
    observed.settle("lent", line(1_000, unit_price_pusd=USD))
    observed.do(observed.metering.release, attempt_id="own")
    assert lent(observed)[0] == 1_000 * TOKEN
    assert observed.balance(WALLET) == 3_000 * TOKEN
    check_loans(observed)


def test_a_limit_down_the_tree_is_let_pass_and_told(observed: Bank) -> None:
    observed.do(observed.budgets.define, name="deep", parent="acme.bot")
    observed.set_budget("acme.bot", daily_limit_nusd=USD)
    observed.set_budget("deep", daily_limit_nusd=USD)
    for number in range(2):
        attempt = observed.admit(f"try-{number}", budget="deep", bound_utok=1_000 * TOKEN)
    assert attempt.let_pass == ("budget_exhausted",)
    assert (attempt.overdraft_utok, attempt.overrun_nusd) == (0, 0)
    assert alerts(observed) == [
        (AlertKind.BUDGET_OVERRUN, "acme.bot:2026-01-05"),
        (AlertKind.BUDGET_OVERRUN, "deep:2026-01-05"),
        *(
            (AlertKind.BUDGET_THRESHOLD, f"{name}:2026-01-05:{percent}")
            for name in ("acme.bot", "deep")
            for percent in (100, 50, 80)
        ),
    ]
    state = observed.do(observed.budgets.state, "acme.bot")
    assert (state.beyond_nusd, state.lent_utok) == (USD, 0)
    check_loans(observed)


def test_budget_states_and_reports_show_what_is_lent(observed: Bank) -> None:
    for name in ("acme", "acme.bot"):
        state = observed.do(observed.budgets.state, name)
        assert (state.beyond_nusd, state.lent_utok) == (0, 0)
    observed.admit(bound_nusd=12 * USD, bound_utok=12_000 * TOKEN)
    observed.settle("try-1", line(11_000, unit_price_pusd=USD))
    for name, beyond_nusd in (("acme", USD), ("acme.bot", 0)):
        state = observed.do(observed.budgets.state, name)
        assert (state.beyond_nusd, state.lent_utok) == (beyond_nusd, 8_000 * TOKEN)
    observed.clock.advance(hours=1)
    reports = Reports(clock=observed.clock)
    with observed.database.reading() as session:
        assert reports.indicators(session).lent_utok == 8_000 * TOKEN
        circulating = sum(
            account.balance
            for account in observed.ledger.accounts(session).items
            if account.code.startswith(("wallet:", "treasury:", "reserve:"))
        )
        assert reports.indicators(session).money_utok == circulating
        trial = {one.accounts: one.balance for one in reports.trial_balance(session).lines}
    assert (trial["overdraft"], trial["fiat-overrun"]) == (-8_000 * TOKEN, -USD)


def test_alerts_are_raised_once_a_day(observed: Bank) -> None:
    for day in range(2):
        for number in range(3):
            name = f"try-{day}-{number}"
            observed.admit(name, bound_nusd=11 * USD, bound_utok=11_000 * TOKEN)
            observed.settle(name, line(11_000, unit_price_pusd=USD))
        observed.clock.advance(days=1)
    kinds = [kind for kind, _ in alerts(observed)]
    assert kinds.count(AlertKind.BUDGET_OVERRUN) == kinds.count(AlertKind.OVERDRAFT) == 2


def test_what_is_no_lack_of_money_is_refused_still(observed: Bank) -> None:
    for changed in ({"bound_nusd": 0}, {"bound_utok": 1_000 * TOKEN - 1}):
        with pytest.raises(UnboundedCostError):
            observed.admit("refused", **changed)
    with pytest.raises(InsufficientFundsError):
        observed.fund("wallet:rich", 10**15)
    move = Move(debit=WALLET, credit="wallet:x", amount=3_000 * TOKEN + 1, kind="gift")
    with pytest.raises(InsufficientFundsError):
        observed.post(move).require()
    for lender in (OVERDRAFT, OVERRUN):
        rejection = observed.post(replace(move, debit=lender), key=lender).first_rejection
        assert rejection is not None
        assert rejection[1] == "account_restricted"
    assert lent(observed) == (0, 0)


def test_an_attempt_is_admitted_once(observed: Bank) -> None:
    asked: dict[str, Any] = {"bound_nusd": 12 * USD, "bound_utok": 12_000 * TOKEN}
    first = observed.admit(**asked)
    assert observed.admit(**asked) == first
    with pytest.raises(IdempotencyKeyReusedError):
        observed.admit(**asked | {"bound_nusd": 11 * USD})
    assert lent(observed) == (9_000 * TOKEN, 2 * USD)
    observed.settle("try-1", line(0))
    with pytest.raises(AttemptClosedError):
        observed.do(observed.metering.release, attempt_id="try-1")
    check_loans(observed)


class CrashedError(Exception):
    """Stands for the end of a process."""


def test_what_a_crash_takes_back_was_never_lent(observed: Bank) -> None:
    """Loans, holds, records and the attempt are of one transaction, at both ends."""
    asked = request(bound_nusd=12 * USD, bound_utok=12_000 * TOKEN)

    def crash_after(work: Any, *arguments: Any, **named: Any) -> None:
        def half_way(session: Session) -> None:
            work(session, *arguments, **named)
            raise CrashedError

        with pytest.raises(CrashedError):
            observed.do(half_way)

    crash_after(observed.metering.admit, asked)
    assert lent(observed) == (0, 0)
    assert alerts(observed) == []
    check_loans(observed)
    observed.do(observed.metering.admit, asked)
    crash_after(observed.metering.settle, attempt_id="try-1", lines=[line(11_000)])
    assert lent(observed) == (9_000 * TOKEN, 2 * USD)
    observed.settle("try-1", line(11_000, unit_price_pusd=USD))
    assert lent(observed) == (8_000 * TOKEN, USD)
    check_loans(observed)


def test_twins_and_rivals_that_come_together_borrow_what_they_need(observed: Bank) -> None:
    """Eight threads admit four attempts, each of them twice."""
    names = [f"try-{number // 2}" for number in range(8)]
    barrier, found = threading.Barrier(len(names)), []

    def admit(name: str) -> None:
        barrier.wait()
        asked = request(name, bound_nusd=4 * USD, bound_utok=4_000 * TOKEN)
        found.append(observed.database.retry(lambda s: observed.metering.admit(s, asked)))

    threads = [threading.Thread(target=admit, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len(names)
    assert lent(observed) == (13_000 * TOKEN, 6 * USD)
    for name in set(names):
        observed.settle(name, line(2_000, unit_price_pusd=USD))
    assert observed.balance("burn") == 8_000 * TOKEN
    assert lent(observed)[1] == 0
    check_loans(observed)


def test_back_to_enforcing_the_books_are_right(funded: Bank) -> None:
    observed = funded.observing
    for number in range(2):
        observed.admit(f"try-{number}", bound_nusd=7 * USD, bound_utok=7_000 * TOKEN)
    assert lent(observed) == (11_000 * TOKEN, 4 * USD)
    with pytest.raises(BudgetExhaustedError):
        funded.admit("late", bound_nusd=1, bound_utok=TOKEN)
    funded.settle("try-0", line(7_000, unit_price_pusd=USD))
    funded.settle("try-1", line(2_000, unit_price_pusd=USD))
    assert lent(funded) == (6_000 * TOKEN, 0)
    check_loans(funded)
    funded.fund("wallet:rich", 2_000 * TOKEN)
    rich = {"payer": "wallet:rich"}
    funded.admit("rest", bound_nusd=USD, bound_utok=1_000 * TOKEN, **rich)
    funded.settle("rest", line(1_000, unit_price_pusd=USD))
    with pytest.raises(BudgetExhaustedError):
        funded.admit("more", bound_nusd=1, bound_utok=TOKEN, **rich)
    funded.clock.advance(days=1)
    before = lent(funded)[0] - funded.balance("mint") - funded.balance("burn")
    decision = funded.do(funded.budgets.open_day, "acme")
    assert decision.circulating_utok == before
    assert decision.issued_utok == 10_000 * TOKEN - before
    assert lent(funded) == (6_000 * TOKEN, 0)
    check_loans(funded)


def test_an_export_is_verified_without_the_service_and_by_other_tools(
    observed: Bank, tmp_path: Path
) -> None:
    do_business(observed)
    report = verify_export(io.BytesIO(observed.exported()))
    assert report.verified, report.to_json()
    utok, nusd = lent(observed)
    assert report.identity.figures["lent_utok"] == utok > 0
    assert report.fiat.figures["lent_nusd"] == nusd > 0
    with observed.database.reading() as session:
        for name, accepts in (("beancount", bean_check), ("hledger", hledger_check)):
            journal = tmp_path / f"ledger.{name}"
            journal.write_bytes(b"".join(Journals().export(session, format_name=name)))
            assert accepts(journal) == ""


def do_business(bank: Bank) -> None:
    bank.admit(bound_nusd=12 * USD, bound_utok=12_000 * TOKEN)
    bank.settle("try-1", line(11_000, unit_price_pusd=USD))
    bank.admit("open")


FORGERIES = {
    "a loan without a record": (
        "UPDATE ledger_transfers SET debit = 'overdraft:acme.bot' WHERE kind = 'allocation'",
        {"log", "balances", "identity", "receipts"},
    ),
    "a loan that is larger in its record": (
        "UPDATE ledger_loans SET amount = amount + 1 WHERE currency = 'utok' AND amount > 0",
        {"log", "identity", "receipts"},
    ),
    "a loan of dollars that is larger in its record": (
        "UPDATE ledger_loans SET amount = amount + 1 WHERE currency = 'nusd' AND amount > 0",
        {"log", "fiat", "receipts"},
    ),
    "a loan to another day": (
        "UPDATE ledger_loans SET account = 'wallet:acme.bot' WHERE currency = 'nusd'",
        {"log", "fiat", "receipts"},
    ),
    "another borrower": (
        "UPDATE ledger_loans SET owner = 'globex' WHERE currency = 'utok'",
        {"log", "receipts"},
    ),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forged_loan_is_found(observed: Bank, what: str) -> None:
    do_business(observed)
    statement, breaks = FORGERIES[what]
    with Session(observed.database.writing_engine) as session:
        tamper(session.connection(), statement)
        report = observed.audit.verify(session)
    assert {name for name, found in report.statements.items() if not found.holds} == breaks
