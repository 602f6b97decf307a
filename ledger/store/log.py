"""Queries on the log: its head, its entries, and the records that it seals."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any, NamedTuple

from sqlalchemy import String, exists, select, type_coerce
from sqlalchemy.orm import Session

from aem.proof import Frontier
from core.database import UtcDateTime
from ledger.store.bulk import Change, Rows, bytes_text, insert_missing, insert_rows
from ledger.store.tables import RECORDS, log_entries, log_head

_HEAD_ID = 1
_PAGE_ROWS = 1_000
"""Rows read at once while streaming: memory stays constant."""


class Leaf(NamedTuple):
    """An entry of the log, without the row that it seals."""

    number: int
    record: str
    record_id: str
    leaf_hash: bytes


@dataclass(frozen=True, kw_only=True)
class LogEntry:
    """A leaf of the log and the row that it seals, if there is one.

    Attributes:
        row: columns as stored, instants as SQLite's text or as datetimes.
    """

    number: int
    record: str
    record_id: str
    leaf_hash: bytes
    row: Mapping[str, Any] | None


def lock_head(session: Session) -> Frontier:
    """Return the log's frontier, locked until the session ends."""
    frontier = _head(session, for_update=True)
    if frontier is None:
        empty = {"id": _HEAD_ID, "size": 0, "frontier": Frontier().to_json()}
        insert_missing(session, log_head, Rows.of([empty]))
        frontier = _head(session, for_update=True)
    return frontier or Frontier()


def head(session: Session) -> Frontier:
    """Return the log's frontier as of the session's transaction."""
    return _head(session, for_update=False) or Frontier()


def _head(session: Session, *, for_update: bool) -> Frontier | None:
    query = select(log_head.c.frontier).where(log_head.c.id == _HEAD_ID)
    if for_update:
        query = query.with_for_update()
    found = session.execute(query).scalar()
    return None if found is None else Frontier.from_json(found)


def append(session: Session, leaves: Sequence[Leaf], frontier: Frontier) -> None:
    """Write new entries and the frontier after them; the head is locked."""
    head = {"id": _HEAD_ID, "size": frontier.size, "frontier": frontier.to_json()}
    rows = Rows(items=leaves, names=Leaf._fields, values=Leaf._asdict, text=_leaf_text)
    insert_rows(session, log_entries, rows, change=Change(table=log_head, rows=Rows.of([head])))


def _leaf_text(leaf: Leaf) -> str:
    """Write an entry as JSON: there is one for every transfer."""
    number, record, record_id, leaf_hash = leaf
    return (
        f'{{"number":{number},"record":{encode_basestring(record)},'
        f'"record_id":{encode_basestring(record_id)},'
        f'"leaf_hash":{encode_basestring(bytes_text(leaf_hash))}}}'
    )


def entries(session: Session) -> Iterator[LogEntry]:
    """Stream the log in order, each entry with its record's row."""
    for page in pages(session):
        yield from page


def pages(
    session: Session, *, start: int = 0, end: int | None = None
) -> Iterator[Sequence[LogEntry]]:
    """Stream the entries from number `start` up to `end`, a page at a time, never an empty one."""
    after = start - 1
    while page := _page(session, after, end):
        yield page
        after = page[-1].number


def entry_of(session: Session, record: str, record_id: str) -> LogEntry | None:
    """Return the entry that seals a record, with its row."""
    query = select(log_entries).where(
        log_entries.c.record == record, log_entries.c.record_id == record_id
    )
    found = session.execute(query).mappings().first()
    if found is None:
        return None
    rows = _raw_rows(session, record, [record_id])
    return LogEntry(row=rows[0] if rows else None, **found)


def leaf_hashes(session: Session, *, start: int, end: int) -> list[bytes]:
    """Return the hashes of leaves `start` up to `end`, as far as they are there."""
    query = (
        select(log_entries.c.leaf_hash)
        .where(log_entries.c.number >= start, log_entries.c.number < end)
        .order_by(log_entries.c.number)
    )
    return list(session.execute(query).scalars())


def _page(session: Session, after: int, end: int | None) -> list[LogEntry]:
    query = (
        select(log_entries)
        .where(log_entries.c.number > after)
        .order_by(log_entries.c.number)
        .limit(_PAGE_ROWS)
    )
    if end is not None:
        query = query.where(log_entries.c.number < end)
    found = [dict(row) for row in session.execute(query).mappings()]
    rows: dict[tuple[str, str], Mapping[str, Any]] = {}
    for record in RECORDS:
        ids = [entry["record_id"] for entry in found if entry["record"] == record]
        rows |= {(record, row["id"]): row for row in _raw_rows(session, record, ids)}
    return [
        LogEntry(row=rows.get((entry["record"], entry["record_id"])), **entry) for entry in found
    ]


def _raw_rows(session: Session, record: str, ids: list[str]) -> Sequence[Mapping[str, Any]]:
    """Return rows without reading SQLite's texts as instants: a forged one must not stop us."""
    if not ids:
        return []
    table = RECORDS[record]
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    columns = [
        type_coerce(column, String).label(column.name)
        if is_sqlite and isinstance(column.type, UtcDateTime)
        else column
        for column in table.columns
    ]
    query = select(*columns).where(table.c.id.in_(ids))
    return [dict(row) for row in session.execute(query).mappings()]


def first_unsealed(session: Session) -> tuple[str, str] | None:
    """Return name and identifier of a record that has no entry in the log."""
    for record, table in RECORDS.items():
        sealed = exists().where(
            log_entries.c.record == record, log_entries.c.record_id == table.c.id
        )
        found = session.execute(
            select(table.c.id).where(~sealed).order_by(table.c.id).limit(1)
        ).scalar()
        if found is not None:
            return record, found
    return None
