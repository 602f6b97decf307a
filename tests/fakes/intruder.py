"""Somebody who owns the database, and so can switch the guards off."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Table, UniqueConstraint, delete, insert, select, text, update
from sqlalchemy.orm import Session

from aem.proof import Checkpoint, Envelope, GrowingTree, canonical_json
from core.database import metadata
from core.guards import Guard, creation, removal
from ledger.records import record_hash
from ledger.store import log
from ledger.store.tables import APPEND_ONLY, budgets, checkpoints, log_entries, log_head


def guard_of(table: Table) -> Guard:
    """Return the guard that a table's own keys ask for."""
    unique = [c.columns for c in table.constraints if isinstance(c, UniqueConstraint)]
    keys = [tuple(column.name for column in key) for key in (table.primary_key.columns, *unique)]
    return Guard(table=table.name, keys=tuple(sorted(keys)))


GUARDS = [guard_of(table) for table in APPEND_ONLY]


@contextmanager
def unguarded(connection: Connection) -> Iterator[None]:
    """Drop all guards of the ledger, and put them back as if nothing had been."""
    dialect = connection.dialect.name
    for statement in removal(dialect, GUARDS):
        connection.exec_driver_sql(statement)
    yield
    for statement in creation(dialect, GUARDS):
        connection.exec_driver_sql(statement)


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
