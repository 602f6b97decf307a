from datetime import UTC, datetime

import pytest

from core.money import AmountError
from ledger import (
    AccountCodeError,
    BudgetAmounts,
    BudgetExistsError,
    BudgetNotFoundError,
    BudgetNotSetError,
    BudgetSettingError,
    IdempotencyKeyReusedError,
    InsufficientFundsError,
    RootExistsError,
    TransferRejectedError,
)
from tests.fakes.bank import KAPPA, TOKEN, USD, Bank, line


def circulating(bank: Bank) -> int:
    return -bank.balance("mint") - bank.balance("burn")


def test_the_first_day_issues_kappa_times_the_budget(bank: Bank) -> None:
    bank.set_up()
    decision = bank.do(bank.budgets.open_day, "acme.bot")
    assert (decision.budget, decision.day) == ("acme", "2026-01-05")
    assert decision.issued_utok == 10_000 * TOKEN
    assert bank.balance("treasury:acme") == 9_000 * TOKEN
    assert bank.balance("reserve:acme") == 1_000 * TOKEN
    assert bank.balance("fiat-budget:acme:2026-01-05") == 10 * USD
    assert bank.do(bank.budgets.open_day, "acme") == decision
    assert bank.balance("treasury:acme") == 9_000 * TOKEN


def test_issuance_replaces_what_was_burned_and_no_more_over_many_days(bank: Bank) -> None:
    bank.set_up()
    bank.fund("wallet:acme.bot", 4_000 * TOKEN)
    for day in range(12):
        bank.fund("wallet:acme.bot", 500 * TOKEN, key=f"day-{day}")
        if day % 3 != 0:  # some days save, the others spend
            bank.admit(f"try-{day}")
            bank.settle(f"try-{day}", line(500))
        bank.clock.advance(days=1)
        before = circulating(bank)
        decision = bank.do(bank.budgets.open_day, "acme")
        assert decision.circulating_utok == before
        assert decision.issued_utok == 10_000 * TOKEN - before
        assert circulating(bank) == 10_000 * TOKEN
        assert bank.balance("reserve:acme") == 1_000 * TOKEN
    report = bank.verify()
    assert report.verified
    assert report.identity.figures["burned_utok"] == 8 * 500 * TOKEN


def test_held_tokens_count_as_circulating(funded: Bank) -> None:
    funded.admit()
    funded.clock.advance(days=1)
    assert funded.do(funded.budgets.open_day, "acme").issued_utok == 0


def test_a_later_setting_waits_for_the_rollover_in_the_operators_time_zone(bank: Bank) -> None:
    bank.do(bank.budgets.define, name="acme", time_zone="America/New_York")
    bank.clock.instant = datetime(2026, 1, 6, 4, 30, tzinfo=UTC)  # still the 5th in New York
    bank.set_budget(daily_limit_nusd=10 * USD, utok_per_usd=KAPPA)
    assert bank.do(bank.budgets.open_day, "acme").day == "2026-01-05"
    bank.set_budget(daily_limit_nusd=4 * USD)
    bank.set_budget(utok_per_usd=2 * KAPPA)
    assert bank.do(bank.budgets.open_day, "acme").daily_limit_nusd == 10 * USD
    with bank.database.reading() as session:
        state = bank.budgets.state(session, "acme")
    assert state.setting is not None
    assert state.next_setting is not None
    assert state.setting.daily_limit_nusd == 10 * USD
    assert state.next_setting.effective_day == "2026-01-06"
    bank.clock.advance(minutes=30)
    decision = bank.do(bank.budgets.open_day, "acme")
    assert (decision.day, decision.daily_limit_nusd) == ("2026-01-06", 4 * USD)
    assert decision.utok_per_usd == 2 * KAPPA
    assert bank.verify().verified


def test_a_lower_budget_issues_nothing_until_enough_is_burned(bank: Bank) -> None:
    bank.set_up()
    bank.do(bank.budgets.open_day, "acme")
    bank.set_budget(daily_limit_nusd=USD)
    bank.clock.advance(days=1)
    assert bank.do(bank.budgets.open_day, "acme").issued_utok == 0
    bank.set_budget(daily_limit_nusd=0)
    bank.clock.advance(days=1)
    assert bank.do(bank.budgets.open_day, "acme").transfers == ()
    assert bank.verify().verified


def test_setting_the_same_again_changes_nothing(bank: Bank) -> None:
    bank.set_up()
    amounts = BudgetAmounts(daily_limit_nusd=10 * USD)
    for _ in range(2):
        setting = bank.do(bank.budgets.set, budget="acme", amounts=amounts, actor="operator")
    assert setting.number == 1


def test_bad_settings_are_refused(bank: Bank) -> None:
    bank.do(bank.budgets.define, name="acme")
    with pytest.raises(BudgetSettingError):
        bank.set_budget(daily_limit_nusd=USD)
    with pytest.raises(BudgetSettingError):
        bank.set_budget(utok_per_usd=KAPPA)
    with pytest.raises(BudgetSettingError):
        bank.set_budget(daily_limit_nusd=2**62, utok_per_usd=2**62)
    with pytest.raises(BudgetSettingError):
        bank.set_budget(daily_limit_nusd=-1)
    with pytest.raises(BudgetSettingError):
        bank.set_budget(reserve_share_ppm=1_000_001)
    with pytest.raises(AmountError):
        bank.set_budget(daily_limit_nusd=USD, utok_per_usd=0)
    with pytest.raises(BudgetNotSetError):
        bank.do(bank.budgets.open_day, "acme")


def test_the_tree_has_one_root_and_no_strangers(bank: Bank) -> None:
    bank.set_up()
    assert bank.do(bank.budgets.define, name="acme.bot", parent="acme").path == "acme/acme.bot"
    with bank.database.reading() as session:
        assert [budget.name for budget in bank.budgets.budgets(session).items] == [
            "acme",
            "acme.bot",
        ]
    with pytest.raises(RootExistsError):
        bank.do(bank.budgets.define, name="other")
    assert bank.do(bank.budgets.define, name="acme.bot").parent == "acme"  # there already
    with pytest.raises(BudgetExistsError):
        bank.do(bank.budgets.define, name="acme.bot", parent="other")
    with pytest.raises(BudgetNotFoundError):
        bank.do(bank.budgets.define, name="x", parent="nobody")
    with pytest.raises(BudgetSettingError):
        bank.do(bank.budgets.define, name="Bad Name", parent="acme")
    with pytest.raises(BudgetSettingError):
        bank.do(bank.budgets.define, name="x", parent="acme", time_zone="Europe/Madrid")
    with pytest.raises(BudgetSettingError):
        bank.set_budget("acme.bot", daily_limit_nusd=1, utok_per_usd=1)


def test_an_unknown_time_zone_is_refused(bank: Bank) -> None:
    for time_zone in ("Mars/Olympus", "../etc/passwd", ""):
        with pytest.raises(BudgetSettingError):
            bank.do(bank.budgets.define, name=f"a{len(time_zone)}", time_zone=time_zone or "?")


def test_a_tree_is_only_so_deep(bank: Bank) -> None:
    bank.do(bank.budgets.define, name="b0")
    for level in range(1, 8):
        bank.do(bank.budgets.define, name=f"b{level}", parent=f"b{level - 1}")
    with pytest.raises(BudgetSettingError):
        bank.do(bank.budgets.define, name="b8", parent="b7")


def test_the_longest_name_has_settings_and_days(bank: Bank) -> None:
    name = "a" * 63 + "." + "b" * 63
    bank.do(bank.budgets.define, name=name)
    bank.set_budget(name, daily_limit_nusd=USD, utok_per_usd=KAPPA)
    assert bank.do(bank.budgets.open_day, name).issued_utok == KAPPA
    assert bank.verify().verified


def test_a_child_never_gets_what_its_parent_lacks(funded: Bank) -> None:
    funded.fund("treasury:acme.bot", 6_000 * TOKEN)
    with pytest.raises(InsufficientFundsError):
        funded.fund("treasury:acme.bot", 1, key="more")
    for to in ("treasury:acme", "escrow:o", "reserve:acme", "burn"):
        with pytest.raises(BudgetSettingError):
            funded.fund(to, 1)
    with pytest.raises(AccountCodeError):
        funded.fund("purse:x", 1)
    with pytest.raises(TransferRejectedError):
        funded.fund("wallet:acme.bot", 0, key="nothing")


def test_an_allocation_is_made_once(funded: Bank) -> None:
    funded.fund("wallet:acme.bot", 3_000 * TOKEN)
    assert funded.balance("wallet:acme.bot") == 3_000 * TOKEN
    with pytest.raises(IdempotencyKeyReusedError):
        funded.fund("wallet:acme.bot", 1)


def test_a_refund_comes_from_the_reserve_and_unburns_nothing(funded: Bank) -> None:
    funded.admit()
    funded.settle()
    refund = {"budget": "acme.bot", "to": "wallet:acme.bot", "reference": "order-1"}
    for _ in range(2):
        funded.do(funded.budgets.refund_from_reserve, key="r", amount_utok=480 * TOKEN, **refund)
    assert funded.balance("wallet:acme.bot") == 3_000 * TOKEN
    assert funded.balance("reserve:acme") == 520 * TOKEN
    assert funded.balance("burn") == 400 * TOKEN
    with pytest.raises(InsufficientFundsError):
        funded.do(funded.budgets.refund_from_reserve, key="s", amount_utok=10**10, **refund)
    with pytest.raises(BudgetSettingError):
        funded.do(
            funded.budgets.refund_from_reserve, key="t", amount_utok=1, **refund | {"to": "burn"}
        )
    assert funded.verify().verified
