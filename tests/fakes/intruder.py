"""Somebody who owns the database, and so can switch the guards off."""

from sqlalchemy import Connection, Table, UniqueConstraint, text

from core.guards import Guard, creation, removal
from ledger.store.tables import APPEND_ONLY


def guard_of(table: Table) -> Guard:
    """Return the guard that a table's own keys ask for."""
    unique = [c.columns for c in table.constraints if isinstance(c, UniqueConstraint)]
    keys = [tuple(column.name for column in key) for key in (table.primary_key.columns, *unique)]
    return Guard(table=table.name, keys=tuple(sorted(keys)))


GUARDS = [guard_of(table) for table in APPEND_ONLY]


def tamper(connection: Connection, *statements: str) -> None:
    """Change rows of the ledger behind its back; every statement must hit something."""
    dialect = connection.dialect.name
    for statement in removal(dialect, GUARDS):
        connection.exec_driver_sql(statement)
    for statement in statements:
        assert connection.execute(text(statement)).rowcount > 0
    for statement in creation(dialect, GUARDS):
        connection.exec_driver_sql(statement)
