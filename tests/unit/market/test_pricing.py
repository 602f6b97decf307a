"""Equation (2), smoothing, time-weighted means, charges and listing prices: exact arithmetic."""

import json
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.money import ExchangeRate
from market import (
    BadQuantityError,
    Lease,
    Price,
    PriceRules,
    PriceTable,
    PriceVector,
    Resource,
    UnknownResourceError,
    charge,
)
from market.domain import SMOOTHING_MIN, ZUSD_PER_PUSD
from market.pricing import (
    congestion_price,
    due_intervals,
    first_vector,
    listing_base_utok,
    listing_price_utok,
    mean_active,
    next_vector,
    smoothed_price_zusd,
)

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
RATE = ExchangeRate(utok_per_usd=1_000_000_000)  # 1,000 tokens per USD

sensitivities = st.fractions(min_value=Fraction(1, 100), max_value=100, max_denominator=1_000)
smoothings = st.fractions(min_value=SMOOTHING_MIN, max_value=Fraction(999, 1_000))
loads = st.fractions(min_value=0, max_value=10_000, max_denominator=10**9)


def table(
    *,
    base_price_pusd: int = 100_000_000,
    capacity: int = 8,
    sensitivity: Fraction = Fraction(1),
    smoothing: Fraction = Fraction(3, 10),
    version: int = 1,
) -> PriceTable:
    resource = Resource(
        name="sandbox-second",
        unit="second",
        base_price_pusd=base_price_pusd,
        capacity=capacity,
        sensitivity=sensitivity,
    )
    rules = PriceRules(resources=(resource,), smoothing=smoothing, tick_interval_s=60)
    return PriceTable(version=version, at=START, rules=rules)


def after(
    vector: PriceVector, rules: PriceTable, *, active: Fraction | int, intervals: int = 1
) -> PriceVector:
    return next_vector(
        vector, rules, intervals=intervals, active={"sandbox-second": Fraction(active)}
    )


def price_pusd(vector: PriceVector) -> int:
    return vector.price("sandbox-second").price_pusd


def lease(*, quantity: int, acquired_us: int, ends_us: int) -> Lease:
    return Lease(
        id="lse",
        resource="sandbox-second",
        holder="order:1",
        term=1,
        quantity=quantity,
        acquired_at=START + timedelta(microseconds=acquired_us),
        ends_at=START + timedelta(microseconds=ends_us),
    )


def test_equation_2_at_half_use() -> None:
    price = congestion_price(
        base_price=100, sensitivity=Fraction(3, 2), active=Fraction(4), capacity=8
    )
    assert price == 175


@given(
    base=st.integers(1, 10**15),
    sensitivity=sensitivities,
    capacity=st.integers(1, 10**6),
    lower=loads,
    more=loads,
)
def test_price_rises_with_use_from_its_base(
    base: int, sensitivity: Fraction, capacity: int, lower: Fraction, more: Fraction
) -> None:
    low, high = (
        congestion_price(
            base_price=base, sensitivity=sensitivity, active=active, capacity=capacity
        )
        for active in (lower, lower + more)
    )
    assert base <= low <= high
    assert (low < high) == (more > 0)


def test_one_tick_moves_the_share_omega_of_the_way() -> None:
    rules = table(smoothing=Fraction(3, 10))
    full = after(first_vector(rules, at=START), rules, active=8)
    assert price_pusd(full) == 130_000_000
    assert price_pusd(after(full, rules, active=8)) == 151_000_000


@given(smoothing=smoothings, active=loads, steps=st.integers(1, 30))
def test_price_never_falls_below_its_base(
    smoothing: Fraction, active: Fraction, steps: int
) -> None:
    rules = table(smoothing=smoothing, base_price_pusd=3)
    vector = after(first_vector(rules, at=START), rules, active=active)
    for _ in range(steps):
        vector = after(vector, rules, active=0)
        assert price_pusd(vector) >= 3


@given(smoothing=smoothings, lower=loads, more=loads, start=loads)
def test_next_price_rises_with_use(
    smoothing: Fraction, lower: Fraction, more: Fraction, start: Fraction
) -> None:
    rules = table(smoothing=smoothing)
    before = after(first_vector(rules, at=START), rules, active=start)
    low, high = (after(before, rules, active=active) for active in (lower, lower + more))
    assert price_pusd(low) <= price_pusd(high)


@pytest.mark.parametrize("smoothing", [SMOOTHING_MIN, Fraction(3, 10), Fraction(99, 100)])
@pytest.mark.parametrize("base_price_pusd", [1, 7, 2_000_000])
def test_smoothing_reaches_a_whole_target_and_decays_back_to_the_base(
    smoothing: Fraction, base_price_pusd: int
) -> None:
    rules = table(smoothing=smoothing, base_price_pusd=base_price_pusd, capacity=8)
    busy = after(first_vector(rules, at=START), rules, active=8, intervals=10**6)
    assert price_pusd(busy) == 2 * base_price_pusd
    idle = after(busy, rules, active=0, intervals=10**6)
    assert price_pusd(idle) == base_price_pusd


@settings(deadline=None)  # the slowest smoothing takes tens of thousands of steps
@given(smoothing=smoothings, start=st.integers(0, 10**13), target=st.integers(0, 10**13))
def test_smoothing_comes_to_rest_within_the_documented_distance(
    smoothing: Fraction, start: int, target: int
) -> None:
    at_rest = smoothed_price_zusd(
        previous_zusd=start,
        target_zusd=Fraction(target),
        smoothing=smoothing,
        intervals=10**6,
    )
    assert abs(at_rest - target) <= 1 / (2 * smoothing)


@given(smoothing=smoothings, active=loads, intervals=st.integers(1, 40))
def test_a_tick_over_missed_intervals_equals_ticking_through_them(
    smoothing: Fraction, active: Fraction, intervals: int
) -> None:
    rules = table(smoothing=smoothing)
    first = first_vector(rules, at=START)
    one_by_one = first
    for _ in range(intervals):
        one_by_one = after(one_by_one, rules, active=active)
    at_once = after(first, rules, active=active, intervals=intervals)
    assert at_once.prices == one_by_one.prices
    assert at_once.at == one_by_one.at
    assert at_once.sequence == 2


def test_a_raised_base_price_lifts_the_next_price_at_once() -> None:
    first = first_vector(table(base_price_pusd=100), at=START)
    raised = after(first, table(base_price_pusd=500, version=2), active=0)
    assert price_pusd(raised) == 500
    assert raised.table_version == 2


def test_a_lowered_base_price_is_approached_smoothly() -> None:
    first = first_vector(table(base_price_pusd=1_000), at=START)
    lowered = after(first, table(base_price_pusd=500, version=2), active=0)
    assert price_pusd(lowered) == 850


def test_a_new_resource_starts_at_its_base_and_a_dropped_one_is_unknown() -> None:
    first = first_vector(table(), at=START)
    gpu = Resource(
        name="gpu-second", unit="second", base_price_pusd=9, capacity=1, sensitivity=Fraction(1)
    )
    rules = PriceRules(resources=(gpu,), smoothing=Fraction(1, 2), tick_interval_s=60)
    vector = next_vector(
        first, PriceTable(version=2, at=START, rules=rules), intervals=1, active={}
    )
    assert vector.price("gpu-second").price_pusd == 9
    with pytest.raises(UnknownResourceError, match="it prices gpu-second"):
        vector.price("sandbox-second")


@pytest.mark.parametrize(
    ("waited_s", "intervals"), [(-5, 0), (0, 0), (59, 0), (60, 1), (119, 1), (120, 2), (3_600, 60)]
)
def test_intervals_that_ended_since_the_last_tick(waited_s: int, intervals: int) -> None:
    rules = table()
    first = first_vector(rules, at=START)
    assert due_intervals(first, rules, now=START + timedelta(seconds=waited_s)) == intervals


def test_ticks_stay_on_the_grid_of_the_first() -> None:
    rules = table()
    second = after(first_vector(rules, at=START), rules, active=0, intervals=3)
    assert second.at == START + timedelta(seconds=180)
    assert second.expires_at == START + timedelta(seconds=240)


spans = st.tuples(st.integers(1, 5), st.integers(-20, 40), st.integers(0, 40))


@given(held=st.lists(spans, max_size=6), start=st.integers(0, 10), length=st.integers(1, 15))
def test_time_weighted_mean_equals_the_brute_force_integral(
    held: list[tuple[int, int, int]], start: int, length: int
) -> None:
    leases = [lease(quantity=q, acquired_us=a, ends_us=a + d) for q, a, d in held]
    instants = range(start, start + length)
    integral = sum(q for us in instants for q, a, d in held if a <= us < a + d)
    mean = mean_active(
        leases,
        start=START + timedelta(microseconds=start),
        end=START + timedelta(microseconds=start + length),
    )
    assert mean == Fraction(integral, length)


def test_charge_at_the_base_price_is_all_burn() -> None:
    vector = first_vector(table(base_price_pusd=100_000_000), at=START)
    made = charge(vector, resource="sandbox-second", quantity_milliunits=2_500, exchange_rate=RATE)
    assert made.cost_nusd == 250_000  # 2.5 s at 0.0001 USD
    assert made.burn_utok == made.charge_utok == 250_000  # 0.25 tokens
    assert made.premium_utok == 0


def test_charge_in_congestion_burns_the_base_and_leaves_a_premium() -> None:
    rules = table(base_price_pusd=100_000_000)
    vector = after(first_vector(rules, at=START), rules, active=8)
    made = charge(vector, resource="sandbox-second", quantity_milliunits=1_000, exchange_rate=RATE)
    assert (made.cost_nusd, made.burn_utok, made.charge_utok) == (100_000, 100_000, 130_000)
    assert made.premium_utok == 30_000
    assert made.unit_price_pusd == 130_000_000
    assert (made.tick_sequence, made.table_version) == (2, 1)


def test_charge_of_a_trifle_is_lifted_to_the_burn() -> None:
    vector = first_vector(table(base_price_pusd=1), at=START)
    rich = ExchangeRate(utok_per_usd=1_000 * RATE.utok_per_usd)  # a nano-dollar is 1,000 utok
    made = charge(vector, resource="sandbox-second", quantity_milliunits=1, exchange_rate=rich)
    assert made.cost_nusd == 1  # of exactly 0.000001 nano-dollars
    assert made.burn_utok == 1_000
    assert made.charge_utok == 1_000  # of exactly 0.001


@given(
    base=st.integers(1, 10**9),
    active=loads,
    quantity=st.integers(0, 10**9),
    more=st.integers(0, 10**9),
    utok_per_usd=st.integers(1, 10**12),
)
@example(base=7, active=Fraction(0), quantity=1, more=1, utok_per_usd=10**12)
def test_charge_covers_burn_and_burn_covers_cost(
    base: int, active: Fraction, quantity: int, more: int, utok_per_usd: int
) -> None:
    rules = table(base_price_pusd=base, capacity=100)
    vector = after(first_vector(rules, at=START), rules, active=active / 10_000)
    rate = ExchangeRate(utok_per_usd=utok_per_usd)
    made, larger = (
        charge(vector, resource="sandbox-second", quantity_milliunits=q, exchange_rate=rate)
        for q in (quantity, quantity + more)
    )
    assert made.charge_utok >= made.burn_utok
    assert made.cost_nusd * 10**6 >= quantity * base
    assert made.burn_utok * 10**9 >= made.cost_nusd * utok_per_usd
    assert made.charge_utok * 10**15 >= quantity * made.unit_price_pusd * utok_per_usd
    lifted_below_utok = Fraction(utok_per_usd, 10**9) + 1
    exact_utok = Fraction(quantity * made.unit_price_pusd * utok_per_usd, 10**15)
    assert made.charge_utok - exact_utok < lifted_below_utok + 1
    assert larger.charge_utok >= made.charge_utok


@pytest.mark.parametrize("quantity_milliunits", [-1, 10**15 + 1])
def test_charge_refuses_a_quantity_outside_its_limits(quantity_milliunits: int) -> None:
    vector = first_vector(table(), at=START)
    with pytest.raises(BadQuantityError) as refusal:
        charge(
            vector,
            resource="sandbox-second",
            quantity_milliunits=quantity_milliunits,
            exchange_rate=RATE,
        )
    assert refusal.value.reason == "bad_quantity"


def test_charge_refuses_what_no_account_can_hold() -> None:
    vector = first_vector(table(base_price_pusd=10**15), at=START)
    with pytest.raises(BadQuantityError, match="more than an account can hold"):
        charge(vector, resource="sandbox-second", quantity_milliunits=10**15, exchange_rate=RATE)


def test_charge_refuses_a_resource_without_a_price() -> None:
    vector = first_vector(table(), at=START)
    with pytest.raises(UnknownResourceError) as refusal:
        charge(vector, resource="moon-dust", quantity_milliunits=1, exchange_rate=RATE)
    assert refusal.value.reason == "unknown_resource"


def test_listing_base_is_the_amortized_cost_rounded_up() -> None:
    assert listing_base_utok(making_cost_utok=1_001, expected_licences=10) == 101
    assert listing_base_utok(making_cost_utok=0, expected_licences=10) == 1


def test_listing_price_rises_with_sales() -> None:
    prices = [
        listing_price_utok(
            base_price_utok=101,
            sensitivity=Fraction(1, 2),
            licences_sold=sold,
            licences_on_offer=100,
        )
        for sold in (0, 1, 50, 100)
    ]
    assert prices == [101, 102, 127, 152]


def test_a_price_survives_json() -> None:
    rules = table(smoothing=Fraction(1, 7))
    price = after(first_vector(rules, at=START), rules, active=Fraction(1, 3)).price(
        "sandbox-second"
    )
    assert price.smoothed_zusd % ZUSD_PER_PUSD != 0
    assert Price.from_json("sandbox-second", json.loads(json.dumps(price.to_json()))) == price
