"""What audits the service carried out by itself. No evidence: whoever writes rows writes these."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, Integer, Table, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.orm import Session

from core.database import UtcDateTime, metadata
from ledger.store.bulk import Rows, insert_missing

audits = Table(
    "ledger_audits",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("is_full", Boolean, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("size", BigInteger),
    Column("signed_size", BigInteger),
    Column("verified", Boolean),
    Column("report", JSON(none_as_null=True)),
    Column("started_at", UtcDateTime, nullable=False),
    Column("renewed_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
)


def newest(session: Session, *, before: int | None = None, limit: int = 1) -> Sequence[RowMapping]:
    """Return audits, the newest first, of numbers below `before`."""
    query = select(audits).order_by(audits.c.number.desc()).limit(limit)
    if before is not None:
        query = query.where(audits.c.number < before)
    return session.execute(query).mappings().all()


def last_ended(session: Session, *, is_full: bool | None = None) -> RowMapping | None:
    """Return the newest audit that came to its end, of those of the whole ledger or of all."""
    query = select(audits).where(audits.c.ended_at.is_not(None))
    if is_full is not None:
        query = query.where(audits.c.is_full == is_full)
    return session.execute(query.order_by(audits.c.number.desc()).limit(1)).mappings().first()


def add(session: Session, row: dict[str, Any]) -> bool:
    """Write an audit that begins; tell whether its number was free."""
    return bool(insert_missing(session, audits, Rows.of([row])))


def renew(session: Session, number: int, *, at: datetime) -> None:
    """Write that an audit goes on."""
    session.execute(update(audits).where(audits.c.number == number).values(renewed_at=at))


def end(session: Session, number: int, **values: Any) -> None:
    """Write what an audit found."""
    session.execute(update(audits).where(audits.c.number == number).values(**values))
