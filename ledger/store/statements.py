"""Queries on records of one account or owner, by their instants and then in the order of the log.

A busy account has hundreds of thousands of transfers. They are read along an index by instant, and
only as far as a page needs: the order of the log by itself would need all of them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, select
from sqlalchemy.orm import Session

from ledger.domain import Transfer
from ledger.store.journal import transfer_of
from ledger.store.metering import usage_of
from ledger.store.summaries import MOVED
from ledger.store.tables import RECORDS, log_entries, transfers, usage
from ledger.usage import UsageRecord

Place = tuple[datetime, int]
"""An instant, and a number in the log: where a page ended."""


def of_account(
    session: Session,
    code: str,
    *,
    after: Place | None,
    limit: int,
    start: datetime | None = None,
    end: datetime | None = None,
    moves_money: bool = False,
    is_newest_first: bool = False,
) -> list[tuple[int, Transfer]]:
    """Return committed transfers that touch an account, with their numbers in the log.

    Args:
        session: the caller's transaction.
        code: the account's.
        after: where the page before ended.
        limit: of rows.
        start: the first instant.
        end: the first instant that is left out.
        moves_money: whether holds and what frees them are left out.
        is_newest_first: whether it is read backwards.
    """
    kinds = [transfers.c.phase.in_(MOVED)] if moves_money else []
    sides = [(transfers.c.debit == code, *kinds), (transfers.c.credit == code, *kinds)]
    period = []
    if start is not None:
        period.append(transfers.c.at >= start)
    if end is not None:
        period.append(transfers.c.at < end)
    found = _page(
        session,
        transfers,
        sides,
        period,
        after=after,
        limit=limit,
        is_newest_first=is_newest_first,
    )
    return [(number, transfer_of(row._mapping)) for number, row in found]  # noqa: SLF001 - its API


def of_owner(
    session: Session, owner: str, *, after: Place | None, limit: int
) -> list[tuple[int, UsageRecord]]:
    """Return committed usage records of an owner, with their numbers in the log."""
    found = _page(session, usage, [(usage.c.owner == owner,)], [], after=after, limit=limit)
    return [(number, usage_of(row._mapping)) for number, row in found]  # noqa: SLF001


def _page(
    session: Session,
    table: Table,
    sides: Sequence[Sequence[ColumnElement[bool]]],
    period: Sequence[ColumnElement[bool]],
    *,
    after: Place | None,
    limit: int,
    is_newest_first: bool = False,
) -> list[tuple[int, Row[Any]]]:
    """Read on from a place: what is of its instant, what follows, and all of the last instant.

    Of one instant is asked without the period, which it is in: SQLite would walk the period.
    """
    at = table.c.at
    rows: dict[str, Row[Any]] = {}
    follows: list[ColumnElement[bool]] = []
    if after is not None:
        rows |= _rows(session, table, sides, [at == after[0]])
        follows = [at < after[0] if is_newest_first else at > after[0]]
    order = at.desc() if is_newest_first else at
    found = [
        row
        for side in sides
        for row in session.execute(
            select(table).where(*side, *period, *follows).order_by(order).limit(limit)
        )
    ]
    found = sorted(found, key=lambda row: row.at, reverse=is_newest_first)[:limit]
    rows |= {row.id: row for row in found}
    if found:
        rows |= _rows(session, table, sides, [at == found[-1].at])
    sign = -1 if is_newest_first else 1
    placed = [(row.at, number, row) for number, row in _numbered(session, table, rows)]
    placed.sort(key=lambda item: item[:2], reverse=is_newest_first)
    if after is not None:
        placed = [
            item for item in placed if item[0] != after[0] or sign * item[1] > sign * after[1]
        ]
    return [(number, row) for _, number, row in placed[:limit]]


def _rows(
    session: Session,
    table: Table,
    sides: Sequence[Sequence[ColumnElement[bool]]],
    more: Sequence[ColumnElement[bool]],
) -> dict[str, Row[Any]]:
    return {
        row.id: row for side in sides for row in session.execute(select(table).where(*side, *more))
    }


def _numbered(
    session: Session, table: Table, rows: dict[str, Row[Any]]
) -> list[tuple[int, Row[Any]]]:
    """Return rows with their numbers in the log; what it does not hold is the audit's to name."""
    (record,) = (name for name, one in RECORDS.items() if one is table)
    query = select(log_entries.c.record_id, log_entries.c.number).where(
        log_entries.c.record == record, log_entries.c.record_id.in_(list(rows))
    )
    return [(number, rows[record_id]) for record_id, number in session.execute(query)]
