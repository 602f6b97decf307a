"""A market on an empty database, with a clock that the tests move."""

import pytest

from core.database import Database
from core.events import EventLog
from market import Market, MarketSettings
from tests.fakes.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def events(database: Database, clock: FakeClock) -> EventLog:
    return EventLog(database, clock)


@pytest.fixture
def market(clock: FakeClock, events: EventLog) -> Market:
    return Market(clock=clock, settings=MarketSettings(), events=events)
