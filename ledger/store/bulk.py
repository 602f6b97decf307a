"""Many rows in one statement.

PostgreSQL gets them as one JSON parameter, which it unfolds itself: one statement to prepare,
whatever the number of rows, and no cost for each value in the driver. Those statements are put
into words once and handed to the driver as they are. SQLite is in the same process: there, the
driver's loop over rows is the fastest.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

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

_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, kw_only=True)
class Change:
    """New values of rows that exist, by primary key; all have the same columns."""

    table: Table
    rows: Sequence[Values]


def insert_rows(
    session: Session,
    table: Table,
    rows: Sequence[Values],
    *,
    texts: Sequence[str] | None = None,
    change: Change | None = None,
) -> None:
    """Insert rows that all have the same columns, and change others with the same statement.

    `texts` are the rows as JSON, where that was written already.
    """
    changed = change if change is not None and change.rows else None
    if not _is_sqlite(session):
        words = _insertion(table, tuple(rows[0]), *_shape(changed))
        given = {"rows": _unfoldable(rows) if texts is None else f"[{','.join(texts)}]"}
        if changed:
            given["changed"] = _unfoldable(changed.rows)
        session.connection().exec_driver_sql(words, given)
        return
    if changed:
        update_rows(session, changed)
    session.execute(insert(table), rows)


def insert_missing(session: Session, table: Table, rows: Sequence[Values]) -> list[Any]:
    """Insert those rows whose primary key is new; return the keys of the inserted ones.

    Waits for a transaction that inserts the same key and is not yet committed.
    """
    if not _is_sqlite(session):
        found = _execute(session, _missing_insertion(table, tuple(rows[0])), rows)
        return list(found.scalars())
    (key,) = table.primary_key.columns
    statement = sqlite_insert(table).on_conflict_do_nothing().returning(key)
    return list(session.execute(statement, rows).scalars())


def update_rows(session: Session, change: Change) -> None:
    """Set the given columns of the rows with the given primary keys."""
    table, rows = change.table, change.rows
    if not _is_sqlite(session):
        _execute(session, _words(_updating(table, tuple(rows[0]), "rows")), rows)
        return
    (key,) = table.primary_key.columns
    names = [name for name in rows[0] if name != key.name]
    statement = (
        update(table)
        .where(key == bindparam("which"))
        .values({name: bindparam(f"new_{name}") for name in names})
    )
    renamed = [
        {"which": row[key.name], **{f"new_{name}": row[name] for name in names}} for row in rows
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


def _execute(session: Session, words: str, rows: Sequence[Values]) -> CursorResult[Any]:
    return session.connection().exec_driver_sql(words, {"rows": _unfoldable(rows)})


def _words(statement: ClauseElement) -> str:
    return str(statement.compile(dialect=_DIALECT))


def _shape(change: Change | None) -> tuple[Table, tuple[str, ...]] | tuple[None, tuple[()]]:
    return (None, ()) if change is None else (change.table, tuple(change.rows[0]))


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


def _unfoldable(rows: Sequence[Values]) -> str:
    return json.dumps(rows, default=_json_value, ensure_ascii=False)


def _json_value(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return "\\x" + value.hex()  # PostgreSQL's notation of bytes
    raise TypeError(f"a {type(value).__name__} is no value of a column")
