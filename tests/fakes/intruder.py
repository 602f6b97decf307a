"""Somebody who owns the database, and so can switch the guards off."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Table, delete, insert, select, text, update
from sqlalchemy.orm import Session

from aem.proof import Checkpoint, Envelope, GrowingTree, canonical_json
from core.database import metadata
from ledger.records import record_hash
from ledger.store import log
from ledger.store.tables import budgets, checkpoints, log_entries, log_head

_TRIGGERS = {
    "sqlite": (
        "SELECT name, tbl_name, sql FROM sqlite_master"
        " WHERE type = 'trigger' AND tbl_name LIKE 'ledger_%'"
    ),
    "postgresql": (
        "SELECT tgname, relname, pg_get_triggerdef(pg_trigger.oid) FROM pg_trigger"
        " JOIN pg_class ON pg_class.oid = tgrelid"
        " WHERE NOT tgisinternal AND relname LIKE 'ledger_%%'"
    ),
}


@contextmanager
def unguarded(connection: Connection) -> Iterator[None]:
    """Drop all guards of the ledger, and put them back as if nothing had been."""
    dialect = connection.dialect.name
    place = " ON {table}" if dialect == "postgresql" else ""
    guards = connection.exec_driver_sql(_TRIGGERS[dialect]).all()
    assert guards
    for name, table, _ in guards:
        connection.exec_driver_sql(f"DROP TRIGGER {name}" + place.format(table=table))
    yield
    for _, _, definition in guards:
        connection.exec_driver_sql(definition)


def wipe(session: Session) -> None:
    """Take all rows of the ledger away, as if nothing had ever been."""
    connection = session.connection()
    tables = [table for table in metadata.sorted_tables if table.name.startswith("ledger_")]
    if connection.dialect.name == "postgresql":  # for this transaction, no trigger fires
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for table in tables:
            connection.execute(delete(table))
        return
    with unguarded(connection):
        for table in reversed(tables):
            connection.execute(delete(table))


def tamper(connection: Connection, *statements: str) -> None:
    """Change rows of the ledger behind its back; every statement must hit something."""
    with unguarded(connection):
        for statement in statements:
            assert connection.execute(text(statement)).rowcount > 0


def reseal(session: Session) -> None:
    """Make every leaf and the head those of the rows as they are now: the chain rewritten."""
    tree = GrowingTree()
    for entry in list(log.entries(session)):
        assert entry.row is not None
        leaf = record_hash(entry.record, entry.row)
        tree.append(leaf)
        session.execute(
            update(log_entries)
            .where(log_entries.c.number == entry.number)
            .values(leaf_hash=leaf, number=tree.size - 1)
        )
    head = tree.frontier()
    session.execute(update(log_head).values(size=head.size, frontier=head.to_json()))


def resign(session: Session, sign: Callable[[Checkpoint], Envelope]) -> None:
    """Sign every stored checkpoint anew over the log as it is now: what the key's thief can."""
    stored = {row.size: row for row in session.execute(select(checkpoints)).all()}
    tree = GrowingTree()
    for entry in log.entries(session):
        tree.append(entry.leaf_hash)
        if tree.size in stored:
            old = Checkpoint.from_payload(
                Envelope.from_json(json.loads(stored[tree.size].envelope)).payload
            )
            new = Checkpoint(origin=old.origin, size=old.size, root=tree.root(), at=old.at)
            values = {
                "root": new.root,
                "envelope": canonical_json(sign(new).to_json()).decode(),
            }
            session.execute(
                update(checkpoints).where(checkpoints.c.size == new.size).values(values)
            )


def backup(session: Session) -> Mapping[Table, list[dict[str, Any]]]:
    """Return all rows of the ledger; the tree of budgets, which is no money, stays."""
    tables = [
        table
        for table in metadata.sorted_tables
        if table.name.startswith("ledger_") and table is not budgets
    ]
    return {
        table: [dict(row) for row in session.execute(select(table)).mappings()] for table in tables
    }


def restore(session: Session, rows: Mapping[Table, list[dict[str, Any]]]) -> None:
    """Put the ledger back to what it was at a backup."""
    for table in reversed(list(rows)):
        session.execute(delete(table))
    for table, kept in rows.items():
        if kept:
            session.execute(insert(table), kept)
