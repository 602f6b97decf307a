"""Queries on transfers by their instants: of one account, and of all."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, or_, select, union_all
from sqlalchemy.orm import Session

from ledger.domain import Transfer
from ledger.store.journal import transfer_of
from ledger.store.summaries import MOVED
from ledger.store.tables import log_entries, transfers


def lines(
    session: Session,
    code: str,
    *,
    start: datetime | None,
    end: datetime | None,
    after: tuple[datetime, str] | None,
    limit: int,
) -> list[Transfer]:
    """Return what moved an account's money in a period, by instant and identifier.

    Each side is read along its own index and only as far as it is needed.
    """
    sides = [
        _side(column == code, start=start, end=end, after=after)
        .order_by(transfers.c.at, transfers.c.id)
        .limit(limit)
        .subquery()
        for column in (transfers.c.debit, transfers.c.credit)
    ]
    both = union_all(*(select(side) for side in sides)).subquery()
    query = select(both).order_by(both.c.at, both.c.id).limit(limit)
    return [transfer_of(row) for row in session.execute(query).mappings()]


def dated(
    session: Session,
    *,
    number: int,
    before: int | None,
    start: datetime | None,
    end: datetime | None,
    limit: int,
) -> list[tuple[int, Transfer]]:
    """Return transfers of a period, of all accounts, from a number in the log on, in its order."""
    query = (
        select(log_entries.c.number, transfers)
        .join(transfers, log_entries.c.record_id == transfers.c.id)
        .where(log_entries.c.record == "transfer", log_entries.c.number >= number)
        .order_by(log_entries.c.number)
        .limit(limit)
    )
    if before is not None:
        query = query.where(log_entries.c.number < before)
    if start is not None:
        query = query.where(transfers.c.at >= start)
    if end is not None:
        query = query.where(transfers.c.at < end)
    return [(row["number"], transfer_of(row)) for row in session.execute(query).mappings()]


def _side(
    condition: Any,
    *,
    start: datetime | None,
    end: datetime | None,
    after: tuple[datetime, str] | None,
) -> Select[Any]:
    query = select(transfers).where(condition, transfers.c.phase.in_(MOVED))
    if start is not None:
        query = query.where(transfers.c.at >= start)
    if end is not None:
        query = query.where(transfers.c.at < end)
    if after is not None:
        at, transfer_id = after
        later = and_(transfers.c.at == at, transfers.c.id > transfer_id)
        query = query.where(transfers.c.at >= at, or_(transfers.c.at > at, later))
    return query
