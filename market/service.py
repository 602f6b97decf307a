"""The market: ticks, leases, quotes and listings, in the caller's transaction.

Keep the transactions short, and in those that also lock ledger accounts call the market first: a
tick that falls due inside one is waited for by every other process until it ends, and a lease
that is committed late is missing from the ticks made before.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction

from sqlalchemy.orm import Session

from core.clock import Clock
from core.events import EventLog
from core.ids import derived_id, new_id
from core.money import MAX_AMOUNT, ExchangeRate
from market import store
from market.domain import (
    Lease,
    Listing,
    PriceTable,
    PriceVector,
    Quote,
    QuotedLine,
    QuoteLine,
)
from market.errors import (
    BadQuantityError,
    LeaseHeldError,
    LeaseNotFoundError,
    LeaseOverError,
    QuoteNotFoundError,
    TickNotFoundError,
)
from market.pricing import (
    charge,
    due_intervals,
    first_vector,
    listing_base_utok,
    listing_price_utok,
    mean_active,
    next_vector,
    tick_instant,
)
from market.settings import MarketSettings

PRICES_TOPIC = "prices"
TICK_KIND = "tick"
LEASE_TTL_MAX_S = 3_600
"""How long the lease of a holder that died may go on counting as usage."""
QUOTE_LINES_MAX = 100
"""As many as a price table has resources."""


class Market:
    """Prices resources by use; the database is its only state, shared by all processes."""

    def __init__(self, *, clock: Clock, settings: MarketSettings, events: EventLog) -> None:
        """Keep the collaborators; no I/O."""
        self._clock = clock
        self._settings = settings
        self._events = events

    def adopt(self, session: Session) -> PriceTable:
        """Make the settings' rules the price table in force, as a new version if they differ.

        Called when a service starts. Every process prices by the table in the database, and a new
        one takes effect at the next tick.
        """
        newest = store.newest_table(session)
        if newest is not None and newest.rules == self._settings.rules:
            return newest
        table = PriceTable(
            version=1 if newest is None else newest.version + 1,
            at=self._clock.now(),
            rules=self._settings.rules,
        )
        return table if store.add_table(session, table) else self._table(session)

    def current(self, session: Session) -> PriceVector:
        """Return the prices in force, and tick first where that is due: once per interval.

        Any number of processes may call this at any time; one of them makes the tick and the
        others get it. After a downtime, one tick covers all missed intervals with the
        time-weighted mean of their leases, and moves prices as those intervals would have. A tick
        is published on `PRICES_TOPIC`, where its number in the topic is its sequence.

        `session` must be able to write.
        """
        table = self._table(session)
        last = store.newest_tick(session)
        if last is None:
            return self._publish(session, first_vector(table, at=self._clock.now()))
        intervals = due_intervals(last, table, now=self._clock.now())
        if intervals == 0:
            return last
        end = tick_instant(last, table, intervals=intervals)
        active = _active_by_resource(
            store.leases_between(session, start=last.at, end=end), start=last.at, end=end
        )
        return self._publish(session, next_vector(last, table, intervals=intervals, active=active))

    def vector(self, session: Session, sequence: int) -> PriceVector:
        """Return the prices of an earlier tick, for a charge that is made again.

        Raises:
            TickNotFoundError: there was no such tick.
        """
        found = store.tick(session, sequence)
        if found is None:
            raise TickNotFoundError(f"there is no tick {sequence}", sequence=sequence)
        return found

    def acquire(
        self, session: Session, *, resource: str, holder: str, quantity: int, ttl_s: int
    ) -> Lease:
        """Lease units of a resource to a holder; they count as usage from now on.

        A holder that has the lease already gets it back, renewed: a step that runs twice leases
        once. Leases ration by price alone, so more units may be leased than the capacity.

        Args:
            session: the caller's transaction.
            resource: name of the resource.
            holder: who uses it, at most 200 characters, such as ``order:<id>:sandbox``.
            quantity: whole units active at once, from 1 to the capacity.
            ttl_s: after how long the lease ends by itself, 1 to `LEASE_TTL_MAX_S`.

        Raises:
            UnknownResourceError: the price table has no such resource.
            BadQuantityError: quantity or time to live is outside its limits.
            LeaseHeldError: the holder has a lease of this resource of another quantity.
        """
        capacity = self._table(session).rules.resource(resource).capacity
        if not 0 < quantity <= capacity:
            raise BadQuantityError(f"a lease of {resource} is of 1 to {capacity}, not {quantity}")
        now = self._clock.now()
        ends_at = now + _time_to_live(ttl_s)
        held = store.newest_lease(session, resource=resource, holder=holder)
        while held is None or held.ends_at <= now:
            term = 1 if held is None else held.term + 1
            lease = Lease(
                id=derived_id("lse", resource, holder, str(term)),
                resource=resource,
                holder=holder,
                term=term,
                quantity=quantity,
                acquired_at=now,
                ends_at=ends_at,
            )
            if store.add_lease(session, lease):
                return lease
            # Another transaction started this term first: its lease is the holder's.
            held = store.newest_lease(session, resource=resource, holder=holder)
        if held.quantity != quantity:
            raise LeaseHeldError(
                f"{holder} has a lease of {held.quantity} {resource}; release {held.id} first",
                lease=held.id,
            )
        return self._prolonged(session, held, ends_at=ends_at)

    def renew(self, session: Session, lease_id: str, *, ttl_s: int) -> Lease:
        """Let a lease last at least `ttl_s` from now; it is never shortened.

        Raises:
            LeaseNotFoundError: there is no such lease.
            LeaseOverError: it was released or ran out; what is over counts no more, so a new one
                must be acquired.
            BadQuantityError: the time to live is outside 1 to `LEASE_TTL_MAX_S`.
        """
        lease = _found(store.lease(session, lease_id), lease_id)
        now = self._clock.now()
        if lease.ends_at <= now:
            raise LeaseOverError(f"lease {lease_id} is over; acquire a new one", lease=lease_id)
        return self._prolonged(session, lease, ends_at=now + _time_to_live(ttl_s))

    def release(self, session: Session, lease_id: str) -> Lease:
        """End a lease now; one that is over stays as it is, so releasing twice does no harm.

        Raises:
            LeaseNotFoundError: there is no such lease.
        """
        lease = _found(store.lease(session, lease_id), lease_id)
        now = self._clock.now()
        if lease.ends_at <= now:
            return lease
        # Another host's clock may lag: a lease never ends before it began.
        ended = replace(lease, ends_at=max(now, lease.acquired_at))
        store.end_lease_at(session, lease_id, ends_at=ended.ends_at)
        return ended

    def quote(
        self,
        session: Session,
        *,
        lines: Sequence[QuoteLine],
        fee_utok: int,
        exchange_rate: ExchangeRate,
    ) -> Quote:
        """Say what the lines would cost at the prices in force; the quote ends with their tick.

        The bounds hold for one charge per line. Whoever charges a line in parts pays for rounding
        up each part: less than a micro-token and kappa times a nano-dollar.

        Raises:
            UnknownResourceError: the tick does not price a line's resource.
            BadQuantityError: no lines or too many, a fee outside its limits, or a total that no
                account can hold.
        """
        if not 0 < len(lines) <= QUOTE_LINES_MAX:
            raise BadQuantityError(f"a quote has 1 to {QUOTE_LINES_MAX} lines, not {len(lines)}")
        if not 0 <= fee_utok <= MAX_AMOUNT:
            raise BadQuantityError(f"a fee is of 0 to {MAX_AMOUNT} utok, not {fee_utok}")
        vector = self.current(session)
        quoted = tuple(_quoted(vector, line, exchange_rate) for line in lines)
        maximum_utok = fee_utok + sum(line.maximum_utok for line in quoted)
        if maximum_utok > MAX_AMOUNT:
            raise BadQuantityError(f"{maximum_utok} utok is more than an account can hold")
        quote = Quote(
            id=new_id("quo"),
            tick_sequence=vector.sequence,
            lines=quoted,
            fee_utok=fee_utok,
            utok_per_usd=exchange_rate.utok_per_usd,
            minimum_utok=fee_utok + sum(line.minimum_utok for line in quoted),
            maximum_utok=maximum_utok,
            quoted_at=self._clock.now(),
            expires_at=vector.expires_at,
        )
        store.add_quote(session, quote)
        return quote

    def confirm(self, session: Session, quote_id: str, *, max_price_utok: int) -> Quote:
        """Return a quote that a buyer may act on now.

        Raises:
            QuoteNotFoundError: there is no such quote.
            QuoteExpiredError: its tick is over.
            MaxPriceBelowQuoteError: the buyer's limit is below its minimum.
        """
        quote = store.quote(session, quote_id)
        if quote is None:
            raise QuoteNotFoundError(f"there is no quote {quote_id}", quote=quote_id)
        quote.require(now=self._clock.now(), max_price_utok=max_price_utok)
        return quote

    def list_version(
        self, session: Session, *, artifact: str, digest: str, making_cost_utok: int
    ) -> Listing:
        """Put a version on the market; a version that is listed already keeps its listing.

        The price is equation (2) over the amortized cost of making it. Its owner needs no
        licence, so nothing is sold yet and the price starts at its base.

        Args:
            session: the caller's transaction.
            artifact: ``namespace/name``.
            digest: of the version.
            making_cost_utok: what its order was charged.

        Raises:
            BadQuantityError: the cost is negative, or more than an account can hold.
        """
        listed = store.newest_listing(session, artifact=artifact, digest=digest)
        if listed is not None:
            return listed
        if not 0 <= making_cost_utok <= MAX_AMOUNT:
            raise BadQuantityError(f"a cost is of 0 to {MAX_AMOUNT} utok, not {making_cost_utok}")
        listing = self._first_listing(session, artifact, digest, making_cost_utok)
        if store.add_listing(session, listing):
            return listing
        return self.list_version(
            session, artifact=artifact, digest=digest, making_cost_utok=making_cost_utok
        )

    def listing(self, session: Session, *, artifact: str, digest: str) -> Listing | None:
        """Return the listing in force of a version, or nothing where it is not for sale."""
        return store.newest_listing(session, artifact=artifact, digest=digest)

    def _table(self, session: Session) -> PriceTable:
        return store.newest_table(session) or self.adopt(session)

    def _publish(self, session: Session, vector: PriceVector) -> PriceVector:
        if not store.add_tick(session, vector):
            return self.vector(session, vector.sequence)  # another process made it first
        self._events.append(session, topic=PRICES_TOPIC, kind=TICK_KIND, data=vector.to_json())
        return vector

    def _prolonged(self, session: Session, lease: Lease, *, ends_at: datetime) -> Lease:
        prolonged = replace(lease, ends_at=max(lease.ends_at, ends_at))
        store.end_lease_at(session, lease.id, ends_at=prolonged.ends_at)
        return prolonged

    def _first_listing(
        self, session: Session, artifact: str, digest: str, making_cost_utok: int
    ) -> Listing:
        terms = self._settings.listing
        base_price_utok = listing_base_utok(
            making_cost_utok=making_cost_utok, expected_licences=terms.expected_licences
        )
        price_utok = listing_price_utok(
            base_price_utok=base_price_utok,
            sensitivity=terms.sensitivity,
            licences_sold=0,
            licences_on_offer=terms.licences_on_offer,
        )
        return Listing(
            artifact=artifact,
            digest=digest,
            number=1,
            making_cost_utok=making_cost_utok,
            base_price_utok=base_price_utok,
            price_utok=price_utok,
            tick_sequence=self.current(session).sequence,
            at=self._clock.now(),
        )


def _active_by_resource(
    leases: Sequence[Lease], *, start: datetime, end: datetime
) -> Mapping[str, Fraction]:
    by_resource = defaultdict(list)
    for lease in leases:
        by_resource[lease.resource].append(lease)
    return {
        resource: mean_active(held, start=start, end=end) for resource, held in by_resource.items()
    }


def _quoted(vector: PriceVector, line: QuoteLine, exchange_rate: ExchangeRate) -> QuotedLine:
    minimum, maximum = (
        charge(
            vector,
            resource=line.resource,
            quantity_milliunits=quantity_milliunits,
            exchange_rate=exchange_rate,
        )
        for quantity_milliunits in (line.quantity_min_milliunits, line.quantity_max_milliunits)
    )
    return QuotedLine(
        line=line,
        unit_price_pusd=maximum.unit_price_pusd,
        minimum_utok=minimum.charge_utok,
        maximum_utok=maximum.charge_utok,
    )


def _found(lease: Lease | None, lease_id: str) -> Lease:
    if lease is None:
        raise LeaseNotFoundError(f"there is no lease {lease_id}", lease=lease_id)
    return lease


def _time_to_live(ttl_s: int) -> timedelta:
    if not 0 < ttl_s <= LEASE_TTL_MAX_S:
        raise BadQuantityError(f"a lease lasts 1 to {LEASE_TTL_MAX_S} seconds, not {ttl_s}")
    return timedelta(seconds=ttl_s)
