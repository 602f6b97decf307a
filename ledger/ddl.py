"""Triggers that keep the append-only tables append-only, whoever writes to them.

On SQLite a guard before each insert also stops ``INSERT OR REPLACE``, which would remove a row
without running a delete trigger; on PostgreSQL ``TRUNCATE`` is refused too.
"""

from sqlalchemy import Table, UniqueConstraint

from ledger.store.tables import APPEND_ONLY

_FUNCTION = "ledger_refuse_change"


def statements(dialect_name: str) -> list[str]:
    """Return the statements that make the triggers, to be run after the tables are made."""
    if dialect_name == "sqlite":
        return [statement for table in APPEND_ONLY for statement in _sqlite_statements(table)]
    return [_POSTGRESQL_FUNCTION, *(_postgresql_trigger(table) for table in APPEND_ONLY)]


def removal(dialect_name: str) -> list[str]:
    """Return the statements that take the triggers away again."""
    if dialect_name == "sqlite":
        return [
            f"DROP TRIGGER IF EXISTS {name}" for table in APPEND_ONLY for name in _names(table)
        ]
    drops = [
        f"DROP TRIGGER IF EXISTS {table.name}_append_only ON {table.name}" for table in APPEND_ONLY
    ]
    return [*drops, f"DROP FUNCTION IF EXISTS {_FUNCTION}()"]


_POSTGRESQL_FUNCTION = f"""
CREATE FUNCTION {_FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' is append-only', ERRCODE = '23001';
END
$$
"""  # 23001: restrict_violation


def _postgresql_trigger(table: Table) -> str:
    return (
        f"CREATE TRIGGER {table.name}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE"
        f" ON {table.name} FOR EACH STATEMENT EXECUTE FUNCTION {_FUNCTION}()"
    )


def _names(table: Table) -> list[str]:
    return [f"{table.name}_no_{verb}" for verb in ("update", "delete", "replace")]


def _sqlite_statements(table: Table) -> list[str]:
    update, delete, replace = _names(table)
    refusal = f"BEGIN SELECT RAISE(ABORT, '{table.name} is append-only'); END"
    taken = " OR ".join(f"({_matches_new(columns)})" for columns in _unique_keys(table))
    exists = f"EXISTS (SELECT 1 FROM {table.name} WHERE {taken})"  # noqa: S608 - our own names
    return [
        f"CREATE TRIGGER {update} BEFORE UPDATE ON {table.name} {refusal}",
        f"CREATE TRIGGER {delete} BEFORE DELETE ON {table.name} {refusal}",
        f"CREATE TRIGGER {replace} BEFORE INSERT ON {table.name} WHEN {exists} {refusal}",
    ]


def _unique_keys(table: Table) -> list[list[str]]:
    keys = [[column.name for column in table.primary_key.columns]]
    keys += [
        [column.name for column in constraint.columns]
        for constraint in table.constraints
        if isinstance(constraint, UniqueConstraint)
    ]
    return sorted(keys)


def _matches_new(columns: list[str]) -> str:
    return " AND ".join(f"{column} = NEW.{column}" for column in columns)
