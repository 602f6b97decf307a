"""The stability guard, at its boundary: the coupled map of prices and demand decides."""

import math
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market import (
    BadMarketSettingsError,
    DemandBounds,
    MarketSettings,
    PriceRules,
    Resource,
    UnstableSettingsError,
    judge_stability,
)
from market.stability import (
    EQUATION_7_LIMIT,
    EXACT_LIMIT,
    StabilityCondition,
    congestion_slope_usd,
    demand_gain,
    equation_7_load,
    exact_load,
    require_stable,
)

AGENTS = 100
RESPONSE_PER_USD = 10_000.0
STEPS = 4_000


def resource(name: str, *, base_usd: Fraction, capacity: int) -> Resource:
    return Resource(
        name=name,
        unit="unit",
        base_price_pusd=int(base_usd * 10**12),
        capacity=capacity,
        sensitivity=Fraction(1),
    )


def swing(
    slopes_usd: Sequence[float],
    *,
    smoothing: float,
    shares: Sequence[float],
    gap: float = 1e-6,
) -> float:
    """Iterate demand and prices from near equilibrium; return how far they still swing.

    The rewards are set so that `shares` is the logit equilibrium. A swing is a share of agents.
    """
    rest_usd = [slope * AGENTS * share for slope, share in zip(slopes_usd, shares, strict=True)]
    prices_usd = [price * (1 + gap * (-1) ** i) for i, price in enumerate(rest_usd)]
    for _ in range(STEPS):
        weights = [
            share * math.exp(-RESPONSE_PER_USD * (price - rest))
            for share, price, rest in zip(shares, prices_usd, rest_usd, strict=True)
        ]
        used = [weight / sum(weights) for weight in weights]
        targets_usd = [
            slope * AGENTS * share for slope, share in zip(slopes_usd, used, strict=True)
        ]
        prices_usd = [
            (1 - smoothing) * price + smoothing * target
            for price, target in zip(prices_usd, targets_usd, strict=True)
        ]
    return max(abs(share - rest) for share, rest in zip(used, shares, strict=True))


def smoothing_at(load: float, *, slope_usd: float, share: float) -> float:
    gain = RESPONSE_PER_USD * slope_usd * AGENTS * share * (1 - share)
    return load / (1 + gain)


@pytest.mark.parametrize("share", [0.5, 0.2])
@pytest.mark.parametrize("slopes_usd", [(1e-5, 1e-5), (1.5e-5, 2e-6)])
def test_exact_law_of_two_resources_is_the_boundary_of_the_coupled_map(
    share: float, slopes_usd: tuple[float, float]
) -> None:
    total_usd = sum(slopes_usd)
    shares = (share, 1 - share)
    below, above = (
        swing(
            slopes_usd,
            smoothing=smoothing_at(load, slope_usd=total_usd, share=share),
            shares=shares,
        )
        for load in (1.98, 2.02)
    )
    assert below < 1e-9
    assert above > 1e-2


def test_the_guards_load_is_that_of_the_simulated_boundary() -> None:
    bounds = DemandBounds(agents_max=AGENTS, response_per_usd=Fraction(10_000))
    slopes = [Fraction(15, 10**6), Fraction(2, 10**6)]
    gain = demand_gain(slopes, bounds, share=Fraction(1, 5))
    smoothing = EXACT_LIMIT / (1 + gain)
    assert exact_load(smoothing, gain) == EXACT_LIMIT
    assert float(smoothing) == pytest.approx(smoothing_at(2, slope_usd=17e-6, share=0.2))


def test_two_steepest_of_three_resources_bound_the_coupled_map() -> None:
    slopes_usd = (1e-5, 8e-6, 1e-6)
    shares = (0.499, 0.499, 0.002)  # the third is all but priced out: the bound is tight
    below, above = (
        swing(
            slopes_usd,
            smoothing=smoothing_at(load, slope_usd=18e-6, share=0.5),
            shares=shares,
        )
        for load in (1.98, 2.04)
    )
    assert below < 1e-9
    assert above > 1e-2


def test_three_even_resources_are_steadier_than_the_bound() -> None:
    even = swing(
        (1e-5, 8e-6, 1e-6),
        smoothing=smoothing_at(1.98, slope_usd=18e-6, share=0.5),
        shares=(1 / 3, 1 / 3, 1 / 3),
    )
    assert even < 1e-9


@given(
    smoothing=st.fractions(min_value=Fraction(1, 1_000), max_value=Fraction(999, 1_000)),
    gain=st.fractions(min_value=0, max_value=1_000),
)
def test_equation_7_is_sufficient_for_the_exact_law(smoothing: Fraction, gain: Fraction) -> None:
    if equation_7_load(smoothing, gain) < EQUATION_7_LIMIT:
        assert exact_load(smoothing, gain) < EXACT_LIMIT


def test_congestion_slope_is_k_times_base_over_capacity() -> None:
    steep = Resource(
        name="a",
        unit="unit",
        base_price_pusd=100_000_000,
        capacity=8,
        sensitivity=Fraction(2),
    )
    assert congestion_slope_usd(steep) == Fraction(2, 80_000)


@pytest.mark.parametrize(
    ("count", "condition"),
    [
        (1, StabilityCondition.ONE_RESOURCE),
        (2, StabilityCondition.TWO_RESOURCES),
        (3, StabilityCondition.MANY_RESOURCES),
    ],
)
def test_the_condition_follows_the_number_of_resources(
    count: int, condition: StabilityCondition
) -> None:
    resources = tuple(
        resource(f"r{i}", base_usd=Fraction(1, 10_000), capacity=10 + i) for i in range(count)
    )
    rules = PriceRules(resources=resources, smoothing=Fraction(1, 2), tick_interval_s=60)
    bounds = DemandBounds(agents_max=100, response_per_usd=Fraction(1_000))
    verdict = judge_stability(rules, bounds)
    assert verdict.condition is condition
    steepest = [Fraction(1, 100_000), Fraction(1, 110_000)][:count]
    assert verdict.gain == 1_000 * 100 * sum(steepest) / 4


def two_resources(smoothing: Fraction) -> PriceRules:
    resources = tuple(
        resource(name, base_usd=Fraction(1, 10_000), capacity=10) for name in ("a", "b")
    )
    return PriceRules(resources=resources, smoothing=smoothing, tick_interval_s=60)


def test_the_guard_passes_just_below_its_limit_and_refuses_at_it() -> None:
    bounds = DemandBounds(agents_max=100, response_per_usd=Fraction(6_000))  # S = 3
    require_stable(two_resources(Fraction(1, 2) - Fraction(1, 10**9)), bounds)
    with pytest.raises(UnstableSettingsError):
        require_stable(two_resources(Fraction(1, 2)), bounds)


def test_the_refusal_says_which_condition_and_by_how_much() -> None:
    bounds = DemandBounds(agents_max=100, response_per_usd=Fraction(6_000))
    with pytest.raises(UnstableSettingsError, match=r"below 0\.5") as refusal:
        require_stable(two_resources(Fraction(3, 4)), bounds)
    assert refusal.value.reason == "unstable_settings"
    assert refusal.value.details == {
        "condition": "two_resources",
        "load": "3",
        "limit": "2",
        "excess": "1",
        "smoothing_below": "0.5",
    }


def test_default_settings_are_stable() -> None:
    settings = MarketSettings()
    verdict = judge_stability(settings.rules, settings.bounds)
    assert verdict.stable
    assert verdict.meets_equation_7


def test_settings_that_would_oscillate_cannot_be_made() -> None:
    eager = DemandBounds(agents_max=10_000, response_per_usd=Fraction(10_000))
    with pytest.raises(UnstableSettingsError):
        MarketSettings(bounds=eager)


def test_bounds_must_bound_something() -> None:
    with pytest.raises(BadMarketSettingsError):
        DemandBounds(agents_max=0, response_per_usd=Fraction(1))
