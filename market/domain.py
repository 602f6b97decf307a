"""What the market speaks of: resources, prices, leases, quotes, charges, listings.

Units: prices are integers of pico-dollars (pusd) per unit of the resource. Quantities that are
paid for are integers of milliunits, thousandths of the resource's unit: a sandbox-second is
metered in milliseconds, a judged case counts as 1,000. Quantities that are leased are whole units
that are active at once.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from core.database import format_instant
from core.money import format_tokens
from market.errors import (
    BadMarketSettingsError,
    BadQuantityError,
    MaxPriceBelowQuoteError,
    QuoteExpiredError,
    UnknownResourceError,
)

MILLIUNITS_PER_UNIT = 1_000
ZUSD_PER_PUSD = 10**9
"""A zepto-dollar is 1e-21 US dollars: the grain in which smoothed prices are remembered."""

BASE_PRICE_MAX_PUSD = 10**15
"""1,000 US dollars per unit: dearer things are sold by other means than a ticker."""
CAPACITY_MAX = 10**9
SENSITIVITY_MAX = 1_000
"""At full use a price is then 1,001 times its base: beyond that it is a mistake of the units."""
SMOOTHING_MIN = Fraction(1, 1_000)
"""Slower smoothing takes days to follow demand; the bound also keeps rounding harmless."""
TICK_INTERVAL_MAX_S = 86_400
RESOURCES_MAX = 100
QUANTITY_MAX_MILLIUNITS = 10**15
"""A trillion units: more than any one charge can mean."""

_RESOURCE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A priced resource and its curve (paper, section 4.2).

    Attributes:
        name: lower-case words joined by hyphens, such as ``sandbox-second``.
        unit: what one unit is, for people.
        base_price_pusd: technical cost P_base of one unit; what a charge burns.
        capacity: units that can be active at once, L_capacity.
        sensitivity: k, the share by which the price rises at full use.
    """

    name: str
    unit: str
    base_price_pusd: int
    capacity: int
    sensitivity: Fraction

    def __post_init__(self) -> None:
        """Refuse a curve that is not one.

        Raises:
            BadMarketSettingsError: a field is outside its limits.
        """
        if not _RESOURCE_NAME.fullmatch(self.name):
            raise BadMarketSettingsError(f"{self.name!r} is no resource name: use a-z, 0-9 and -")
        limits = (
            ("base_price_pusd", self.base_price_pusd, BASE_PRICE_MAX_PUSD),
            ("capacity", self.capacity, CAPACITY_MAX),
            ("sensitivity", self.sensitivity, SENSITIVITY_MAX),
        )
        for field, value, most in limits:
            if not 0 < value <= most:
                raise BadMarketSettingsError(
                    f"{field} of {self.name} must be above 0 and at most {most}, not {value}"
                )


@dataclass(frozen=True, kw_only=True)
class PriceRules:
    """What turns utilisation into prices; every process of a service follows the same.

    Attributes:
        resources: what is priced, at least one, no name twice.
        smoothing: omega of the paper's section 6.2, from `SMOOTHING_MIN` to below 1.
        tick_interval_s: time between two ticks.
    """

    resources: tuple[Resource, ...]
    smoothing: Fraction
    tick_interval_s: int

    def __post_init__(self) -> None:
        """Refuse rules that no market can run on.

        Raises:
            BadMarketSettingsError: a field is outside its limits, or a name stands twice.
        """
        names = {resource.name for resource in self.resources}
        if not 0 < len(self.resources) <= RESOURCES_MAX or len(names) < len(self.resources):
            raise BadMarketSettingsError(
                f"a price table needs 1 to {RESOURCES_MAX} resources, each named once"
            )
        if not SMOOTHING_MIN <= self.smoothing < 1:
            raise BadMarketSettingsError(
                f"smoothing must be at least {SMOOTHING_MIN} and below 1, not {self.smoothing}"
            )
        if not 0 < self.tick_interval_s <= TICK_INTERVAL_MAX_S:
            raise BadMarketSettingsError(
                f"tick_interval_s must be 1 to {TICK_INTERVAL_MAX_S}, not {self.tick_interval_s}"
            )

    @property
    def tick_interval(self) -> timedelta:
        """Time between two ticks."""
        return timedelta(seconds=self.tick_interval_s)

    def resource(self, name: str) -> Resource:
        """Return the resource of this name.

        Raises:
            UnknownResourceError: there is none.
        """
        for resource in self.resources:
            if resource.name == name:
                return resource
        raise _unknown(name, [resource.name for resource in self.resources])


@dataclass(frozen=True, kw_only=True)
class PriceTable:
    """The rules in force, with the number that ticks and usage records cite."""

    version: int
    at: datetime
    rules: PriceRules


@dataclass(frozen=True, kw_only=True)
class Price:
    """A resource's price at one tick.

    Attributes:
        resource: its name.
        base_price_pusd: P_base at this tick; the price is never below it.
        price_pusd: what a unit costs until the next tick.
        smoothed_zusd: the unrounded price that the next tick starts from.
        active: U_active, the time-weighted mean of units leased since the tick before.
        capacity: L_capacity at this tick.
    """

    resource: str
    base_price_pusd: int
    price_pusd: int
    smoothed_zusd: int
    active: Fraction
    capacity: int

    def to_json(self) -> dict[str, Any]:
        """Return JSON values; those that a reader might round are texts."""
        return {
            "base_price_pusd": self.base_price_pusd,
            "price_pusd": self.price_pusd,
            "smoothed_zusd": str(self.smoothed_zusd),
            "active": str(self.active),
            "capacity": self.capacity,
        }

    @classmethod
    def from_json(cls, resource: str, value: Mapping[str, Any]) -> "Price":
        """Read what `to_json` made."""
        return cls(
            resource=resource,
            base_price_pusd=value["base_price_pusd"],
            price_pusd=value["price_pusd"],
            smoothed_zusd=int(value["smoothed_zusd"]),
            active=Fraction(value["active"]),
            capacity=value["capacity"],
        )


@dataclass(frozen=True, kw_only=True)
class PriceVector:
    """All prices of one tick: what the ticker publishes (paper, section 3.1).

    Attributes:
        sequence: number of the tick; the first is 1 and none is left out.
        at: when it began; the utilisation behind it is that of the time before.
        expires_at: when the next one is due.
        table_version: of the price table that it was computed from.
        prices: by resource name.
    """

    sequence: int
    at: datetime
    expires_at: datetime
    table_version: int
    prices: Mapping[str, Price]

    def price(self, resource: str) -> Price:
        """Return the price of a resource.

        Raises:
            UnknownResourceError: this tick does not price it.
        """
        if resource not in self.prices:
            raise _unknown(resource, list(self.prices))
        return self.prices[resource]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON values that are published."""
        return {
            "sequence": self.sequence,
            "at": format_instant(self.at),
            "expires_at": format_instant(self.expires_at),
            "table_version": self.table_version,
            "prices": {name: price.to_json() for name, price in self.prices.items()},
        }


@dataclass(frozen=True, kw_only=True)
class Lease:
    """Units of a resource in use by a holder, for a time.

    Attributes:
        id: derived from resource, holder and term.
        resource: name of what is leased.
        holder: who uses it, such as ``order:<id>:sandbox``.
        term: counts the holder's leases of this resource, from 1.
        quantity: whole units active at once.
        acquired_at: when it began.
        ends_at: when it ends, or ended; from then on it counts no more.
    """

    id: str
    resource: str
    holder: str
    term: int
    quantity: int
    acquired_at: datetime
    ends_at: datetime


@dataclass(frozen=True, kw_only=True)
class QuoteLine:
    """What a buyer wants a price for: at least and at most so much of a resource."""

    resource: str
    quantity_min_milliunits: int
    quantity_max_milliunits: int

    def __post_init__(self) -> None:
        """Refuse a range that is none.

        Raises:
            BadQuantityError: a bound is outside its limits, or the bounds are swapped.
        """
        least, most = self.quantity_min_milliunits, self.quantity_max_milliunits
        if not 0 <= least <= most <= QUANTITY_MAX_MILLIUNITS:
            raise BadQuantityError(
                f"a quote for {self.resource} needs 0 <= minimum <= maximum <="
                f" {QUANTITY_MAX_MILLIUNITS} milliunits, not {least} to {most}"
            )


@dataclass(frozen=True, kw_only=True)
class QuotedLine:
    """A quote's line with its prices; the bounds hold for one charge of the line's resource."""

    line: QuoteLine
    unit_price_pusd: int
    minimum_utok: int
    maximum_utok: int


@dataclass(frozen=True, kw_only=True)
class Quote:
    """What something would cost at the prices of one tick.

    Attributes:
        id: identifier of the stored quote.
        tick_sequence: the tick whose unit prices it uses.
        lines: per resource.
        fee_utok: fixed part, in both bounds.
        utok_per_usd: the exchange rate that it uses.
        minimum_utok: fee and every line at its least.
        maximum_utok: fee and every line at its most.
        quoted_at: when it was made.
        expires_at: when its tick ends.
    """

    id: str
    tick_sequence: int
    lines: tuple[QuotedLine, ...]
    fee_utok: int
    utok_per_usd: int
    minimum_utok: int
    maximum_utok: int
    quoted_at: datetime
    expires_at: datetime

    def require(self, *, now: datetime, max_price_utok: int) -> None:
        """Let a buyer go on whose quote still holds and whose limit can be enough.

        Raises:
            QuoteExpiredError: the tick of the quote is over.
            MaxPriceBelowQuoteError: `max_price_utok` is below the minimum.
        """
        if now >= self.expires_at:
            raise QuoteExpiredError(
                f"quote {self.id} ended with its tick at {format_instant(self.expires_at)};"
                " ask for a new one",
                quote=self.id,
                expires_at=format_instant(self.expires_at),
            )
        if max_price_utok < self.minimum_utok:
            raise MaxPriceBelowQuoteError(
                f"the limit of {format_tokens(max_price_utok)} tokens is below the quoted minimum"
                f" of {format_tokens(self.minimum_utok)}; raise it, or wait for a lower price",
                max_price_utok=max_price_utok,
                minimum_utok=self.minimum_utok,
                maximum_utok=self.maximum_utok,
            )


@dataclass(frozen=True, kw_only=True)
class Charge:
    """What a metered quantity costs, in fiat and in tokens.

    Attributes:
        resource: name of what was used.
        quantity_milliunits: how much of it.
        unit_price_pusd: the tick's price of a unit.
        tick_sequence: the tick.
        table_version: of the price table.
        utok_per_usd: the exchange rate.
        cost_nusd: fiat base cost, rounded up.
        burn_utok: tokens that the fiat cost burns, rounded up.
        charge_utok: tokens that the buyer pays, rounded up, never below `burn_utok`.
    """

    resource: str
    quantity_milliunits: int
    unit_price_pusd: int
    tick_sequence: int
    table_version: int
    utok_per_usd: int
    cost_nusd: int
    burn_utok: int
    charge_utok: int

    @property
    def premium_utok(self) -> int:
        """The congestion premium: what remains of the charge after the burn."""
        return self.charge_utok - self.burn_utok


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A version's price on the market.

    Attributes:
        artifact: ``namespace/name``.
        digest: of the version.
        number: counts the version's listings, from 1; the highest is in force.
        making_cost_utok: what making the version cost.
        base_price_utok: that cost, spread over the expected licences.
        price_utok: what a licence costs.
        tick_sequence: the tick during which it was listed.
        at: when it was listed.
    """

    artifact: str
    digest: str
    number: int
    making_cost_utok: int
    base_price_utok: int
    price_utok: int
    tick_sequence: int
    at: datetime


def _unknown(name: str, known: Sequence[str]) -> UnknownResourceError:
    return UnknownResourceError(
        f"the market prices no resource {name!r}; it prices {', '.join(sorted(known))}",
        resource=name,
    )
