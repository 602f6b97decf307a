from pathlib import Path

import pytest

from core.database import Database
from tests.fakes.bank import TOKEN, Bank


@pytest.fixture
def bank(database: Database, tmp_path: Path) -> Bank:
    return Bank.open(database, tmp_path / "keys")


@pytest.fixture
def funded(bank: Bank) -> Bank:
    """A bank with a daily budget of 10 USD; the wallet of acme.bot has 3,000 tokens of 10,000."""
    bank.set_up()
    bank.fund("wallet:acme.bot", 3_000 * TOKEN)
    return bank
