"""Sums over the journal and the usage records, and the queries that keep and read them.

The sums are no authority: they are made from sealed records, and can be made again from them.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    Index,
    Integer,
    Select,
    String,
    Table,
    and_,
    func,
    insert,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import RowMapping
from sqlalchemy.orm import Session

from core.database import UtcDateTime, metadata
from ledger.domain import Phase
from ledger.store import bulk
from ledger.store.tables import (
    CODE,
    DAY,
    NAME,
    RECORDS,
    REFERENCE,
    WORD,
    accounts,
    log_entries,
    transfers,
    usage,
)

MOVED = (Phase.POSTED.value, Phase.POST.value)
"""Phases of transfers that move money; the others set it aside or free it."""

Rows = Sequence[Any]
"""Of a query, each with the columns that its function names, in that order."""

_PROGRESS_ID = 1
_PAGE_ROWS = 1_000

progress = Table(
    "ledger_summary_progress",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="single"),
)

account_sums = Table(
    "ledger_account_sums",
    metadata,
    Column("span", String(4), primary_key=True),  # day or hour, in UTC
    Column("account", CODE, primary_key=True),
    Column("start", UtcDateTime, primary_key=True),
    Column("prefix", WORD, nullable=False),
    Column("debits", BigInteger, nullable=False),
    Column("credits", BigInteger, nullable=False),
    Index("ix_ledger_account_sums_start", "span", "start"),
    sqlite_with_rowid=False,
)

log_hours = Table(
    "ledger_log_hours",
    metadata,
    Column("start", UtcDateTime, primary_key=True),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

USAGE_KEYS = ("day", "owner", "resource", "unit", "provider", "budget")
USAGE_SUMS = ("records", "quantity", "cost_nusd", "burn_utok", "charge_utok")

usage_sums = Table(
    "ledger_usage_sums",
    metadata,
    Column("day", DAY, primary_key=True),  # in the operator's time zone
    Column("owner", NAME, primary_key=True),
    Column("resource", REFERENCE, primary_key=True),
    Column("unit", WORD, primary_key=True),
    Column("provider", NAME, primary_key=True),
    Column("budget", NAME, primary_key=True),
    *(Column(name, BigInteger, nullable=False) for name in USAGE_SUMS),
    sqlite_with_rowid=False,
)


def folded(session: Session) -> int:
    """Return how many records of the log the sums hold: all before this number."""
    return session.execute(select(progress.c.number)).scalar() or 0


def lock_progress(session: Session) -> int:
    """Return the same, locked until the session ends."""
    first = bulk.Rows.of([{"id": _PROGRESS_ID, "number": 0}])
    bulk.insert_missing(session, progress, first)
    session.execute(update(progress).values(number=progress.c.number))
    return folded(session)


def save_progress(session: Session, number: int) -> None:
    """Write how many records the sums hold now."""
    session.execute(update(progress).values(number=number))


def moved_between(session: Session, start: int, end: int | None) -> Rows:
    """Return number, instant, accounts and amount of what records `start` up to `end` moved."""
    return [
        (number, row["at"], row["debit"], row["credit"], row["amount"])
        for number, row in sealed(session, transfers, start, end)
        if row["phase"] in MOVED
    ]


def used_between(session: Session, start: int, end: int | None) -> Rows:
    """Return number, instant, keys but the day, and figures of usage records of a stretch."""
    names = (*USAGE_KEYS[1:], *USAGE_SUMS[1:])
    return [
        (number, row["at"], *(row[name] for name in names))
        for number, row in sealed(session, usage, start, end)
    ]


def sealed(
    session: Session, table: Table, start: int, end: int | None
) -> Iterator[tuple[int, RowMapping]]:
    """Yield numbers and rows of a table's records `start` up to `end`, in the order of the log.

    The log is read first, by its numbers alone, then its rows by their keys, a page at a time:
    else each database's planner may guess that sorting all records of the kind is quicker.
    """
    (record,) = (name for name, one in RECORDS.items() if one is table)
    number = log_entries.c.number
    query = (
        select(number, log_entries.c.record, log_entries.c.record_id)
        .order_by(number)
        .limit(_PAGE_ROWS)
    )
    if end is not None:
        query = query.where(number < end)
    while page := session.execute(query.where(number >= start)).all():
        ids = [entry.record_id for entry in page if entry.record == record]
        found = session.execute(select(table).where(table.c.id.in_(ids))).mappings()
        rows = {row["id"]: row for row in found}
        for entry in page:  # a record that someone took away is the audit's to name
            if entry.record == record and entry.record_id in rows:
                yield entry.number, rows[entry.record_id]
        start = page[-1].number + 1


def add_account_sums(session: Session, rows: list[dict[str, Any]]) -> None:
    """Add turnovers to those that are there."""
    _add(session, account_sums, rows, ("debits", "credits"))


def add_usage_sums(session: Session, rows: list[dict[str, Any]]) -> None:
    """Add usage to what is there."""
    _add(session, usage_sums, rows, USAGE_SUMS)


def widen_hours(session: Session, rows: list[dict[str, Any]]) -> None:
    """Note in which stretch of the log each hour's records are; stretches only grow."""
    if not rows:
        return
    starts = [row["start"] for row in rows]
    query = select(log_hours).where(log_hours.c.start.in_(starts))
    known = {row.start: row for row in session.execute(query)}
    new = [row for row in rows if row["start"] not in known]
    if new:
        session.execute(insert(log_hours), new)
    for row in rows:
        if row["start"] in known:
            session.execute(
                update(log_hours)
                .where(log_hours.c.start == row["start"])
                .values(
                    first=min(row["first"], known[row["start"]].first),
                    last=max(row["last"], known[row["start"]].last),
                )
            )


def _add(session: Session, table: Table, rows: list[dict[str, Any]], names: Iterable[str]) -> None:
    if not rows:
        return
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    statement = sqlite_insert(table) if is_sqlite else postgresql_insert(table)
    added = {name: table.c[name] + statement.excluded[name] for name in names}
    keys = [column.name for column in table.primary_key.columns]
    session.connection().execute(
        statement.on_conflict_do_update(index_elements=keys, set_=added), rows
    )


def spans(
    session: Session,
    *,
    day: datetime | None,
    hour: datetime | None,
    codes: Sequence[str] | None = None,
    prefixes: Sequence[str] | None = None,
    by_class: bool = False,
) -> Rows:
    """Return account, debits and credits of whole days before `day` and hours of it before `hour`.

    Without a day, of all days. By class, with the prefix that the accounts share for account.
    """
    sums = account_sums.c
    group = sums.prefix if by_class else sums.account
    whole = sums.span == "day"
    parts = [whole if day is None else and_(whole, sums.start < day)]
    if day is not None and hour is not None:
        parts.append(and_(sums.span == "hour", sums.start >= day, sums.start < hour))
    queries = [
        select(group, func.sum(sums.debits), func.sum(sums.credits))
        .where(part, *_chosen(codes, prefixes))
        .group_by(group)
        for part in parts
    ]
    return session.execute(union_all(*queries)).all()


def hourly(session: Session, *, codes: Sequence[str], start: datetime, end: datetime) -> Rows:
    """Return hour, debits and credits of accounts together, of hours that begin in a window."""
    sums = account_sums.c
    query = (
        select(sums.start, func.sum(sums.debits), func.sum(sums.credits))
        .where(
            sums.span == "hour",
            sums.account.in_(codes),
            sums.start >= start,
            sums.start < end,
        )
        .group_by(sums.start)
        .order_by(sums.start)
    )
    return session.execute(query).all()


def _chosen(
    codes: Sequence[str] | None, prefixes: Sequence[str] | None
) -> Iterable[ColumnElement[bool]]:
    if codes is not None:
        yield account_sums.c.account.in_(codes)
    if prefixes is not None:
        yield account_sums.c.prefix.in_(prefixes)


def codes_of_class(session: Session, prefix: str) -> list[str]:
    """Return the codes of all accounts of a class that has names."""
    query = select(accounts.c.code).where(
        accounts.c.code.startswith(f"{prefix}:", autoescape=True)
    )
    return list(session.execute(query.order_by(accounts.c.code)).scalars())


def moved_of(session: Session, *, codes: Sequence[str], start: datetime, end: datetime) -> Rows:
    """Return debit, credit and amount of what moved between two instants and touched accounts."""
    dated = and_(transfers.c.at >= start, transfers.c.at < end, transfers.c.phase.in_(MOVED))
    columns = (transfers.c.id, transfers.c.debit, transfers.c.credit, transfers.c.amount)
    sides = [
        select(*columns).where(side.in_(codes), dated)
        for side in (transfers.c.debit, transfers.c.credit)
    ]
    found = {row.id: row for side in sides for row in session.execute(side)}
    return [(row.debit, row.credit, row.amount) for row in found.values()]


def moved_in_hour(session: Session, *, hour: datetime, end: datetime, known: int) -> Rows:
    """Return debit, credit and amount of what moved from an hour's beginning up to an instant.

    Args:
        session: the caller's transaction.
        hour: where it begins.
        end: up to when, within the hour.
        known: records that `log_hours` is about; all later ones are looked at.
    """
    stretch = session.execute(select(log_hours).where(log_hours.c.start == hour)).first()
    stretches = (
        [(known, None)] if stretch is None else [(stretch.first, stretch.last + 1), (known, None)]
    )
    return [
        (debit, credit, amount)
        for first, last in stretches
        for _, at, debit, credit, amount in moved_between(session, first, last)
        if hour <= at < end
    ]


def hours_stretch(
    session: Session, *, start: datetime | None, end: datetime | None
) -> tuple[int, int] | None:
    """Return the stretch of the log that holds the records of a window's hours; None if none.

    Of what moved money and of usage, folded alone; an hour is of the window that it begins in.
    """
    query = select(func.min(log_hours.c.first), func.max(log_hours.c.last))
    if start is not None:
        query = query.where(log_hours.c.start >= start)
    if end is not None:
        query = query.where(log_hours.c.start < end)
    first, last = session.execute(query).one()
    return None if first is None else (first, last + 1)


def usage_by(
    session: Session,
    *,
    keys: Sequence[str],
    start: str,
    end: str,
    filters: dict[str, str],
) -> Rows:
    """Return usage of days `start` up to `end`, summed by some of `USAGE_KEYS`."""
    columns = usage_sums.c
    query: Select[Any] = select(
        *(columns[key] for key in keys),
        *(func.sum(columns[name]).label(name) for name in USAGE_SUMS),
    ).where(columns.day >= start, columns.day < end)
    for name, value in filters.items():
        query = query.where(columns[name] == value)
    return session.execute(query.group_by(*(columns[key] for key in keys))).all()
