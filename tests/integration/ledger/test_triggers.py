import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.database import metadata
from ledger import ddl
from tests.fakes.bank import Bank

APPEND_ONLY = {
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
    funded.do(funded.ledger.checkpoint)
    return funded


def refuse(bank: Bank, statement: str) -> None:
    with (
        pytest.raises(DBAPIError, match="append-only"),
        bank.database.engine.begin() as connection,
    ):
        connection.execute(
            text("PRAGMA recursive_triggers=OFF" if bank.database.is_sqlite else "SELECT 1")
        )
        connection.execute(text(statement))


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_no_row_is_changed_or_removed(used: Bank, table: str) -> None:
    with used.database.reading() as session:
        before = session.execute(metadata.tables[table].select()).all()
    assert before
    refuse(used, f"UPDATE {table} SET {APPEND_ONLY[table]}")
    refuse(used, f"UPDATE {table} SET {APPEND_ONLY[table]} WHERE 1 = 0 OR 1 = 1")
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


def test_the_triggers_can_be_taken_away_and_made_again(used: Bank) -> None:
    engine = used.database.engine
    dialect = engine.dialect.name
    with engine.begin() as connection:
        for statement in ddl.removal(dialect):
            connection.exec_driver_sql(statement)
        changed = connection.execute(text("UPDATE ledger_usage SET burn_utok = burn_utok"))
        assert changed.rowcount == 1
        for statement in ddl.statements(dialect):
            connection.exec_driver_sql(statement)
    refuse(used, "UPDATE ledger_usage SET burn_utok = 0")
