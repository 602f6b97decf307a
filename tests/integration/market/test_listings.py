"""A version is listed once, at its amortized cost."""

import threading

import pytest

from core.database import Database
from core.events import EventLog
from core.money import MAX_AMOUNT
from market import BadQuantityError, Listing, Market, MarketSettings
from tests.fakes.clock import FakeClock

ARTIFACT = "acme/support-extractor"
DIGEST = "sha256:" + "a" * 64
THREADS = 6


def list_version(
    database: Database, market: Market, *, digest: str = DIGEST, making_cost_utok: int = 31
) -> Listing:
    with database.transaction() as session:
        return market.list_version(
            session, artifact=ARTIFACT, digest=digest, making_cost_utok=making_cost_utok
        )


def test_a_version_is_listed_at_its_cost_over_the_expected_licences(
    database: Database, market: Market, clock: FakeClock
) -> None:
    listing = list_version(database, market, making_cost_utok=31)
    assert (listing.base_price_utok, listing.price_utok) == (4, 4)  # 31 / 10, rounded up
    assert (listing.number, listing.tick_sequence) == (1, 1)
    assert listing.at == clock.now()


def test_a_version_that_cost_nothing_is_not_free(database: Database, market: Market) -> None:
    assert list_version(database, market, making_cost_utok=0).price_utok == 1


def test_a_version_keeps_its_first_listing(
    database: Database, market: Market, clock: FakeClock
) -> None:
    first = list_version(database, market, making_cost_utok=31)
    clock.advance(hours=1)
    assert list_version(database, market, making_cost_utok=999) == first


def test_racing_orders_list_a_version_once(
    database: Database, clock: FakeClock, events: EventLog
) -> None:
    barrier = threading.Barrier(THREADS)
    listed: list[Listing] = []

    def race(cost_utok: int) -> None:
        own = Market(clock=clock, settings=MarketSettings(), events=events)
        barrier.wait()
        listed.append(list_version(database, own, making_cost_utok=cost_utok))

    threads = [threading.Thread(target=race, args=(number * 10,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(listed) == THREADS
    assert all(listing == listed[0] for listing in listed)


def test_a_listing_is_found_by_its_version(database: Database, market: Market) -> None:
    listing = list_version(database, market)
    with database.reading() as session:
        assert market.listing(session, artifact=ARTIFACT, digest=DIGEST) == listing
        assert market.listing(session, artifact=ARTIFACT, digest="sha256:" + "b" * 64) is None


@pytest.mark.parametrize("making_cost_utok", [-1, MAX_AMOUNT + 1])
def test_a_cost_that_no_order_can_have_is_refused(
    database: Database, market: Market, making_cost_utok: int
) -> None:
    with pytest.raises(BadQuantityError):
        list_version(database, market, making_cost_utok=making_cost_utok)
