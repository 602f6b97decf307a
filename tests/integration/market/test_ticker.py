"""The ticker thread ticks when the clock says so, survives failures, and stops."""

import logging
import threading

import pytest
from sqlalchemy.orm import Session

from core.database import Database
from core.events import EventLog
from market import PRICES_TOPIC, Market, MarketSettings, PriceVector, Ticker
from tests.fakes.clock import FakeClock
from tests.fakes.waiting import wait_for_events

PATIENCE_S = 10.0


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "price-ticker"]


def test_the_ticker_publishes_a_tick_per_interval(
    database: Database, market: Market, clock: FakeClock, events: EventLog
) -> None:
    ticker = Ticker(database=database, market=market, clock=clock)
    ticker.start()
    ticker.start()  # a second start changes nothing
    assert threads() == ["price-ticker"]
    try:
        for sequence in (1, 2, 3):
            found = wait_for_events(events, PRICES_TOPIC, after=sequence - 1, timeout_s=PATIENCE_S)
            assert [event.sequence for event in found] == [sequence]
            clock.advance(seconds=60)
    finally:
        ticker.stop()


def test_a_stopped_ticker_ticks_no_more_until_it_is_started_again(
    database: Database, market: Market, clock: FakeClock, events: EventLog
) -> None:
    ticker = Ticker(database=database, market=market, clock=clock)
    ticker.start()
    assert wait_for_events(events, PRICES_TOPIC, after=0, timeout_s=PATIENCE_S)
    ticker.stop()
    assert threads() == []
    clock.advance(seconds=60)
    assert not wait_for_events(events, PRICES_TOPIC, after=1, timeout_s=0.5)
    ticker.start()
    assert wait_for_events(events, PRICES_TOPIC, after=1, timeout_s=PATIENCE_S)
    ticker.stop()


class FailingMarket(Market):
    """Fails at its first tick, as when the database is away."""

    failures = 0

    def current(self, session: Session) -> PriceVector:
        if self.failures == 0:
            self.failures += 1
            raise OSError("the database is away")
        return super().current(session)


def test_the_ticker_outlives_a_failure(
    database: Database,
    clock: FakeClock,
    events: EventLog,
    caplog: pytest.LogCaptureFixture,
) -> None:
    market = FailingMarket(clock=clock, settings=MarketSettings(), events=events)
    ticker = Ticker(database=database, market=market, clock=clock)
    with caplog.at_level(logging.ERROR):
        ticker.start()
        try:
            assert wait_for_events(events, PRICES_TOPIC, after=0, timeout_s=PATIENCE_S)
        finally:
            ticker.stop()
    assert "the prices could not be updated" in caplog.text


def test_stopping_a_ticker_that_never_ran_is_no_error(
    database: Database, market: Market, clock: FakeClock
) -> None:
    Ticker(database=database, market=market, clock=clock).stop()
