"""Queries on signed checkpoints."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledger.store.bulk import Rows, insert_missing
from ledger.store.tables import checkpoints

_PAGE_ROWS = 1_000
"""Rows read at once while streaming: memory stays constant."""


@dataclass(frozen=True, kw_only=True)
class StoredCheckpoint:
    """A checkpoint as stored; `envelope` is JSON text."""

    size: int
    root: bytes
    envelope: str
    at: datetime


def page(session: Session, *, after: int, limit: int) -> list[StoredCheckpoint]:
    """Return checkpoints of sizes above `after`, the smallest first."""
    query = (
        select(checkpoints)
        .where(checkpoints.c.size > after)
        .order_by(checkpoints.c.size)
        .limit(limit)
    )
    return [StoredCheckpoint(**row) for row in session.execute(query).mappings()]


def stream(session: Session, *, after: int = -1) -> Iterator[StoredCheckpoint]:
    """Stream the stored checkpoints of sizes above `after`, by size."""
    while found := page(session, after=after, limit=_PAGE_ROWS):
        yield from found
        after = found[-1].size


def latest(session: Session) -> StoredCheckpoint | None:
    """Return the checkpoint with the greatest size."""
    query = select(checkpoints).order_by(checkpoints.c.size.desc()).limit(1)
    found = session.execute(query).mappings().first()
    return None if found is None else StoredCheckpoint(**found)


def of_size(session: Session, size: int) -> StoredCheckpoint | None:
    """Return the checkpoint of exactly this size."""
    found = session.execute(select(checkpoints).where(checkpoints.c.size == size))
    row = found.mappings().first()
    return None if row is None else StoredCheckpoint(**row)


def first_covering(session: Session, size: int) -> StoredCheckpoint | None:
    """Return the smallest checkpoint of at least this size."""
    found = page(session, after=size - 1, limit=1)
    return found[0] if found else None


def add(session: Session, checkpoint: StoredCheckpoint) -> None:
    """Store a checkpoint, unless there is one of its size."""
    insert_missing(session, checkpoints, Rows.of([dict(vars(checkpoint))]))
