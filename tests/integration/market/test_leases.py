"""Leases begin once, last as long as they are renewed, and end by themselves."""

import threading
from datetime import timedelta
from fractions import Fraction

import pytest

from core.database import Database
from core.events import EventLog
from market import (
    LEASE_TTL_MAX_S,
    SANDBOX_SECOND,
    BadQuantityError,
    Lease,
    LeaseHeldError,
    LeaseNotFoundError,
    LeaseOverError,
    Market,
    MarketSettings,
    UnknownResourceError,
)
from tests.fakes.clock import FakeClock

THREADS = 6


def acquire(
    database: Database,
    market: Market,
    *,
    resource: str = SANDBOX_SECOND,
    holder: str = "order:1",
    quantity: int = 1,
    ttl_s: int = 30,
) -> Lease:
    with database.transaction() as session:
        return market.acquire(
            session, resource=resource, holder=holder, quantity=quantity, ttl_s=ttl_s
        )


def renew(database: Database, market: Market, lease: Lease, *, ttl_s: int) -> Lease:
    with database.transaction() as session:
        return market.renew(session, lease.id, ttl_s=ttl_s)


def release(database: Database, market: Market, lease: Lease) -> Lease:
    with database.transaction() as session:
        return market.release(session, lease.id)


def active_over_next_tick(database: Database, market: Market, clock: FakeClock) -> Fraction:
    with database.transaction() as session:
        clock.instant = market.current(session).expires_at
        return market.current(session).price(SANDBOX_SECOND).active


@pytest.fixture(autouse=True)
def first_tick(database: Database, market: Market) -> None:
    with database.transaction() as session:
        market.current(session)


def test_a_lease_begins_now_and_lasts_its_time(
    database: Database, market: Market, clock: FakeClock
) -> None:
    lease = acquire(database, market, quantity=2, ttl_s=30)
    assert (lease.holder, lease.quantity, lease.term) == ("order:1", 2, 1)
    assert lease.acquired_at == clock.now()
    assert lease.ends_at == clock.now() + timedelta(seconds=30)


def test_a_step_that_runs_twice_leases_once(
    database: Database, market: Market, clock: FakeClock
) -> None:
    first = acquire(database, market, quantity=2, ttl_s=30)
    clock.advance(seconds=10)
    again = acquire(database, market, quantity=2, ttl_s=30)
    assert (again.id, again.acquired_at) == (first.id, first.acquired_at)
    assert again.ends_at == clock.now() + timedelta(seconds=30)
    assert active_over_next_tick(database, market, clock) == Fraction(4, 3)


def test_a_holder_whose_lease_ran_out_gets_a_new_one(
    database: Database, market: Market, clock: FakeClock
) -> None:
    first = acquire(database, market, quantity=6, ttl_s=10)
    clock.advance(seconds=20)
    second = acquire(database, market, quantity=6, ttl_s=10)
    assert second.term == 2
    assert second.id != first.id
    assert active_over_next_tick(database, market, clock) == 2  # the gap between is not counted


def test_a_lease_is_over_at_the_instant_that_it_ends(
    database: Database, market: Market, clock: FakeClock
) -> None:
    first = acquire(database, market, ttl_s=10)
    clock.advance(seconds=10)
    second = acquire(database, market, ttl_s=10)
    assert (second.term, second.acquired_at) == (2, first.ends_at)


def test_holders_and_resources_do_not_mix(database: Database, market: Market) -> None:
    ids = {
        acquire(database, market).id,
        acquire(database, market, holder="order:2").id,
        acquire(database, market, resource="judged-case").id,
    }
    assert len(ids) == 3


def test_threads_of_one_holder_share_one_lease(
    database: Database, clock: FakeClock, events: EventLog
) -> None:
    barrier = threading.Barrier(THREADS)
    leased: list[Lease] = []

    def race() -> None:
        own = Market(clock=clock, settings=MarketSettings(), events=events)
        barrier.wait()
        leased.append(acquire(database, own, quantity=3, ttl_s=60))

    threads = [threading.Thread(target=race) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(leased) == THREADS
    assert len({lease.id for lease in leased}) == 1


def test_another_quantity_for_the_same_holder_is_refused(
    database: Database, market: Market
) -> None:
    lease = acquire(database, market, quantity=2)
    with pytest.raises(LeaseHeldError, match=lease.id) as refusal:
        acquire(database, market, quantity=3)
    assert refusal.value.reason == "lease_held"


def test_renewal_prolongs_and_never_shortens(
    database: Database, market: Market, clock: FakeClock
) -> None:
    lease = acquire(database, market, ttl_s=30)
    clock.advance(seconds=20)
    renewed = renew(database, market, lease, ttl_s=60)
    assert renewed.ends_at == clock.now() + timedelta(seconds=60)
    assert renew(database, market, lease, ttl_s=1) == renewed


def test_a_renewed_lease_counts_without_a_gap(
    database: Database, market: Market, clock: FakeClock
) -> None:
    lease = acquire(database, market, quantity=3, ttl_s=30)
    clock.advance(seconds=20)
    renew(database, market, lease, ttl_s=20)
    assert active_over_next_tick(database, market, clock) == 2


def test_what_is_over_cannot_be_renewed(
    database: Database, market: Market, clock: FakeClock
) -> None:
    lease = acquire(database, market, ttl_s=30)
    clock.advance(seconds=30)
    with pytest.raises(LeaseOverError) as refusal:
        renew(database, market, lease, ttl_s=30)
    assert refusal.value.reason == "lease_over"


def test_a_released_lease_counts_no_more(
    database: Database, market: Market, clock: FakeClock
) -> None:
    lease = acquire(database, market, quantity=4, ttl_s=60)
    clock.advance(seconds=15)
    assert release(database, market, lease).ends_at == clock.now()
    assert active_over_next_tick(database, market, clock) == 1


def test_releasing_twice_or_late_changes_nothing(
    database: Database, market: Market, clock: FakeClock
) -> None:
    lease = acquire(database, market, ttl_s=60)
    clock.advance(seconds=15)
    released = release(database, market, lease)
    clock.advance(seconds=15)
    assert release(database, market, lease) == released
    with pytest.raises(LeaseOverError):
        renew(database, market, lease, ttl_s=30)


def test_a_host_whose_clock_lags_can_release(
    database: Database, market: Market, clock: FakeClock
) -> None:
    lease = acquire(database, market)
    clock.advance(seconds=-5)
    assert release(database, market, lease).ends_at == lease.acquired_at


def test_an_unknown_lease_is_named(database: Database, market: Market) -> None:
    with database.transaction() as session:
        with pytest.raises(LeaseNotFoundError, match="lse_none") as refusal:
            market.renew(session, "lse_none", ttl_s=1)
        assert refusal.value.reason == "lease_not_found"
        with pytest.raises(LeaseNotFoundError):
            market.release(session, "lse_none")


@pytest.mark.parametrize(
    "wrong",
    [{"quantity": 0}, {"quantity": 9}, {"ttl_s": 0}, {"ttl_s": LEASE_TTL_MAX_S + 1}],
)
def test_leases_have_limits(database: Database, market: Market, wrong: dict[str, int]) -> None:
    with pytest.raises(BadQuantityError):
        acquire(database, market, **wrong)  # type: ignore[arg-type]


def test_a_resource_without_a_price_cannot_be_leased(database: Database, market: Market) -> None:
    with pytest.raises(UnknownResourceError):
        acquire(database, market, resource="moon-dust")
