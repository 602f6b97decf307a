"""One set of migrations makes what the code expects, up and down, on both databases."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

import api.composition  # noqa: F401 - registers the tables of every room
from api.migration import migrate, revert
from core.database import Database, metadata

EXPECTED_GUARDS = 3
"""Triggers of each guarded table: update, delete, replace or truncate."""

GUARDED = (
    "ledger_accounts",
    "ledger_batches",
    "ledger_holds",
    "ledger_transfers",
    "ledger_usage",
    "ledger_loans",
    "ledger_log_entries",
    "ledger_checkpoints",
    "ledger_issuance_decisions",
    "gold_datasets",
    "gold_files",
    "gold_tries",
    "gold_reports",
    "versions",
    "version_files",
    "attestations",
    "channel_moves",
    "market_ticks",
    "market_listings",
)


def triggers(database: Database) -> dict[str, int]:
    if database.is_sqlite:
        query = "SELECT tbl_name, count(*) FROM sqlite_master WHERE type = 'trigger' GROUP BY 1"
    else:
        query = (
            "SELECT tgrelid::regclass::text, count(*) FROM pg_trigger"
            " WHERE NOT tgisinternal GROUP BY 1"
        )
    with database.reading() as session:
        return dict(map(tuple, session.execute(text(query))))


def test_the_migrated_schema_is_the_one_in_the_code(database: Database) -> None:
    def is_here(item: Any, *_: Any) -> bool:
        return item.info.get("only_on") in (None, database.engine.dialect.name)

    options = {"compare_type": False, "compare_server_default": False, "include_object": is_here}
    with database.reading() as session:
        context = MigrationContext.configure(session.connection(), opts=options)
        assert compare_metadata(context, metadata) == []


def test_guarded_tables_have_their_triggers(database: Database) -> None:
    found = triggers(database)
    assert {table: found.get(table, 0) for table in GUARDED} == dict.fromkeys(
        GUARDED, EXPECTED_GUARDS
    )


def test_migrations_go_down_to_nothing_and_up_again(bare_database: Database) -> None:
    migrate(bare_database)
    made = set(inspect(bare_database.engine).get_table_names())
    guards = triggers(bare_database)
    revert(bare_database)
    assert set(inspect(bare_database.engine).get_table_names()) == {"alembic_version"}
    assert triggers(bare_database) == {}
    migrate(bare_database)
    assert set(inspect(bare_database.engine).get_table_names()) == made
    assert triggers(bare_database) == guards


def test_migrating_twice_changes_nothing(database: Database) -> None:
    before = triggers(database)
    migrate(database)
    assert triggers(database) == before
