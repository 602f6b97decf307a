"""Many rows in one statement.

PostgreSQL gets them as one JSON parameter, which it unfolds itself: one statement to prepare,
whatever the number of rows, and no cost for each value in the driver. SQLite is in the same
process: there, the driver's loop over rows is the fastest.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    ColumnElement,
    Select,
    String,
    Table,
    TableValuedAlias,
    Text,
    any_,
    bindparam,
    cast,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session
from sqlalchemy.sql import Executable

Row = dict[str, Any]


def insert_rows(session: Session, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows that all have the same columns."""
    if _is_sqlite(session):
        session.execute(insert(table), rows)
        return
    session.execute(_insertion(table, tuple(rows[0])), {"rows": _unfoldable(rows)})


def insert_missing(session: Session, table: Table, rows: Sequence[Row]) -> list[Any]:
    """Insert those rows whose primary key is new; return the keys of the inserted ones.

    Waits for a transaction that inserts the same key and is not yet committed.
    """
    if _is_sqlite(session):
        (key,) = table.primary_key.columns
        missing = sqlite_insert(table).on_conflict_do_nothing().returning(key)
        return list(session.execute(missing, rows).scalars())
    unfolding = _missing_insertion(table, tuple(rows[0]))
    return list(session.execute(unfolding, {"rows": _unfoldable(rows)}).scalars())


def update_rows(session: Session, table: Table, rows: Sequence[Row]) -> None:
    """Set the given columns of the rows with the given primary keys."""
    if _is_sqlite(session):
        (key,) = table.primary_key.columns
        names = [name for name in rows[0] if name != key.name]
        statement = (
            update(table)
            .where(key == bindparam("which"))
            .values({name: bindparam(f"new_{name}") for name in names})
        )
        renamed = [
            {"which": row[key.name], **{f"new_{name}": row[name] for name in names}}
            for row in rows
        ]
        session.connection().execute(statement, renamed)
        return
    session.connection().execute(_updating(table, tuple(rows[0])), {"rows": _unfoldable(rows)})


def any_of(session: Session, column: Column[str], values: Sequence[str]) -> ColumnElement[bool]:
    """Tell whether a column has one of the values: as one array where there are arrays."""
    if _is_sqlite(session):
        return column.in_(values)
    return column == any_(literal(list(values), ARRAY(String)))


def _is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"


@cache
def _insertion(table: Table, names: tuple[str, ...]) -> Executable:
    return insert(table).from_select(names, _selection(table, names))


@cache
def _missing_insertion(table: Table, names: tuple[str, ...]) -> Executable:
    (key,) = table.primary_key.columns
    statement = postgresql_insert(table).from_select(names, _selection(table, names))
    return statement.on_conflict_do_nothing().returning(key)


@cache
def _updating(table: Table, names: tuple[str, ...]) -> Executable:
    (key,) = table.primary_key.columns
    rows = _rows(table, names)
    new = {name: rows.c[name] for name in names if name != key.name}
    return update(table).where(key == rows.c[key.name]).values(new)


def _selection(table: Table, names: tuple[str, ...]) -> Select[Any]:
    return select(*_rows(table, names).c)


def _rows(table: Table, names: tuple[str, ...]) -> TableValuedAlias:
    columns = [Column(name, table.c[name].type) for name in names]
    parameter = cast(bindparam("rows", type_=Text), JSON)
    unfolded = func.json_to_recordset(parameter).table_valued(*columns, name="given")
    return unfolded.render_derived(with_types=True)


def _unfoldable(rows: Sequence[Row]) -> str:
    return json.dumps(rows, default=_json_value, ensure_ascii=False)


def _json_value(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return "\\x" + value.hex()  # PostgreSQL's notation of bytes
    raise TypeError(f"a {type(value).__name__} is no value of a column")
