"""The outbox of alerts: what is to be told, and how far the telling got."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    select,
    update,
)
from sqlalchemy.engine import RowMapping
from sqlalchemy.orm import Session

from core.database import UtcDateTime, metadata
from ledger.store.bulk import Rows, insert_missing, insert_rows
from ledger.store.tables import ID, REFERENCE, WORD

alerts = Table(
    "ledger_alerts",
    metadata,
    Column("id", ID, primary_key=True),
    Column("kind", WORD, nullable=False),
    Column("subject", REFERENCE, nullable=False),
    Column("data", JSON, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index("ix_ledger_alerts_at", "at", "id"),
)

deliveries = Table(
    "ledger_alert_deliveries",
    metadata,
    Column("id", ID, primary_key=True),
    Column("alert_id", ID, ForeignKey(alerts.c.id), nullable=False, index=True),
    Column("destination", WORD, nullable=False),
    Column("status", WORD, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("answer", String(100), nullable=False),
    Index("ix_ledger_alert_deliveries_due", "status", "next_at"),
)


def add(session: Session, row: dict[str, Any], deliveries_: list[dict[str, Any]]) -> bool:
    """Write an alert with its deliveries, unless it is there; tell whether it is new."""
    if not insert_missing(session, alerts, Rows.of([row])):
        return False
    if deliveries_:
        insert_rows(session, deliveries, Rows.of(deliveries_))
    return True


def newest(
    session: Session, *, after: tuple[datetime, str] | None, limit: int
) -> Sequence[RowMapping]:
    """Return alerts, the newest first."""
    query = select(alerts).order_by(alerts.c.at.desc(), alerts.c.id.desc()).limit(limit)
    if after is not None:
        at, alert_id = after
        query = query.where((alerts.c.at < at) | ((alerts.c.at == at) & (alerts.c.id < alert_id)))
    return session.execute(query).mappings().all()


def deliveries_of(session: Session, alert_ids: Sequence[str]) -> Sequence[RowMapping]:
    """Return the deliveries of alerts, by destination."""
    query = (
        select(deliveries)
        .where(deliveries.c.alert_id.in_(alert_ids))
        .order_by(deliveries.c.destination)
    )
    return session.execute(query).mappings().all()


def is_due(session: Session, *, destinations: Sequence[str], now: datetime) -> bool:
    """Whether a delivery waits no longer."""
    query = select(deliveries.c.id).where(*_due(destinations, now)).limit(1)
    return session.execute(query).scalar() is not None


def _due(destinations: Sequence[str], now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        deliveries.c.status == "waiting",
        deliveries.c.next_at <= now,
        deliveries.c.destination.in_(destinations),
    )


def claim(
    session: Session,
    *,
    destinations: Sequence[str],
    now: datetime,
    until: datetime,
    limit: int,
) -> Sequence[RowMapping]:
    """Take deliveries that are due, so that no other process tries them until `until`."""
    due = (
        select(deliveries.c.id)
        .where(*_due(destinations, now))
        .order_by(deliveries.c.next_at, deliveries.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = list(session.execute(due).scalars())
    session.execute(
        update(deliveries)
        .where(deliveries.c.id.in_(ids))
        .values(next_at=until, tries=deliveries.c.tries + 1)
    )
    query = (
        select(
            deliveries.c.id.label("delivery_id"),
            deliveries.c.destination,
            deliveries.c.tries,
            alerts,
        )
        .join(alerts, alerts.c.id == deliveries.c.alert_id)
        .where(deliveries.c.id.in_(ids))
        .order_by(alerts.c.at, deliveries.c.id)
    )
    return session.execute(query).mappings().all()


def save(session: Session, delivery_id: str, **values: Any) -> None:
    """Write how a try ended."""
    session.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(**values))
