"""Values refuse what they cannot mean; a quote refuses buyers it cannot serve."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from market import (
    BadMarketSettingsError,
    BadQuantityError,
    ListingSettings,
    MarketSettings,
    MaxPriceBelowQuoteError,
    Quote,
    QuoteExpiredError,
    QuoteLine,
    Resource,
    UnknownResourceError,
)
from market.settings import DEFAULT_RESOURCES

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
FIELDS: dict[str, Any] = {
    "name": "sandbox-second",
    "unit": "second",
    "base_price_pusd": 1,
    "capacity": 1,
    "sensitivity": Fraction(1),
}


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Sandbox Second"},
        {"name": ""},
        {"base_price_pusd": 0},
        {"base_price_pusd": 10**15 + 1},
        {"capacity": 0},
        {"sensitivity": Fraction(0)},
        {"sensitivity": Fraction(1_001)},
    ],
)
def test_a_resource_refuses_a_curve_that_is_none(change: dict[str, Any]) -> None:
    Resource(**FIELDS)
    with pytest.raises(BadMarketSettingsError):
        Resource(**{**FIELDS, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"resources": ()},
        {"resources": DEFAULT_RESOURCES + DEFAULT_RESOURCES},
        {"smoothing": Fraction(0)},
        {"smoothing": Fraction(1, 1_001)},
        {"smoothing": Fraction(1)},
        {"tick_interval_s": 0},
        {"tick_interval_s": 86_401},
    ],
)
def test_settings_refuse_rules_that_no_market_can_run_on(change: dict[str, Any]) -> None:
    with pytest.raises(BadMarketSettingsError) as refusal:
        MarketSettings(**change)
    assert refusal.value.reason == "bad_market_settings"


@pytest.mark.parametrize(
    "change",
    [{"expected_licences": 0}, {"licences_on_offer": 0}, {"sensitivity": Fraction(0)}],
)
def test_listing_terms_refuse_what_cannot_be_sold(change: dict[str, Any]) -> None:
    with pytest.raises(BadMarketSettingsError):
        ListingSettings(**change)


def test_defaults_are_those_of_the_documentation() -> None:
    settings = MarketSettings()
    sandbox = settings.rules.resource("sandbox-second")
    judged = settings.rules.resource("judged-case")
    assert (sandbox.base_price_pusd, sandbox.capacity) == (100_000_000, 8)
    assert (judged.base_price_pusd, judged.capacity) == (2_000_000, 1_000)
    assert (settings.smoothing, settings.tick_interval_s) == (Fraction(3, 10), 60)


def test_unknown_resources_are_named_beside_the_known() -> None:
    with pytest.raises(UnknownResourceError, match="judged-case, sandbox-second") as refusal:
        MarketSettings().rules.resource("moon-dust")
    assert refusal.value.details == {"resource": "moon-dust"}


@pytest.mark.parametrize(("least", "most"), [(-1, 5), (5, 4), (0, 10**15 + 1)])
def test_a_quote_line_refuses_a_range_that_is_none(least: int, most: int) -> None:
    with pytest.raises(BadQuantityError):
        QuoteLine(resource="a", quantity_min_milliunits=least, quantity_max_milliunits=most)


def quote() -> Quote:
    return Quote(
        id="quo_1",
        tick_sequence=1,
        lines=(),
        fee_utok=100,
        utok_per_usd=1,
        minimum_utok=100,
        maximum_utok=100,
        quoted_at=START,
        expires_at=START + timedelta(seconds=60),
    )


def test_a_quote_serves_a_limit_of_exactly_its_minimum_until_its_end() -> None:
    quote().require(now=START + timedelta(seconds=59.999), max_price_utok=100)


def test_a_quote_ends_with_its_tick() -> None:
    with pytest.raises(QuoteExpiredError) as refusal:
        quote().require(now=START + timedelta(seconds=60), max_price_utok=100)
    assert refusal.value.reason == "quote_expired"


def test_a_limit_below_the_minimum_is_refused_with_the_figures() -> None:
    with pytest.raises(MaxPriceBelowQuoteError) as refusal:
        quote().require(now=START, max_price_utok=99)
    assert refusal.value.reason == "max_price_below_quote"
    assert refusal.value.details == {
        "max_price_utok": 99,
        "minimum_utok": 100,
        "maximum_utok": 100,
    }
