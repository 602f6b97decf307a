"""Many rows in one statement.

PostgreSQL gets them as one JSON parameter, which it unfolds itself: one statement to prepare,
whatever the number of rows, and no cost for each value in the driver. Those statements are put
into words once and handed to the driver as they are. SQLite is in the same process: there, the
driver's loop over rows is the fastest.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Generic, TypeVar

from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    Row,
    Table,
    TableValuedAlias,
    Text,
    bindparam,
    cast,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session
from sqlalchemy.sql import ClauseElement

Values = dict[str, Any]
Item = TypeVar("Item")

_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, kw_only=True)
class Rows(Generic[Item]):
    """Rows to be, each written in the one form that the database takes.

    Attributes:
        items: one for each row; at least one.
        names: of the columns that all of the rows have.
        values: an item's columns.
        text: an item's columns as a JSON object.
    """

    items: Sequence[Item]
    names: tuple[str, ...]
    values: Callable[[Item], Values]
    text: Callable[[Item], str]

    @classmethod
    def of(cls, rows: Sequence[Values]) -> "Rows[Values]":
        """Take rows as they are."""
        return Rows(items=rows, names=tuple(rows[0]), values=dict, text=_text)

    def all_values(self) -> list[Values]:
        """Return all rows as columns."""
        return [self.values(item) for item in self.items]

    def all_text(self) -> str:
        """Return all rows as one JSON array."""
        return f"[{','.join([self.text(item) for item in self.items])}]"


@dataclass(frozen=True, kw_only=True)
class Change:
    """New values of rows that exist, by primary key."""

    table: Table
    rows: Rows[Any]


def insert_rows(
    session: Session, table: Table, rows: Rows[Any], *, change: Change | None = None
) -> None:
    """Insert rows, and change others with the same statement."""
    if not _is_sqlite(session):
        words = _insertion(table, rows.names, *_shape(change))
        given = {"rows": rows.all_text()}
        if change is not None:
            given["changed"] = change.rows.all_text()
        session.connection().exec_driver_sql(words, given)
        return
    if change is not None:
        update_rows(session, change)
    session.execute(insert(table), rows.all_values())


def insert_missing(session: Session, table: Table, rows: Rows[Any]) -> list[Any]:
    """Insert those rows whose primary key is new; return the keys of the inserted ones.

    Waits for a transaction that inserts the same key and is not yet committed.
    """
    if not _is_sqlite(session):
        found = _execute(session, _missing_insertion(table, rows.names), rows)
        return list(found.scalars())
    (key,) = table.primary_key.columns
    statement = sqlite_insert(table).on_conflict_do_nothing().returning(key)
    return list(session.execute(statement, rows.all_values()).scalars())


def update_rows(session: Session, change: Change) -> None:
    """Set the given columns of the rows with the given primary keys."""
    table, rows = change.table, change.rows
    if not _is_sqlite(session):
        _execute(session, _words(_updating(table, rows.names, "rows")), rows)
        return
    (key,) = table.primary_key.columns
    names = [name for name in rows.names if name != key.name]
    statement = (
        update(table)
        .where(key == bindparam("which"))
        .values({name: bindparam(f"new_{name}") for name in names})
    )
    renamed = [
        {"which": row[key.name], **{f"new_{name}": row[name] for name in names}}
        for row in rows.all_values()
    ]
    session.connection().execute(statement, renamed)


def lock_rows(session: Session, table: Table, keys: Sequence[str]) -> Sequence[Row[Any]]:
    """Lock the rows with these primary keys in their order; none of them if one is missing.

    Returns:
        All columns of the rows.
    """
    if _is_sqlite(session):  # locked whole, since the transaction's first write
        (key,) = table.primary_key.columns
        return session.execute(select(table).where(key.in_(keys)).order_by(key)).all()
    return session.connection().exec_driver_sql(_locking(table), {"keys": list(keys)}).all()


def _is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"


def _execute(session: Session, words: str, rows: Rows[Any]) -> CursorResult[Any]:
    return session.connection().exec_driver_sql(words, {"rows": rows.all_text()})


def _words(statement: ClauseElement) -> str:
    return str(statement.compile(dialect=_DIALECT))


def _shape(change: Change | None) -> tuple[Table, tuple[str, ...]] | tuple[None, tuple[()]]:
    return (None, ()) if change is None else (change.table, change.rows.names)


@cache
def _insertion(
    table: Table, names: tuple[str, ...], changed: Table | None, changed_names: tuple[str, ...]
) -> str:
    given = _rows(table, names, "rows")
    statement = insert(table).from_select(names, select(*given.c))
    if changed is not None:
        statement = statement.add_cte(_updating(changed, changed_names, "changed").cte("changing"))
    return _words(statement)


@cache
def _missing_insertion(table: Table, names: tuple[str, ...]) -> str:
    (key,) = table.primary_key.columns
    given = _rows(table, names, "rows")
    statement = postgresql_insert(table).from_select(names, select(*given.c))
    return _words(statement.on_conflict_do_nothing().returning(key))


@cache
def _updating(table: Table, names: tuple[str, ...], parameter: str) -> Any:
    (key,) = table.primary_key.columns
    given = _rows(table, names, parameter)
    new = {name: given.c[name] for name in names if name != key.name}
    return update(table).where(key == given.c[key.name]).values(new)


@cache
def _locking(table: Table) -> str:
    """Join with the keys: their number is unknown when the statement is planned."""
    (key,) = table.primary_key.columns
    keys = bindparam("keys", type_=ARRAY(Text))
    wanted = func.unnest(keys).table_valued("key", name="wanted").render_derived()
    same = table.alias("same")
    is_same = same.c[key.name] == wanted.c.key
    present = select(func.count()).select_from(same.join(wanted, is_same)).scalar_subquery()
    locked = select(table).join_from(wanted, table, key == wanted.c.key)
    locked = locked.where(present == func.cardinality(keys)).order_by(key)
    return _words(locked.with_for_update(of=table))


def _rows(table: Table, names: tuple[str, ...], parameter: str) -> TableValuedAlias:
    columns = [Column(name, table.c[name].type) for name in names]
    value = cast(bindparam(parameter, type_=Text), JSON)
    unfolded = func.json_to_recordset(value).table_valued(*columns, name=f"given_{parameter}")
    return unfolded.render_derived(with_types=True)


def _text(row: Values) -> str:
    return json.dumps(row, default=_json_value, ensure_ascii=False)


def _json_value(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return bytes_text(value)
    raise TypeError(f"a {type(value).__name__} is no value of a column")


def bytes_text(value: bytes) -> str:
    """Write bytes in PostgreSQL's notation."""
    return "\\x" + value.hex()
