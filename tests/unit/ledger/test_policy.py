from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from core.money import ExchangeRate
from ledger import Budget
from ledger.policy import issuance, next_day


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
