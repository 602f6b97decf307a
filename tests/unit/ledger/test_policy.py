from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import MAX_AMOUNT, AmountError, ExchangeRate
from ledger import Budget, BudgetAmounts, BudgetSettingError
from ledger.policy import check_budget_name, check_time_zone, issuance, next_day


@given(
    limit=st.integers(0, 10**12),
    kappa=st.integers(1, 10**10),
    share=st.integers(0, 10**6),
    circulating=st.integers(0, 10**14),
    data=st.data(),
)
def test_issuance_never_passes_its_cap(
    limit: int, kappa: int, share: int, circulating: int, data: st.DataObject
) -> None:
    reserve = data.draw(st.integers(0, circulating))
    rate = ExchangeRate(utok_per_usd=kappa)
    found = issuance(
        daily_limit_nusd=limit,
        rate=rate,
        reserve_share_ppm=share,
        circulating_utok=circulating,
        reserve_balance_utok=reserve,
    )
    cap = rate.utok_floor(limit)
    assert found.issued_utok == max(0, cap - circulating)
    assert 0 <= found.reserve_utok <= found.issued_utok
    if found.reserve_utok:
        assert (reserve + found.reserve_utok) * 10**6 <= cap * share


def test_a_day_begins_at_the_operators_midnight() -> None:
    budget = Budget(name="a", parent=None, path="a", time_zone="Asia/Tokyo", at=datetime.now(UTC))
    assert budget.day_at(datetime(2026, 1, 5, 14, 59, tzinfo=UTC)) == "2026-01-05"
    assert budget.day_at(datetime(2026, 1, 5, 15, 0, tzinfo=UTC)) == "2026-01-06"
    assert next_day("2024-02-28") == "2024-02-29"


def test_a_lineage_leads_from_the_root() -> None:
    budget = Budget(name="c", parent="b", path="a/b/c", time_zone="UTC", at=datetime.now(UTC))
    assert budget.root == "a"
    assert budget.lineage == (("a", "a"), ("b", "a/b"), ("c", "a/b/c"))
    assert budget.reserve == "reserve:a"
    assert budget.treasury == "treasury:c"
    assert budget.fiat_account("2026-01-05") == "fiat-budget:a:2026-01-05"


def test_the_reserve_is_filled_up_to_its_share_in_whole_units() -> None:
    found = issuance(
        daily_limit_nusd=1_000_000_007,
        rate=ExchangeRate(utok_per_usd=10**9),
        reserve_share_ppm=333_333,
        circulating_utok=7,
        reserve_balance_utok=3,
    )
    assert (found.issued_utok, found.reserve_utok) == (10**9, 333_333_002 - 3)
    assert isinstance(found.reserve_utok, int)


@pytest.mark.parametrize(
    "amounts",
    [
        {"daily_limit_nusd": 0},
        {"daily_limit_nusd": MAX_AMOUNT},
        {"daily_limit_nusd": MAX_AMOUNT, "utok_per_usd": 10**9},
        {"reserve_share_ppm": 0},
        {"reserve_share_ppm": 1_000_000},
        {"utok_per_usd": MAX_AMOUNT},
        {"utok_per_usd": MAX_AMOUNT, "daily_limit_nusd": 10**9},
    ],
)
def test_amounts_up_to_their_limits_are_taken(amounts: dict[str, int]) -> None:
    assert BudgetAmounts(**amounts).or_else(BudgetAmounts()) == BudgetAmounts(**amounts)


@pytest.mark.parametrize(
    ("amounts", "why"),
    [
        ({"daily_limit_nusd": -1}, "limit of -1 nusd"),
        ({"daily_limit_nusd": MAX_AMOUNT + 1}, f"limit of {MAX_AMOUNT + 1} nusd"),
        ({"reserve_share_ppm": -1}, "reserve of -1 ppm is out of 0..1000000"),
        ({"reserve_share_ppm": 1_000_001}, "reserve of 1000001 ppm"),
        ({"utok_per_usd": MAX_AMOUNT + 1}, "more than can be issued"),
        ({"utok_per_usd": MAX_AMOUNT, "daily_limit_nusd": 10**9 + 1}, "more than can be issued"),
    ],
)
def test_amounts_past_their_limits_are_refused(amounts: dict[str, int], why: str) -> None:
    with pytest.raises(BudgetSettingError, match=why):
        BudgetAmounts(**amounts)


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(AmountError, match="not 0 utok"):
        BudgetAmounts(utok_per_usd=0)


def test_what_is_not_set_is_taken_from_before() -> None:
    before = BudgetAmounts(daily_limit_nusd=1, utok_per_usd=2, reserve_share_ppm=3)
    assert BudgetAmounts().or_else(before) == before
    changed = BudgetAmounts(daily_limit_nusd=0, reserve_share_ppm=0).or_else(before)
    assert changed == BudgetAmounts(daily_limit_nusd=0, utok_per_usd=2, reserve_share_ppm=0)


def test_names_of_budgets_are_teams_and_agents() -> None:
    for name in ("acme", "acme.bot", "a-1.b-2", "0"):
        check_budget_name(name)
    for name in ("", "Acme", "a.b.c", "-a", "a_b", "a" * 64):
        with pytest.raises(BudgetSettingError, match=f"^'{name}' is no budget's name"):
            check_budget_name(name)
    with pytest.raises(BudgetSettingError, match=f"^'{'x' * 80}' is"):
        check_budget_name("x" * 81)


def test_time_zones_are_known_ones() -> None:
    check_time_zone("Europe/Madrid")
    for name in ("Mars/Olympus", "../etc/passwd"):
        with pytest.raises(BudgetSettingError, match=f"^'{name}' is no time zone"):
            check_time_zone(name)
    with pytest.raises(BudgetSettingError, match=f"^'{'x' * 80}' is"):
        check_time_zone("x" * 81)
