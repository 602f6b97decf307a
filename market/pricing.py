"""The market maker: from utilisation to prices, and from prices to charges. Exact throughout.

Rounding happens in three places. A tick rounds the smoothed price to the nearest zepto-dollar and
publishes it rounded to the nearest pico-dollar. Smoothing comes to rest where its step rounds to
nothing, within ``1 / (2 * omega)`` zepto-dollars of the target: at the smallest omega allowed
that is 500 of the 10**9 that make a pico-dollar, so a whole target is reached exactly, from
either side. A charge rounds up, since tokens issued for the budget must cover what it pays.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from fractions import Fraction

from core.money import MAX_AMOUNT, NUSD_PER_USD, PUSD_PER_NUSD, ExchangeRate, ceil_div
from market.domain import (
    MILLIUNITS_PER_UNIT,
    QUANTITY_MAX_MILLIUNITS,
    ZUSD_PER_PUSD,
    Charge,
    Lease,
    Price,
    PriceTable,
    PriceVector,
    Resource,
)
from market.errors import BadQuantityError

MICROSECOND = timedelta(microseconds=1)


def congestion_price(
    *, base_price: int, sensitivity: Fraction, active: Fraction, capacity: int
) -> Fraction:
    """Compute P_hat of equation (2), in the unit of `base_price`, without rounding."""
    return base_price * (1 + sensitivity * active / capacity)


def smoothed_price_zusd(
    *, previous_zusd: int, target_zusd: Fraction, smoothing: Fraction, intervals: int
) -> int:
    """Move a price towards its target as `intervals` ticks would (paper, section 6.2).

    A tick that covers missed intervals so leaves the price that ticking through them at the same
    mean utilisation would have left.
    """
    price_zusd = previous_zusd
    for _ in range(intervals):
        moved_zusd = _nearest((1 - smoothing) * price_zusd + smoothing * target_zusd)
        if moved_zusd == price_zusd:
            break  # at rest; omega's minimum bounds how many steps lead here (about 62,000)
        price_zusd = moved_zusd
    return price_zusd


def mean_active(leases: Iterable[Lease], *, start: datetime, end: datetime) -> Fraction:
    """Return the time-weighted mean of units leased from `start` until before `end`.

    Exact: instants are whole microseconds. `end` must be after `start`.
    """
    unit_microseconds = 0
    for lease in leases:
        overlap = min(lease.ends_at, end) - max(lease.acquired_at, start)
        unit_microseconds += lease.quantity * max(0, overlap // MICROSECOND)
    return Fraction(unit_microseconds, (end - start) // MICROSECOND)


def first_vector(table: PriceTable, *, at: datetime) -> PriceVector:
    """Return the first tick: every resource at its base price."""
    return PriceVector(
        sequence=1,
        at=at,
        expires_at=at + table.rules.tick_interval,
        table_version=table.version,
        prices={resource.name: _base_price(resource) for resource in table.rules.resources},
    )


def due_intervals(last: PriceVector, table: PriceTable, *, now: datetime) -> int:
    """Return how many intervals ended since `last`, by `now`: 0 while it is still in force."""
    return max(0, 1 + (now - last.expires_at) // table.rules.tick_interval)


def next_vector(
    last: PriceVector, table: PriceTable, *, intervals: int, active: Mapping[str, Fraction]
) -> PriceVector:
    """Return the one tick that follows `last` and covers all of `intervals`.

    It begins where the last of them ended, so ticks stay on the grid that the first one began.

    Args:
        last: the tick before.
        table: the rules in force now; a resource that `last` lacks starts at its base price.
        intervals: how many have ended since `last`, at least 1.
        active: by resource name, the time-weighted mean of units leased between the two ticks.
    """
    at = tick_instant(last, table, intervals=intervals)
    prices = {}
    for resource in table.rules.resources:
        prices[resource.name] = _next_price(
            resource,
            last=last.prices.get(resource.name, _base_price(resource)),
            active=active.get(resource.name, Fraction(0)),
            smoothing=table.rules.smoothing,
            intervals=intervals,
        )
    return PriceVector(
        sequence=last.sequence + 1,
        at=at,
        expires_at=at + table.rules.tick_interval,
        table_version=table.version,
        prices=prices,
    )


def tick_instant(last: PriceVector, table: PriceTable, *, intervals: int) -> datetime:
    """Return when the tick begins that covers `intervals` after `last`."""
    return last.expires_at + (intervals - 1) * table.rules.tick_interval


def charge(
    vector: PriceVector, *, resource: str, quantity_milliunits: int, exchange_rate: ExchangeRate
) -> Charge:
    """Price a metered quantity at a tick, the fiat cost and the token charge apart.

    cost = ceil(quantity * P_base), in nano-dollars; burn = ceil(kappa * cost); the charge is
    ceil(kappa * quantity * P_t), lifted to the burn where that is more. It can be more because the
    burn is rounded up twice, and then by less than kappa times a nano-dollar and a micro-token.

    Raises:
        UnknownResourceError: the tick does not price this resource.
        BadQuantityError: negative, above `QUANTITY_MAX_MILLIUNITS`, or worth more than an account
            can hold.
    """
    price = vector.price(resource)
    if not 0 <= quantity_milliunits <= QUANTITY_MAX_MILLIUNITS:
        raise BadQuantityError(
            f"a charge for {resource} needs 0 to {QUANTITY_MAX_MILLIUNITS} milliunits, not"
            f" {quantity_milliunits}"
        )
    cost_nusd = ceil_div(
        quantity_milliunits * price.base_price_pusd, MILLIUNITS_PER_UNIT * PUSD_PER_NUSD
    )
    burn_utok = exchange_rate.utok_ceil(cost_nusd)
    charge_utok = max(burn_utok, _tokens(quantity_milliunits, price.price_pusd, exchange_rate))
    if max(cost_nusd, charge_utok) > MAX_AMOUNT:
        raise BadQuantityError(
            f"{quantity_milliunits} milliunits of {resource} cost more than an account can hold"
        )
    return Charge(
        resource=resource,
        quantity_milliunits=quantity_milliunits,
        unit_price_pusd=price.price_pusd,
        tick_sequence=vector.sequence,
        table_version=vector.table_version,
        utok_per_usd=exchange_rate.utok_per_usd,
        cost_nusd=cost_nusd,
        burn_utok=burn_utok,
        charge_utok=charge_utok,
    )


def listing_base_utok(*, making_cost_utok: int, expected_licences: int) -> int:
    """Return P_base of a version: its cost spread over the licences that are expected to sell.

    Rounded up, and at least one micro-token: what is free is not on the market.
    """
    return max(1, ceil_div(making_cost_utok, expected_licences))


def listing_price_utok(
    *, base_price_utok: int, sensitivity: Fraction, licences_sold: int, licences_on_offer: int
) -> int:
    """Price a licence by equation (2): sales are usage, the offer is capacity. Rounds up."""
    return math.ceil(
        congestion_price(
            base_price=base_price_utok,
            sensitivity=sensitivity,
            active=Fraction(licences_sold),
            capacity=licences_on_offer,
        )
    )


def _base_price(resource: Resource) -> Price:
    return Price(
        resource=resource.name,
        base_price_pusd=resource.base_price_pusd,
        price_pusd=resource.base_price_pusd,
        smoothed_zusd=resource.base_price_pusd * ZUSD_PER_PUSD,
        active=Fraction(0),
        capacity=resource.capacity,
    )


def _next_price(
    resource: Resource, *, last: Price, active: Fraction, smoothing: Fraction, intervals: int
) -> Price:
    target_pusd = congestion_price(
        base_price=resource.base_price_pusd,
        sensitivity=resource.sensitivity,
        active=active,
        capacity=resource.capacity,
    )
    base_zusd = resource.base_price_pusd * ZUSD_PER_PUSD
    smoothed_zusd = smoothed_price_zusd(
        previous_zusd=max(base_zusd, last.smoothed_zusd),  # the base may have been raised
        target_zusd=target_pusd * ZUSD_PER_PUSD,
        smoothing=smoothing,
        intervals=intervals,
    )
    return Price(
        resource=resource.name,
        base_price_pusd=resource.base_price_pusd,
        price_pusd=_nearest(Fraction(smoothed_zusd, ZUSD_PER_PUSD)),
        smoothed_zusd=smoothed_zusd,
        active=active,
        capacity=resource.capacity,
    )


def _nearest(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))


def _tokens(quantity_milliunits: int, price_pusd: int, exchange_rate: ExchangeRate) -> int:
    pusd_milli = quantity_milliunits * price_pusd
    return ceil_div(
        pusd_milli * exchange_rate.utok_per_usd,
        MILLIUNITS_PER_UNIT * PUSD_PER_NUSD * NUSD_PER_USD,
    )
