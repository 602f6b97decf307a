"""The database engine, its transactions, and the one catalogue of tables.

SQLite and PostgreSQL run the same statements. On SQLite a transaction that may write begins with
``BEGIN IMMEDIATE``: it waits for its turn at the start, where nothing is lost, and never fails
half-way because another writer came between its read and its write.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import (
    DateTime,
    Dialect,
    Engine,
    MetaData,
    String,
    TypeDecorator,
    create_engine,
    event,
)
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

BUSY_TIMEOUT_S = 30.0
"""How long a SQLite writer waits for its turn: longer than any transaction of ours takes."""

POOL_SIZE = 10
POOL_OVERFLOW = 20

RETRY_PATIENCE_S = 10.0
"""How long work is done again while the database breaks off: a restart of it takes less."""

_TRANSIENT_STATES = ("08", "40", "53300", "57P")
"""PostgreSQL's errors (its appendix A): connection, transaction rollback, too many connections,
and operator intervention."""

_PRIMARY_CODE = 0xFF
"""SQLite's extended codes have the primary one in their lowest byte."""

RETRY_FIRST_DELAY_S = 0.02
RETRY_LAST_DELAY_S = 1.0

Answer = TypeVar("Answer")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every room's ``store`` adds its tables here; ``api.migrations`` makes them."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware instant in UTC, to the microsecond: timestamptz, or sortable text on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Store text where the database has no instants."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(27))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse naive times."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime must not reach the database")
        value = value.astimezone(UTC)
        return format_instant(value) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - the base class's signature
        """Return an aware instant."""
        if value is None:
            return None
        return parse_instant(value) if isinstance(value, str) else value.astimezone(UTC)


def format_instant(value: datetime) -> str:
    """Write an instant as RFC 3339 in UTC with six decimals: sorts as text."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_instant(text: str) -> datetime:
    """Read what `format_instant` wrote."""
    return datetime.fromisoformat(text).astimezone(UTC)


class Database:
    """An engine and the two kinds of transaction that the service uses."""

    def __init__(self, engine: Engine) -> None:
        """Wrap an engine made by `make_engine`; no I/O."""
        self.engine = engine
        self.writing_engine = engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")
        self._reading_engine = (
            engine.execution_options(sqlite_begin="BEGIN")
            if self.is_sqlite
            else engine.execution_options(isolation_level="REPEATABLE READ")
        )

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded database."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def transaction(self, connection: Connection | None = None) -> Iterator[Session]:
        """Open a session whose work is committed at the end of the block, or rolled back whole.

        Args:
            connection: of `writing_engine`, kept by its one user; else one of the pool's.
        """
        bind = self.writing_engine if connection is None else connection
        with Session(bind, expire_on_commit=False) as session, session.begin():
            yield session

    def retry(
        self,
        work: Callable[[Session], Answer],
        *,
        connection: Connection | None = None,
        patience_s: float = RETRY_PATIENCE_S,
    ) -> Answer:
        """Do work in a transaction of its own, and again while the database breaks it off.

        A connection that is lost in a commit does not tell whether that took place. The work must
        therefore find again what it has done, as everything under an idempotency key does; then
        it takes place once.

        Raises:
            DBAPIError: what is not `is_transient`, at once; what is, after `patience_s`.
        """
        give_up_s = time.monotonic() + patience_s
        delay_s = RETRY_FIRST_DELAY_S
        while True:
            try:
                with self.transaction(connection) as session:
                    return work(session)
            except DBAPIError as error:
                if not is_transient(error) or time.monotonic() + delay_s > give_up_s:
                    raise
            time.sleep(delay_s)
            delay_s = min(2 * delay_s, RETRY_LAST_DELAY_S)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a session that sees one state of the database and keeps no writer waiting."""
        with Session(self._reading_engine, expire_on_commit=False) as session:
            yield session

    def dispose(self) -> None:
        """Close all pooled connections."""
        self.engine.dispose()


def is_transient(error: DBAPIError) -> bool:
    """Tell whether the same work may succeed later: nothing is wrong with it by itself.

    That is a lost or refused connection, a server that starts, stops or has none left, a deadlock,
    a serialization failure, and SQLite's lock after its time-out.
    """
    busy = getattr(error.orig, "sqlite_errorcode", None)
    if busy is not None:
        return busy & _PRIMARY_CODE in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    state = getattr(error.orig, "sqlstate", None)
    if state is None or error.connection_invalidated:
        return error.connection_invalidated or isinstance(error, OperationalError)
    return str(state).startswith(_TRANSIENT_STATES)


def make_engine(url: str) -> Engine:
    """Make an engine for a ``sqlite:///`` or ``postgresql+psycopg://`` address.

    SQLite runs in WAL mode with full sync: what was committed survives a power cut.
    """
    if url.startswith("sqlite"):
        engine = create_engine(
            url, connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    engine = create_engine(
        url, pool_size=POOL_SIZE, max_overflow=POOL_OVERFLOW, pool_pre_ping=True
    )
    event.listen(engine, "connect", _prepare_postgresql)
    return engine


def _prepare_postgresql(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    """Write instants in UTC, and price a look-up as on a disk without arms.

    In a zone east of it, the driver cannot read instants of the year 9999's last day. At the
    default price, 4, a posting read the whole table of accounts to find two dozen.
    """
    connection.autocommit = True  # for the session, not for a transaction
    cursor = connection.cursor()
    cursor.execute("SET TIME ZONE 'UTC'")
    cursor.execute("SET random_page_cost = 1.1")
    cursor.close()
    connection.autocommit = False


def _prepare_sqlite(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = "IMMEDIATE"  # for what begins by itself
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.execute("PRAGMA case_sensitive_like=ON")  # as on PostgreSQL; prefixes then use indexes
    cursor.execute("PRAGMA recursive_triggers=ON")  # INSERT OR REPLACE then fires delete triggers
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Begin as the engine's owner says; the durable-work library begins its own by itself."""
    begin = connection.get_execution_options().get("sqlite_begin")
    if begin is not None:
        connection.exec_driver_sql(begin)
