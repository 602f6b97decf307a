"""A market on an empty database, with a clock that the tests move."""

import pytest
from sqlalchemy import text

from core.database import Database, metadata
from core.events import EventLog
from market import Market, MarketSettings
from market.ddl import statements
from tests.fakes.clock import FakeClock


@pytest.fixture
def database(bare_database: Database) -> Database:
    with bare_database.transaction() as session:
        metadata.create_all(session.connection())
        for statement in statements(bare_database.engine.dialect.name):
            session.execute(text(statement))
    return bare_database


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def events(database: Database, clock: FakeClock) -> EventLog:
    return EventLog(database, clock)


@pytest.fixture
def market(clock: FakeClock, events: EventLog) -> Market:
    return Market(clock=clock, settings=MarketSettings(), events=events)
