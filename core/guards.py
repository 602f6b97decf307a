"""Triggers that keep the past: rows that are written once, whoever writes.

A guarded table refuses DELETE, PostgreSQL's TRUNCATE and SQLite's ``INSERT OR REPLACE`` (a guard
before the insert: a replacement runs no delete trigger unless the connection asked for it), and
every UPDATE, or those that break its condition. Migrations execute the statements.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_FUNCTION = "aem_refuse_change"


@dataclass(frozen=True, kw_only=True)
class Guard:
    """What is guarded of a table.

    Attributes:
        table: its name.
        keys: columns of its primary key and of its unique constraints.
        updates: condition on ``OLD`` and ``NEW`` that an update must obey; "" refuses them all.
        deletes: condition on ``OLD`` that a delete must obey; "" refuses them all.
        is_claimed: whether rows are inserted with ``ON CONFLICT DO NOTHING``: SQLite then skips
            the insert of a known key, a replacing one too, where it would refuse it.
    """

    table: str
    keys: tuple[tuple[str, ...], ...]
    updates: str = ""
    deletes: str = ""
    is_claimed: bool = False


def preparation(dialect_name: str) -> list[str]:
    """Return what all guards of a database stand on: executed once, before the first guard."""
    if dialect_name == "sqlite":
        return []
    function = (
        f"CREATE FUNCTION {_FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = '23001'; END $$"
    )  # 23001: restrict_violation
    return [function]


def conclusion(dialect_name: str) -> list[str]:
    """Return what undoes `preparation`, after the last guard is gone."""
    return [] if dialect_name == "sqlite" else [f"DROP FUNCTION {_FUNCTION}()"]


def creation(dialect_name: str, guards: Sequence[Guard]) -> list[str]:
    """Return what makes the triggers, to be executed once the tables are there."""
    write = _sqlite if dialect_name == "sqlite" else _postgresql
    return [statement for guard in guards for statement in write(guard)]


def removal(dialect_name: str, guards: Sequence[Guard]) -> list[str]:
    """Return what takes the triggers away again; the tables stay."""
    last = "no_replace" if dialect_name == "sqlite" else "no_truncate"
    place = "" if dialect_name == "sqlite" else " ON {table}"
    return [
        f"DROP TRIGGER {guard.table}_{suffix}" + place.format(table=guard.table)
        for guard in guards
        for suffix in ("no_update", "no_delete", last)
    ]


def _sqlite(guard: Guard) -> Iterator[str]:
    refusal = f"BEGIN SELECT RAISE(ABORT, '{_message(guard)}'); END"
    allowed = f" WHEN NOT ({guard.updates})" if guard.updates else ""
    matches = (" AND ".join(f"{column} = NEW.{column}" for column in key) for key in guard.keys)
    exists = " OR ".join(
        f"EXISTS (SELECT 1 FROM {guard.table} WHERE {match})"  # noqa: S608 - our own tables' names
        for match in matches
    )
    deletable = f" WHEN NOT ({guard.deletes})" if guard.deletes else ""
    replacing = "BEGIN SELECT RAISE(IGNORE); END" if guard.is_claimed else refusal
    prefix = f"CREATE TRIGGER {guard.table}"
    yield f"{prefix}_no_update BEFORE UPDATE ON {guard.table}{allowed} {refusal}"
    yield f"{prefix}_no_delete BEFORE DELETE ON {guard.table}{deletable} {refusal}"
    yield f"{prefix}_no_replace BEFORE INSERT ON {guard.table} WHEN {exists} {replacing}"


def _postgresql(guard: Guard) -> Iterator[str]:
    refuse = f"EXECUTE FUNCTION {_FUNCTION}('{_message(guard)}')"
    allowed = f" WHEN (NOT ({guard.updates}))" if guard.updates else ""
    deletable = f" WHEN (NOT ({guard.deletes}))" if guard.deletes else ""
    prefix = f"CREATE TRIGGER {guard.table}"
    table = guard.table
    yield f"{prefix}_no_update BEFORE UPDATE ON {table} FOR EACH ROW{allowed} {refuse}"
    yield f"{prefix}_no_delete BEFORE DELETE ON {table} FOR EACH ROW{deletable} {refuse}"
    yield f"{prefix}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {refuse}"


def _message(guard: Guard) -> str:
    goes_forward = guard.updates or guard.deletes
    return f"{guard.table} only goes forward" if goes_forward else f"{guard.table} is append-only"
