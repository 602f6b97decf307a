"""Event fan-out: rows in the database, numbered per topic without gaps.

An event is written in the transaction of what it tells of, so it is seen if and only if that
happened. Readers resume from the last number that they saw.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, String, Table, event, insert, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from core.clock import Clock
from core.database import Database, UtcDateTime, metadata

READ_LIMIT_ROWS = 500
POLL_INTERVAL_S = 0.25
"""How soon an event of another process is seen, at the latest."""

_heads = Table(
    "event_heads",
    metadata,
    Column("topic", String(300), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
)
_events = Table(
    "events",
    metadata,
    Column("topic", String(300), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", String(60), nullable=False),
    Column("data", JSON, nullable=False),
)


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened, with its place in its topic (the first is 1)."""

    topic: str
    sequence: int
    at: datetime
    kind: str
    data: dict[str, Any]


class EventLog:
    """Appends events inside callers' transactions and reads them in order."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Keep the collaborators; no I/O."""
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._commits = 0

    def append(self, session: Session, *, topic: str, kind: str, data: dict[str, Any]) -> int:
        """Add an event in the caller's transaction and return its number in the topic.

        Appends to one topic are serialized until the caller commits (the head row is locked), so
        numbers are seen in order.
        """
        dialect_insert = (
            sqlite_insert if self._database.is_sqlite else postgresql_insert  # same interface
        )
        statement = dialect_insert(_heads).values(topic=topic, sequence=1)
        sequence = session.execute(
            statement.on_conflict_do_update(
                index_elements=[_heads.c.topic], set_={"sequence": _heads.c.sequence + 1}
            ).returning(_heads.c.sequence)
        ).scalar_one()
        session.execute(
            insert(_events).values(
                topic=topic, sequence=sequence, at=self._clock.now(), kind=kind, data=data
            )
        )
        event.listen(session, "after_commit", self._count, once=True)
        return int(sequence)

    def read(self, topic: str, *, after: int = 0, limit: int = READ_LIMIT_ROWS) -> Sequence[Event]:
        """Return events of a topic with a number above `after`, in order."""
        query = (
            select(_events)
            .where(_events.c.topic == topic, _events.c.sequence > after)
            .order_by(_events.c.sequence)
            .limit(min(limit, READ_LIMIT_ROWS))
        )
        with self._database.reading() as session:
            return [Event(**row._mapping) for row in session.execute(query)]  # noqa: SLF001 - SQLAlchemy's documented name

    def head(self, topic: str) -> int:
        """Return the number of the topic's newest event; 0 when it has none."""
        query = select(_heads.c.sequence).where(_heads.c.topic == topic)
        with self._database.reading() as session:
            return session.execute(query).scalar() or 0

    @property
    def commits(self) -> int:
        """How many events this process has committed: grows when a reader here should look.

        Events of other processes do not count; whoever waits also looks every
        `POLL_INTERVAL_S`.
        """
        return self._commits

    def _count(self, _session: Session) -> None:
        with self._lock:
            self._commits += 1
