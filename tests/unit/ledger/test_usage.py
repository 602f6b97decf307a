from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import MAX_AMOUNT, ExchangeRate
from ledger import Attempt, AttemptStatus, UsageError, UsageLine, UsageRecord
from ledger.attempts import billing_of
from ledger.usage import charge_of, line_charges, record_of_loss, records_of, usage_id

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def attempt(*, kappa: int, bound_nusd: int, bound_utok: int) -> Attempt:
    return Attempt(
        id="a",
        budget="acme",
        budget_path="acme",
        day="2026-01-05",
        fiat_account="fiat-budget:acme:2026-01-05",
        owner="acme",
        payer="wallet:acme",
        provider="p",
        resource="r",
        reference="",
        bound_nusd=bound_nusd,
        bound_utok=bound_utok,
        utok_per_usd=kappa,
        fiat_hold_id="f",
        token_hold_id="t",
        status=AttemptStatus.ADMITTED,
        liability_nusd=bound_nusd,
        admitted_at=NOW,
    )


def line(quantity: int, base: int, price: int) -> UsageLine:
    return UsageLine(
        resource="r", quantity=quantity, unit="u", base_price_pusd=base, unit_price_pusd=price
    )


lines_of = st.lists(
    st.builds(
        lambda quantity, base, premium: line(quantity, base, base + premium),
        st.integers(0, 10**6),
        st.integers(0, 10**6),
        st.integers(0, 10**6),
    ),
    max_size=5,
)


@given(
    lines=lines_of,
    kappa=st.integers(1, 10**12),
    bound_nusd=st.integers(1, 10**10),
    room=st.integers(0, 10**9),
)
def test_charges_are_exact_bounded_and_add_up(
    lines: list[UsageLine], kappa: int, bound_nusd: int, room: int
) -> None:
    rate = ExchangeRate(utok_per_usd=kappa)
    bound_utok = rate.utok_ceil(bound_nusd) + room
    payer = attempt(kappa=kappa, bound_nusd=bound_nusd, bound_utok=bound_utok)
    whole = charge_of(payer, lines)
    cost_pusd = sum(entry.quantity * entry.base_price_pusd for entry in lines)
    assert whole.cost_nusd == ceil(Fraction(cost_pusd, 1_000))
    counted = min(whole.cost_nusd, bound_nusd)
    assert whole.burn_utok == ceil(Fraction(counted * kappa, 10**9))
    assert whole.burn_utok <= whole.charge_utok <= bound_utok
    parts = line_charges(payer, lines)
    for name in ("cost_nusd", "burn_utok", "charge_utok"):
        assert sum(getattr(part, name) for part in parts) == getattr(whole, name)
        assert all(getattr(part, name) >= 0 for part in parts)


def test_a_premium_is_what_the_market_price_adds() -> None:
    payer = attempt(kappa=10**9, bound_nusd=1_000, bound_utok=5_000)
    charge = charge_of(payer, [line(10, 50_000, 75_000)])
    assert (charge.cost_nusd, charge.burn_utok, charge.charge_utok) == (500, 500, 750)


@pytest.mark.parametrize(
    ("quantity", "base", "price"),
    [(-1, 1, 1), (1, -1, 1), (1, 2, 1), (1, 1, MAX_AMOUNT + 1), (2, 1, MAX_AMOUNT)],
)
def test_lines_that_make_no_sense_are_refused(quantity: int, base: int, price: int) -> None:
    with pytest.raises(UsageError):
        line(quantity, base, price)


def rated(quality: float) -> UsageLine:
    return UsageLine(
        resource="r",
        quantity=1,
        unit="u",
        base_price_pusd=1,
        unit_price_pusd=1,
        quality=quality,
    )


def test_quality_is_a_share() -> None:
    for quality in (0.0, 0.5, 1.0):
        assert rated(quality).quality == quality
    for quality in (float("nan"), -0.01, 1.01):
        with pytest.raises(UsageError, match=f"not {quality}"):
            rated(quality)


def test_refusals_of_lines_say_what_was_wrong() -> None:
    with pytest.raises(UsageError, match=r"usage of r needs .* got -1 at 3 pusd, base 2 pusd"):
        line(-1, 2, 3)
    with pytest.raises(UsageError, match="usage of r costs more"):
        line(2, 1, MAX_AMOUNT)
    assert line(1, MAX_AMOUNT, MAX_AMOUNT).quantity == 1


def test_a_settled_attempt_has_a_record_for_each_line() -> None:
    payer = replace(
        attempt(kappa=2 * 10**9, bound_nusd=1_000, bound_utok=9_000), reference="order"
    )
    first = UsageLine(
        resource="llm-in",
        quantity=10,
        unit="token",
        base_price_pusd=2_500,
        unit_price_pusd=3_000,
        price_tick=7,
        quality=0.5,
        latency_ms=12,
        status="answered",
    )
    records = records_of(payer, [first, line(1, 700, 900)], transfers=("x", "y"), at=NOW)
    shared = {
        "attempt_id": "a",
        "at": NOW,
        "owner": "acme",
        "provider": "p",
        "utok_per_usd": 2 * 10**9,
        "shortfall_utok": 0,
        "budget": "acme",
        "payer": "wallet:acme",
        "reference": "order",
        "transfers": ("x", "y"),
    }
    assert records == [
        UsageRecord(
            id=usage_id("a", 0, at=NOW),
            **vars(first),
            **shared,
            cost_nusd=25,
            burn_utok=50,
            charge_utok=60,
        ),
        UsageRecord(
            id=usage_id("a", 1, at=NOW),
            **vars(line(1, 700, 900)),
            **shared,
            cost_nusd=1,  # 25.7 rounded up once, for both lines together
            burn_utok=2,
            charge_utok=2,
        ),
    ]
    assert usage_id("a", 0, at=NOW) == "use_01ke5q8600yp99vzpm9vcbg4vn"


def test_a_lost_attempt_has_one_record_of_its_bound() -> None:
    ended = replace(
        attempt(kappa=10**9, bound_nusd=1_000, bound_utok=2_000),
        status=AttemptStatus.LOST,
        cost_nusd=1_000,
        burn_utok=800,
        shortfall_utok=200,
        reference="order",
        ended_at=NOW + timedelta(hours=1),
    )
    found = record_of_loss(ended, transfers=("x",))
    assert found == UsageRecord(
        id=usage_id("a", 0, at=NOW + timedelta(hours=1)),
        attempt_id="a",
        at=NOW + timedelta(hours=1),
        owner="acme",
        resource="r",
        provider="p",
        quantity=0,
        unit="unknown",
        base_price_pusd=0,
        unit_price_pusd=0,
        price_tick=None,
        utok_per_usd=10**9,
        cost_nusd=1_000,
        burn_utok=800,
        charge_utok=0,
        shortfall_utok=200,
        quality=None,
        latency_ms=None,
        status="unknown",
        budget="acme",
        payer="wallet:acme",
        reference="order",
        transfers=("x",),
    )


def test_a_charge_past_64_bits_stops_at_the_bound() -> None:
    payer = attempt(kappa=10**15, bound_nusd=1, bound_utok=MAX_AMOUNT)
    charge = charge_of(payer, [line(1, 0, MAX_AMOUNT)] * 100)
    assert charge.charge_utok == MAX_AMOUNT


@pytest.mark.parametrize(
    ("cost", "rest", "expected"),
    [(7, 0, (7, 0, 0)), (10, 5, (10, 0, 0)), (13, 5, (10, 3, 3)), (18, 5, (10, 8, 5))],
)
def test_a_cost_is_split_at_its_bound(cost: int, rest: int, expected: tuple[int, ...]) -> None:
    billing = billing_of(cost_nusd=cost, bound_nusd=10, rest_nusd=rest)
    found = (billing.posted_nusd, billing.overbilled_nusd, billing.recovered_nusd)
    assert found == expected
