import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select, text, update
from sqlalchemy.exc import StatementError

from core.database import Database, UtcDateTime

counters = Table(
    "counters",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("at", UtcDateTime),
)


@pytest.fixture
def counted(bare_database: Database) -> Database:
    with bare_database.transaction() as session:
        counters.create(session.connection())
        session.execute(insert(counters).values(id=1, count=0))
    return bare_database


def test_instants_keep_their_microseconds_and_come_back_in_utc(counted: Database) -> None:
    instant = datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=timezone(timedelta(hours=2)))
    with counted.transaction() as session:
        session.execute(update(counters).values(at=instant))
        found = session.execute(select(counters.c.at)).scalar_one()
    assert found == instant
    assert found.tzinfo is UTC or found.utcoffset() == timedelta(0)


def test_a_naive_instant_never_reaches_the_database(counted: Database) -> None:
    with pytest.raises(StatementError, match="naive"), counted.transaction() as session:
        session.execute(update(counters).values(at=datetime(2026, 3, 1)))  # noqa: DTZ001 - on purpose


def test_a_block_that_fails_leaves_nothing(counted: Database) -> None:
    def count_and_fail() -> None:
        with counted.transaction() as session:
            session.execute(update(counters).values(count=7))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        count_and_fail()
    with counted.reading() as session:
        assert session.execute(select(counters.c.count)).scalar_one() == 0


def test_writers_that_read_first_wait_for_each_other(counted: Database) -> None:
    barrier = threading.Barrier(4)

    def count() -> None:
        barrier.wait()
        for _ in range(5):
            with counted.transaction() as session:
                query = select(counters.c.count).with_for_update()
                seen = session.execute(query).scalar_one()
                session.execute(update(counters).values(count=seen + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with counted.reading() as session:
        assert session.execute(select(counters.c.count)).scalar_one() == 20


def test_a_reading_session_sees_one_state(counted: Database) -> None:
    with counted.reading() as session:
        before = session.execute(select(counters.c.count)).scalar_one()
        with counted.transaction() as writing:
            writing.execute(update(counters).values(count=99))
        assert session.execute(select(counters.c.count)).scalar_one() == before


def test_sqlite_survives_a_power_cut(counted: Database) -> None:
    if not counted.is_sqlite:
        pytest.skip("PostgreSQL's own settings say how it writes")
    with counted.reading() as session:
        assert session.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert session.execute(text("PRAGMA synchronous")).scalar_one() == 2
        assert session.execute(text("PRAGMA foreign_keys")).scalar_one() == 1
