from pathlib import Path

import pytest

from core.database import Database
from tests.fakes.bank import TOKEN, Bank, line


@pytest.fixture
def bank(database: Database, tmp_path: Path) -> Bank:
    return Bank.open(database, tmp_path / "keys")


@pytest.fixture
def funded(bank: Bank) -> Bank:
    """A bank with a daily budget of 10 USD; the wallet of acme.bot has 3,000 tokens of 10,000."""
    bank.set_up()
    bank.fund("wallet:acme.bot", 3_000 * TOKEN)
    return bank


@pytest.fixture
def used(funded: Bank) -> Bank:
    """Two days, with one attempt of each kind, checkpoints between, and a hold still open."""
    for attempt_id in ("try-1", "try-2"):
        funded.admit(attempt_id)
        funded.settle(attempt_id, line(200), line(100))
        funded.checkpoint()
    funded.admit("lost", bound_utok=1_000_000_000)
    funded.do(funded.metering.lose, attempt_id="lost")
    funded.clock.advance(days=1)
    funded.checkpoint()
    funded.admit("open", bound_nusd=5, bound_utok=5_000_000)
    return funded


@pytest.fixture
def observed(funded: Bank) -> Bank:
    """The day has 10 USD, the wallet 3,000 tokens, and nothing is enforced."""
    return funded.observing
