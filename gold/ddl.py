"""Triggers that keep the gold room's tables append-only, for migrations and test databases."""

from collections.abc import Mapping

APPEND_ONLY: Mapping[str, tuple[str, ...]] = {
    "gold_datasets": ("digest",),
    "gold_files": ("dataset_digest", "path"),
    "gold_holdout_inputs": ("dataset_digest", "fingerprint"),
    "gold_tries": ("order_id", "dataset_digest"),
    "gold_reports": ("id",),
    "gold_attested_shares": ("report_id",),
}
"""Tables with the columns of their primary keys."""

_FUNCTION = "gold_refuse_change"


def statements(dialect_name: str) -> list[str]:
    """Return what creates the triggers; run it after the tables are made."""
    if dialect_name == "sqlite":
        return [
            statement
            for table, keys in APPEND_ONLY.items()
            for statement in _sqlite_triggers(table, keys)
        ]
    return [_POSTGRESQL_FUNCTION, *(_postgresql_trigger(table) for table in APPEND_ONLY)]


def removal(dialect_name: str) -> list[str]:
    """Return what removes the triggers again."""
    if dialect_name == "sqlite":
        return [
            f"DROP TRIGGER IF EXISTS {table}_no_{event}"
            for table in APPEND_ONLY
            for event in ("update", "delete", "replace")
        ]
    return [
        *(f"DROP TRIGGER IF EXISTS {table}_append_only ON {table}" for table in APPEND_ONLY),
        f"DROP FUNCTION IF EXISTS {_FUNCTION}()",
    ]


def _sqlite_triggers(table: str, keys: tuple[str, ...]) -> list[str]:
    refusal = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    same = " AND ".join(f"{key} = NEW.{key}" for key in keys)
    taken = f"EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608 - constants of this module
    return [
        f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {refusal}",
        f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {refusal}",
        # INSERT OR REPLACE deletes without firing delete triggers, unless a pragma is set.
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN {taken} {refusal}",
    ]


def _postgresql_trigger(table: str) -> str:
    return (
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION {_FUNCTION}()"
    )


_POSTGRESQL_FUNCTION = f"""
CREATE OR REPLACE FUNCTION {_FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' is append-only', ERRCODE = '23001';
END $$
"""
