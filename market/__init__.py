"""The market: prices that follow congestion, leases that make it, quotes, charges and listings."""

from market.domain import (
    MILLIUNITS_PER_UNIT,
    Charge,
    Lease,
    Listing,
    Price,
    PriceRules,
    PriceTable,
    PriceVector,
    Quote,
    QuotedLine,
    QuoteLine,
    Resource,
)
from market.errors import (
    BadMarketSettingsError,
    BadQuantityError,
    LeaseHeldError,
    LeaseNotFoundError,
    LeaseOverError,
    MaxPriceBelowQuoteError,
    QuoteExpiredError,
    QuoteNotFoundError,
    TickNotFoundError,
    UnknownResourceError,
    UnstableSettingsError,
)
from market.pricing import charge
from market.service import LEASE_TTL_MAX_S, PRICES_TOPIC, TICK_KIND, Market
from market.settings import JUDGED_CASE, SANDBOX_SECOND, ListingSettings, MarketSettings
from market.stability import DemandBounds, StabilityVerdict, judge_stability
from market.ticker import Ticker

__all__ = [
    "JUDGED_CASE",
    "LEASE_TTL_MAX_S",
    "MILLIUNITS_PER_UNIT",
    "PRICES_TOPIC",
    "SANDBOX_SECOND",
    "TICK_KIND",
    "BadMarketSettingsError",
    "BadQuantityError",
    "Charge",
    "DemandBounds",
    "Lease",
    "LeaseHeldError",
    "LeaseNotFoundError",
    "LeaseOverError",
    "Listing",
    "ListingSettings",
    "Market",
    "MarketSettings",
    "MaxPriceBelowQuoteError",
    "Price",
    "PriceRules",
    "PriceTable",
    "PriceVector",
    "Quote",
    "QuoteExpiredError",
    "QuoteLine",
    "QuoteNotFoundError",
    "QuotedLine",
    "Resource",
    "StabilityVerdict",
    "TickNotFoundError",
    "Ticker",
    "UnknownResourceError",
    "UnstableSettingsError",
    "charge",
    "judge_stability",
]
