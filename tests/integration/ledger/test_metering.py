import pytest

from ledger import (
    AttemptClosedError,
    AttemptNotFoundError,
    AttemptStatus,
    BudgetExhaustedError,
    BudgetNotFoundError,
    BudgetNotSetError,
    IdempotencyKeyReusedError,
    InsufficientFundsError,
    UnboundedCostError,
    UsageError,
    UsageLine,
)
from ledger.budgets import Left
from tests.fakes.bank import KAPPA, TOKEN, USD, Bank, line

TODAY = "fiat-budget:acme:2026-01-05"


def test_admission_holds_fiat_and_tokens_before_anything_is_dispatched(funded: Bank) -> None:
    attempt = funded.admit()
    assert attempt.status is AttemptStatus.ADMITTED
    assert attempt.day == "2026-01-05"
    assert attempt.utok_per_usd == KAPPA
    fiat, wallet = funded.account(TODAY), funded.account("wallet:acme.bot")
    assert (fiat.balance, fiat.debits_held) == (10 * USD, USD)
    assert (wallet.balance, wallet.available) == (3_000 * TOKEN, 1_500 * TOKEN)
    assert funded.verify().verified


def test_settlement_burns_the_cost_and_hands_the_premium_to_the_budget(funded: Bank) -> None:
    funded.admit()
    attempt = funded.settle()
    assert attempt.cost_nusd == 400_000_000
    assert attempt.burn_utok == 400 * TOKEN
    assert attempt.charge_utok == 480 * TOKEN
    assert funded.balance("burn") == 400 * TOKEN
    assert funded.balance("treasury:acme.bot") == 80 * TOKEN
    assert funded.balance("fiat-spent:sandbox") == 400_000_000
    wallet, fiat = funded.account("wallet:acme.bot"), funded.account(TODAY)
    assert (wallet.balance, wallet.debits_held) == (2_520 * TOKEN, 0)
    assert (fiat.balance, fiat.debits_held) == (9_600_000_000, 0)
    assert funded.verify().verified


def test_usage_records_cite_what_paid_for_them_and_add_up(funded: Bank) -> None:
    funded.admit()
    attempt = funded.settle("try-1", line(1), line(0), line(3, base_price_pusd=1, quality=None))
    with funded.database.reading() as session:
        page = funded.ledger.usage(session, owner="acme.bot", reference="order-1")
        moved = funded.ledger.transfers(session, reference="try-1").items
    records = page.items
    assert [record.quantity for record in records] == [1, 0, 3]
    assert sum(record.cost_nusd for record in records) == attempt.cost_nusd
    assert sum(record.burn_utok for record in records) == attempt.burn_utok
    assert sum(record.charge_utok for record in records) == attempt.charge_utok
    assert records[0].price_tick == 7
    assert (records[0].quality, records[2].quality) == (0.5, None)
    cited = {moving.id for moving in moved if moving.phase != "hold"}
    assert {transfer_id for record in records for transfer_id in record.transfers} == cited


def test_costs_are_rounded_up_once_for_the_whole_attempt(funded: Bank) -> None:
    funded.admit()
    tiny = line(1, base_price_pusd=1, unit_price_pusd=1)
    attempt = funded.settle("try-1", tiny, tiny, tiny)
    assert (attempt.cost_nusd, attempt.burn_utok, attempt.charge_utok) == (1, 1, 1)


def test_a_charge_stops_at_the_payers_bound(funded: Bank) -> None:
    funded.admit(bound_utok=1_000 * TOKEN)
    attempt = funded.settle("try-1", line(1_000, unit_price_pusd=5 * USD))
    assert attempt.charge_utok == 1_000 * TOKEN
    assert attempt.burn_utok == 1_000 * TOKEN
    assert funded.balance("wallet:acme.bot") == 2_000 * TOKEN


@pytest.mark.parametrize("lines", [[], [line(0)]])
def test_without_cost_both_holds_are_freed(funded: Bank, lines: list[UsageLine]) -> None:
    funded.admit()
    funded.do(funded.metering.settle, attempt_id="try-1", lines=lines)
    assert funded.account("wallet:acme.bot").available == 3_000 * TOKEN
    assert funded.account(TODAY).available == 10 * USD
    assert funded.verify().verified


def test_ending_an_attempt_twice_books_once(funded: Bank) -> None:
    funded.admit()
    first = funded.settle()
    assert funded.settle() == first
    assert funded.balance("burn") == 400 * TOKEN
    with pytest.raises(AttemptClosedError):
        funded.settle("try-1", line(1))
    with pytest.raises(AttemptClosedError):
        funded.do(funded.metering.lose, attempt_id="try-1")
    with pytest.raises(AttemptClosedError):
        funded.do(funded.metering.release, attempt_id="try-1")


def test_admitting_an_attempt_twice_holds_once(funded: Bank) -> None:
    first = funded.admit()
    assert funded.admit() == first
    assert funded.account(TODAY).debits_held == USD
    with pytest.raises(IdempotencyKeyReusedError):
        funded.admit(bound_nusd=USD - 1)


def test_release_leaves_no_trace_in_the_balances(funded: Bank) -> None:
    funded.admit()
    for _ in range(2):
        attempt = funded.do(funded.metering.release, attempt_id="try-1")
    assert attempt.liability_nusd == 0
    assert funded.account("wallet:acme.bot").available == 3_000 * TOKEN
    assert funded.account(TODAY).available == 10 * USD


def test_an_unknown_outcome_keeps_its_bound_in_suspense_on_the_reserve(funded: Bank) -> None:
    funded.admit()
    for _ in range(2):
        attempt = funded.do(funded.metering.lose, attempt_id="try-1")
    assert attempt.status is AttemptStatus.LOST
    assert funded.balance("suspense:sandbox") == USD
    assert funded.account("wallet:acme.bot").available == 3_000 * TOKEN
    assert funded.balance("reserve:acme") == 0
    assert attempt.burn_utok == 1_000 * TOKEN
    assert attempt.shortfall_utok == 0
    report = funded.verify()
    assert report.verified
    assert report.fiat.figures["admitted_nusd"] == USD


def test_what_the_reserve_lacks_is_recorded(funded: Bank) -> None:
    for number in (1, 2):
        funded.admit(f"try-{number}")
        attempt = funded.do(funded.metering.lose, attempt_id=f"try-{number}")
    assert (attempt.burn_utok, attempt.shortfall_utok) == (0, 1_000 * TOKEN)
    report = funded.verify()
    assert report.verified
    assert report.identity.figures["shortfall_utok"] == 1_000 * TOKEN


def test_overbilling_is_the_operators_loss_and_lowers_the_days_rest(funded: Bank) -> None:
    funded.admit()
    attempt = funded.settle("try-1", line(1_700))
    assert attempt.overbilled_nusd == 700_000_000
    assert attempt.burn_utok == 1_000 * TOKEN
    assert funded.balance("fiat-spent:sandbox") == 1_700_000_000
    assert funded.balance(TODAY) == 8_300_000_000
    assert funded.balance("operator-loss") == 0
    assert funded.verify().verified


def test_overbilling_past_the_days_rest_stays_a_loss(funded: Bank) -> None:
    funded.admit()
    funded.settle("try-1", line(11_000))
    assert funded.balance(TODAY) == 0
    assert funded.balance("operator-loss") == -USD
    report = funded.verify()
    assert report.verified
    assert report.fiat.figures["admitted_nusd"] == 10 * USD


def test_refusals_take_nothing(funded: Bank) -> None:
    refused = [
        (BudgetNotFoundError, {"budget": "nobody"}),
        (UnboundedCostError, {"bound_nusd": 0}),
        (UnboundedCostError, {"bound_utok": 1_000 * TOKEN - 1}),
        (BudgetExhaustedError, {"bound_nusd": 10 * USD + 1, "bound_utok": 10**11}),
        (InsufficientFundsError, {"bound_utok": 3_000 * TOKEN + 1}),
    ]
    for number, (error, changed) in enumerate(refused):
        with pytest.raises(error):
            funded.admit(f"refused-{number}", **changed)
    assert funded.account(TODAY).debits_held == 0
    assert funded.account("wallet:acme.bot").debits_held == 0
    with pytest.raises(AttemptNotFoundError):
        funded.settle("refused-1")
    with pytest.raises(UsageError):
        funded.settle("refused-1", *([line(0)] * 101))


def test_without_a_daily_limit_nothing_is_admitted(bank: Bank) -> None:
    bank.do(bank.budgets.define, name="acme")
    with pytest.raises(BudgetNotSetError):
        bank.admit(budget="acme")


def test_saved_tokens_do_not_buy_past_the_days_fiat(funded: Bank) -> None:
    funded.fund("wallet:acme.bot", 6_000 * TOKEN, key="more")
    funded.set_budget(daily_limit_nusd=5 * USD)
    funded.clock.advance(days=1)
    for number in range(5):
        funded.admit(f"try-{number}")
        funded.settle(f"try-{number}", line(1_000))
    assert funded.balance("wallet:acme.bot") == 3_000 * TOKEN
    with pytest.raises(BudgetExhaustedError):
        funded.admit("one-too-many", bound_nusd=1, bound_utok=TOKEN)
    assert funded.verify().fiat.figures == {
        "days": 2,
        "admitted_nusd": 5 * USD,
        "budget_nusd": 15 * USD,
        "lent_nusd": 0,
    }


def test_a_childs_limit_binds_it_and_all_below_it(funded: Bank) -> None:
    funded.do(funded.budgets.define, name="deep", parent="acme.bot")
    funded.set_budget("acme.bot", daily_limit_nusd=2 * USD)
    funded.admit("one", budget="deep", bound_utok=1_000 * TOKEN)
    funded.admit("two", bound_utok=1_000 * TOKEN)
    with pytest.raises(BudgetExhaustedError) as refused:
        funded.admit("three", budget="deep", bound_nusd=1, bound_utok=TOKEN)
    assert refused.value.details["budget"] == "acme.bot"
    for name in ("acme", "acme.bot", "deep"):
        taken_nusd = USD if name == "deep" else 2 * USD
        assert funded.do(funded.budgets.state, name).taken_nusd == taken_nusd
    for name in ("acme.bot", "deep"):
        left = funded.do(funded.budgets.state, name).left
        assert left == Left(amount_nusd=0, limit_of="acme.bot")
    root = funded.do(funded.budgets.state, "acme")
    assert root.left == Left(amount_nusd=8 * USD, limit_of="acme")
    funded.settle("one", line(999))
    left = funded.do(funded.budgets.state, "deep").left
    assert left == Left(amount_nusd=USD // 1_000, limit_of="acme.bot")
    funded.admit("four", budget="deep", bound_nusd=USD // 1_000, bound_utok=TOKEN)


def test_open_attempts_of_an_order_are_found_after_a_crash(funded: Bank) -> None:
    for number in range(3):
        funded.admit(f"try-{number}", bound_nusd=1, bound_utok=TOKEN)
    funded.settle("try-1", line(0))
    with funded.database.reading() as session:
        found = funded.metering.open_attempts(session, reference="order-1")
    assert [attempt.id for attempt in found] == ["try-0", "try-2"]
