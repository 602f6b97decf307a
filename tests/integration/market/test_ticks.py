"""One tick per interval, whoever asks; prices that follow leases; the price table's versions."""

import threading
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest

from core.database import Database
from core.events import EventLog
from market import (
    PRICES_TOPIC,
    SANDBOX_SECOND,
    Market,
    MarketSettings,
    PriceVector,
    TickNotFoundError,
)
from tests.fakes.clock import FakeClock

THREADS = 8
BASE_PUSD = 100_000_000


def tick(database: Database, market: Market) -> PriceVector:
    with database.transaction() as session:
        return market.current(session)


def price_pusd(vector: PriceVector) -> int:
    return vector.price(SANDBOX_SECOND).price_pusd


def lease(database: Database, market: Market, *, quantity: int, ttl_s: int) -> None:
    with database.transaction() as session:
        market.acquire(
            session, resource=SANDBOX_SECOND, holder="order:1", quantity=quantity, ttl_s=ttl_s
        )


def test_the_first_tick_is_made_when_it_is_asked_for(
    database: Database, market: Market, clock: FakeClock
) -> None:
    vector = tick(database, market)
    assert (vector.sequence, vector.table_version) == (1, 1)
    assert vector.at == clock.now()
    assert vector.expires_at == clock.now() + timedelta(seconds=60)
    assert price_pusd(vector) == BASE_PUSD


def test_within_an_interval_there_is_one_tick(
    database: Database, market: Market, clock: FakeClock
) -> None:
    first = tick(database, market)
    clock.advance(seconds=59.999999)
    assert tick(database, market) == first
    clock.advance(seconds=0.000001)
    second = tick(database, market)
    assert second.sequence == 2
    assert second.at == first.expires_at


def test_prices_rise_with_leases_and_fall_back_to_the_base(
    database: Database, market: Market, clock: FakeClock
) -> None:
    tick(database, market)
    lease(database, market, quantity=8, ttl_s=60)
    clock.advance(seconds=60)
    busy = tick(database, market)
    assert busy.price(SANDBOX_SECOND).active == 8
    assert price_pusd(busy) == 130_000_000
    clock.advance(seconds=60)
    assert price_pusd(tick(database, market)) == 121_000_000
    clock.advance(days=1)
    assert price_pusd(tick(database, market)) == BASE_PUSD


def test_a_lease_counts_for_its_time_alone(
    database: Database, market: Market, clock: FakeClock
) -> None:
    tick(database, market)
    clock.advance(seconds=10)
    lease(database, market, quantity=6, ttl_s=20)  # ends by itself after 20 of 60 seconds
    clock.advance(seconds=53)
    active = tick(database, market).price(SANDBOX_SECOND).active
    assert active == 2
    clock.advance(seconds=60)
    assert tick(database, market).price(SANDBOX_SECOND).active == 0


def test_leases_that_span_ticks_count_in_each(
    database: Database, market: Market, clock: FakeClock
) -> None:
    tick(database, market)
    clock.advance(seconds=45)
    lease(database, market, quantity=4, ttl_s=30)
    clock.advance(seconds=15)
    assert tick(database, market).price(SANDBOX_SECOND).active == 1
    clock.advance(seconds=60)
    assert tick(database, market).price(SANDBOX_SECOND).active == 1


def test_a_downtime_is_one_tick_with_the_mean_over_all_of_it(
    database: Database, market: Market, clock: FakeClock, events: EventLog
) -> None:
    first = tick(database, market)
    lease(database, market, quantity=8, ttl_s=600)
    clock.advance(seconds=20 * 60 + 30)
    vector = tick(database, market)
    assert vector.sequence == 2
    assert vector.at == first.at + timedelta(minutes=20)
    assert vector.price(SANDBOX_SECOND).active == 4  # 8 units for half of 20 minutes
    reached = 1 - (1 - Fraction(3, 10)) ** 20  # as 20 ticks would have moved it
    assert abs(price_pusd(vector) - BASE_PUSD * (1 + reached / 2)) <= 1
    assert len(events.read(PRICES_TOPIC)) == 2


def test_a_clock_set_back_makes_no_tick(
    database: Database, market: Market, clock: FakeClock
) -> None:
    first = tick(database, market)
    clock.advance(hours=-1)
    assert tick(database, market) == first


def test_every_tick_is_published_once_under_its_own_number(
    database: Database, market: Market, clock: FakeClock, events: EventLog
) -> None:
    made = []
    for _ in range(3):
        made.append(tick(database, market))
        tick(database, market)
        clock.advance(seconds=60)
    published = events.read(PRICES_TOPIC)
    assert [event.sequence for event in published] == [1, 2, 3]
    assert [event.data for event in published] == [vector.to_json() for vector in made]


def test_a_tick_that_is_rolled_back_was_never_published(
    database: Database, market: Market, events: EventLog
) -> None:
    with database.transaction() as session:
        market.current(session)
        session.rollback()
    assert events.read(PRICES_TOPIC) == []


def test_racing_threads_make_exactly_one_tick_per_interval(
    database: Database, clock: FakeClock, events: EventLog
) -> None:
    barrier = threading.Barrier(THREADS)
    seen: list[list[int]] = [[] for _ in range(THREADS)]

    def race(number: int) -> None:
        own = Market(clock=clock, settings=MarketSettings(), events=EventLog(database, clock))
        for _ in range(4):
            barrier.wait()
            seen[number].append(tick(database, own).sequence)
            if barrier.wait() == 0:
                clock.advance(seconds=60)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [[1, 2, 3, 4]] * THREADS
    assert [event.sequence for event in events.read(PRICES_TOPIC)] == [1, 2, 3, 4]


def test_an_earlier_tick_can_be_found_again(
    database: Database, market: Market, clock: FakeClock
) -> None:
    first = tick(database, market)
    clock.advance(seconds=60)
    tick(database, market)
    with database.reading() as session:
        assert market.vector(session, 1) == first
        with pytest.raises(TickNotFoundError) as refusal:
            market.vector(session, 3)
    assert refusal.value.reason == "tick_not_found"


def test_changed_settings_are_a_new_price_table_from_the_next_tick_on(
    database: Database, market: Market, clock: FakeClock, events: EventLog
) -> None:
    settings = MarketSettings()
    sandbox, judged = settings.resources
    dearer = replace(
        settings,
        resources=(replace(sandbox, base_price_pusd=150_000_000), judged),
        tick_interval_s=30,
    )
    first = tick(database, market)
    other = Market(clock=clock, settings=dearer, events=events)
    with database.transaction() as session:
        assert market.adopt(session).version == 1
        adopted = other.adopt(session)
        assert (adopted.version, adopted.rules) == (2, dearer.rules)
        assert other.adopt(session) == adopted
    assert tick(database, other) == first
    clock.advance(seconds=60)
    vector = tick(database, market)  # a process with old settings prices by the new table too
    assert vector.table_version == 2
    assert price_pusd(vector) == 150_000_000
    assert vector.expires_at == clock.now() + timedelta(seconds=30)
