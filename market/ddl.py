"""What table metadata cannot say: price tables, ticks, quotes and listings are append-only.

SQLite needs a guard before insert besides the triggers on update and delete: ``INSERT OR REPLACE``
deletes without firing them unless the connection asked for recursive triggers. It fires before
``ON CONFLICT`` is looked at; our own inserts never meet it, since on SQLite a writer is alone from
before it reads that the row is missing.
"""

APPEND_ONLY = {
    "market_price_tables": ("version",),
    "market_ticks": ("sequence",),
    "market_quotes": ("id",),
    "market_listings": ("artifact", "digest", "number"),
}
"""Table name to the columns of its primary key."""

_POSTGRESQL_FUNCTION = "market_refuse_change"


def statements(dialect_name: str) -> list[str]:
    """Return what makes the triggers, to be executed once the tables are there."""
    if dialect_name == "sqlite":
        return [
            statement
            for table, key in APPEND_ONLY.items()
            for statement in _sqlite_triggers(table, key)
        ]
    return [_postgresql_function(), *(_postgresql_triggers())]


def removal(dialect_name: str) -> list[str]:
    """Return what drops the triggers again; the tables stay."""
    if dialect_name == "sqlite":
        return [
            f"DROP TRIGGER {table}_refuse_{change}"
            for table in APPEND_ONLY
            for change in ("update", "delete", "replace")
        ]
    drops = [
        f"DROP TRIGGER {table}_refuse_{change} ON {table}"
        for table in APPEND_ONLY
        for change in ("change", "truncate")
    ]
    return [*drops, f"DROP FUNCTION {_POSTGRESQL_FUNCTION}()"]


def _sqlite_triggers(table: str, key: tuple[str, ...]) -> list[str]:
    refuse = f"SELECT RAISE(ABORT, '{table} is append-only')"
    same_key = " AND ".join(f"{column} = NEW.{column}" for column in key)
    there = f"EXISTS (SELECT 1 FROM {table} WHERE {same_key})"  # noqa: S608 - names of this module
    events = {
        "update": f"BEFORE UPDATE ON {table}",
        "delete": f"BEFORE DELETE ON {table}",
        "replace": f"BEFORE INSERT ON {table} WHEN {there}",
    }
    return [
        f"CREATE TRIGGER {table}_refuse_{change} {event} BEGIN {refuse}; END"
        for change, event in events.items()
    ]


def _postgresql_function() -> str:
    return (
        f"CREATE FUNCTION {_POSTGRESQL_FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' is append-only'; END $$"
    )


def _postgresql_triggers() -> list[str]:
    refuse = f"EXECUTE FUNCTION {_POSTGRESQL_FUNCTION}()"
    made = []
    for table in APPEND_ONLY:
        made.append(
            f"CREATE TRIGGER {table}_refuse_change BEFORE UPDATE OR DELETE ON {table}"
            f" FOR EACH ROW {refuse}"
        )
        made.append(
            f"CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table}"
            f" FOR EACH STATEMENT {refuse}"
        )
    return made
