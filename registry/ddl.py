"""Triggers that keep the registry's past: run after the tables are made, on both databases.

Append-only tables refuse UPDATE, DELETE, TRUNCATE (PostgreSQL) and INSERT OR REPLACE (SQLite,
whose replacement passes delete triggers when ``recursive_triggers`` is off: a guard before the
insert refuses it). ``artifacts`` and ``channels`` change forward only.
"""

from collections.abc import Iterator

from sqlalchemy import Table, UniqueConstraint

from registry.store.tables import APPEND_ONLY, artifacts, channels

_FORWARD = {
    artifacts.name: "NEW.name = OLD.name AND NEW.namespace = OLD.namespace"
    " AND NEW.created_at = OLD.created_at AND NEW.last_number = OLD.last_number + 1",
    channels.name: "NEW.artifact = OLD.artifact AND NEW.channel = OLD.channel"
    " AND (NEW.generation = OLD.generation + 1 OR (NEW.generation = OLD.generation"
    " AND NEW.digest = OLD.digest AND NEW.number = OLD.number AND NEW.moved_at = OLD.moved_at))",
}
"""What an update of a table that does change must obey."""

_KEPT = (*APPEND_ONLY, artifacts, channels)
_REFUSE_FUNCTION = "registry_refuse_change"


def statements(dialect_name: str) -> list[str]:
    """Return the statements that make the triggers.

    Args:
        dialect_name: ``sqlite`` or ``postgresql``.
    """
    if dialect_name == "sqlite":
        return [*_sqlite_statements()]
    return [*_postgresql_statements()]


def removal(dialect_name: str) -> list[str]:
    """Return the statements that undo `statements`."""
    if dialect_name == "sqlite":
        return [f"DROP TRIGGER {name}" for name in _sqlite_names()]
    triggers = [
        f"DROP TRIGGER {table.name}_{suffix} ON {table.name}"
        for table in _KEPT
        for suffix in ("kept", "not_truncated")
    ]
    functions = [_REFUSE_FUNCTION, *(f"{name}_go_forward" for name in _FORWARD)]
    return [
        *triggers,
        *(f"DROP TRIGGER {name}_forward ON {name}" for name in _FORWARD),
        *(f"DROP FUNCTION {name}()" for name in functions),
    ]


def _sqlite_names() -> Iterator[str]:
    for table in APPEND_ONLY:
        yield f"{table.name}_not_updated"
    for name in _FORWARD:
        yield f"{name}_forward"
    for table in _KEPT:
        yield f"{table.name}_not_deleted"
        yield f"{table.name}_not_replaced"


def _sqlite_statements() -> Iterator[str]:
    for table in APPEND_ONLY:
        yield _sqlite_trigger(f"{table.name}_not_updated", f"UPDATE ON {table.name}", "1")
    for name, condition in _FORWARD.items():
        yield _sqlite_trigger(f"{name}_forward", f"UPDATE ON {name}", f"NOT ({condition})")
    for table in _KEPT:
        yield _sqlite_trigger(f"{table.name}_not_deleted", f"DELETE ON {table.name}", "1")
        yield _sqlite_trigger(
            f"{table.name}_not_replaced", f"INSERT ON {table.name}", _exists_already(table)
        )


def _sqlite_trigger(name: str, event: str, condition: str) -> str:
    return (
        f"CREATE TRIGGER {name} BEFORE {event} WHEN {condition}"
        f" BEGIN SELECT RAISE(ABORT, '{name}'); END"
    )


def _exists_already(table: Table) -> str:
    """Write the condition that a row with one of the new row's keys is there."""
    keys = [[column.name for column in table.primary_key]]
    keys += [
        [column.name for column in constraint.columns]
        for constraint in table.constraints
        if isinstance(constraint, UniqueConstraint)
    ]
    matches = [" AND ".join(f"{name} = NEW.{name}" for name in key) for key in keys]
    return " OR ".join(
        f"EXISTS (SELECT 1 FROM {table.name} WHERE {match})"  # noqa: S608 - our own tables' names
        for match in sorted(matches)
    )


def _postgresql_statements() -> Iterator[str]:
    yield _postgresql_function(_REFUSE_FUNCTION, "TRUE")
    for table in _KEPT:
        event = "UPDATE OR DELETE" if table in APPEND_ONLY else "DELETE"
        yield (
            f"CREATE TRIGGER {table.name}_kept BEFORE {event} ON {table.name}"
            f" FOR EACH ROW EXECUTE FUNCTION {_REFUSE_FUNCTION}()"
        )
        yield (
            f"CREATE TRIGGER {table.name}_not_truncated BEFORE TRUNCATE ON {table.name}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {_REFUSE_FUNCTION}()"
        )
    for name, condition in _FORWARD.items():
        yield _postgresql_function(f"{name}_go_forward", f"NOT ({condition})")
        yield (
            f"CREATE TRIGGER {name}_forward BEFORE UPDATE ON {name}"
            f" FOR EACH ROW EXECUTE FUNCTION {name}_go_forward()"
        )


def _postgresql_function(name: str, condition: str) -> str:
    return (
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF {condition} THEN RAISE EXCEPTION USING MESSAGE ="
        " TG_OP || ' on ' || TG_TABLE_NAME || ' is refused by ' || TG_NAME; END IF;"
        " RETURN NEW; END $$"
    )
