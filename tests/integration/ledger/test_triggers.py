# ruff: noqa: S608 - statements are made of our own names
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.database import metadata
from ledger.store.tables import APPEND_ONLY
from tests.fakes.bank import Bank

CHANGES = {
    "ledger_transfers": "amount = 1",
    "ledger_usage": "burn_utok = 0",
    "ledger_issuance_decisions": "issued_utok = 1",
    "ledger_budget_settings": "daily_limit_nusd = 1",
    "ledger_log_entries": "record = 'x'",
    "ledger_checkpoints": "size = 0",
}


@pytest.fixture
def used(funded: Bank) -> Bank:
    """Every append-only table has a row."""
    funded.admit()
    funded.settle()
    funded.checkpoint()
    return funded


def refuse(bank: Bank, statement: str) -> None:
    """Run a statement as a stranger would, without what our own connections switch on."""
    with bank.database.writing_engine.connect() as connection:
        if bank.database.is_sqlite:
            connection.execute(text("PRAGMA recursive_triggers=OFF"))
        with pytest.raises(DBAPIError, match="append-only"):
            connection.execute(text(statement))


def test_no_row_is_changed_or_removed(used: Bank, subtests: pytest.Subtests) -> None:
    for table, change in CHANGES.items():
        with subtests.test(table):
            check_guard(used, table, change)


def check_guard(used: Bank, table: str, change: str) -> None:
    with used.database.reading() as session:
        before = session.execute(metadata.tables[table].select()).all()
    assert before
    refuse(used, f"UPDATE {table} SET {change}")
    refuse(used, f"DELETE FROM {table}")
    if used.database.is_sqlite:
        for verb in ("INSERT OR REPLACE", "REPLACE"):
            refuse(used, f"{verb} INTO {table} SELECT * FROM {table} LIMIT 1")
    else:
        refuse(used, f"TRUNCATE {table} CASCADE")
    with used.database.reading() as session:
        assert session.execute(metadata.tables[table].select()).all() == before


def test_a_replacing_insert_by_another_unique_key_is_refused(used: Bank) -> None:
    if not used.database.is_sqlite:
        pytest.skip("PostgreSQL has no replacing insert")
    columns = [column.name for column in metadata.tables["ledger_issuance_decisions"].columns]
    values = ["'forged'" if name == "id" else name for name in columns]
    refuse(
        used,
        f"INSERT OR REPLACE INTO ledger_issuance_decisions ({', '.join(columns)})"
        f" SELECT {', '.join(values)} FROM ledger_issuance_decisions",
    )


def test_every_append_only_table_is_guarded_here() -> None:
    assert {table.name for table in APPEND_ONLY} == CHANGES.keys()
