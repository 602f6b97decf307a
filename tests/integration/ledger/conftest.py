from collections.abc import Iterator
from pathlib import Path

import pytest

from core.database import Database, make_engine, metadata
from ledger import ddl
from tests.fakes.bank import TOKEN, Bank


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(make_engine(database_url))
    metadata.create_all(database.engine)
    with database.writing_engine.begin() as connection:
        dialect = connection.dialect.name
        for statement in (*ddl.removal(dialect), *ddl.statements(dialect)):
            connection.exec_driver_sql(statement)
    yield database
    database.dispose()


@pytest.fixture
def bank(database: Database, tmp_path: Path) -> Bank:
    return Bank.open(database, tmp_path / "keys")


@pytest.fixture
def funded(bank: Bank) -> Bank:
    """A bank with a daily budget of 10 USD; the wallet of acme.bot has 3,000 tokens of 10,000."""
    bank.set_up()
    bank.fund("wallet:acme.bot", 3_000 * TOKEN)
    return bank
