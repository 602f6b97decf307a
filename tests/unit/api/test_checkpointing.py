import time
from pathlib import Path

import pytest

from aem.proof import Checkpoint, KeyPurpose, Signature
from api.checkpointing import CheckpointLoop
from api.migration import migrate
from core.database import Database, make_engine
from core.signing import KeyFileSigner, SignerUnavailableError
from ledger import Checkpoints, Move
from tests.fakes.bank import TOKEN, Bank
from tests.fakes.waiting import wait_until

INTERVAL_S = 0.02


class MovableSigner(KeyFileSigner):
    """Key files that go away for a while, or answer slowly."""

    is_away = False
    pause_s = 0.0
    calls = 0

    def sign(self, purpose: KeyPurpose, message: bytes) -> Signature:
        self.calls += 1
        time.sleep(self.pause_s)
        if self.is_away:
            raise SignerUnavailableError("the signer is away")
        return super().sign(purpose, message)


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    database = Database(make_engine(f"sqlite:///{tmp_path / 'aem.db'}"))
    migrate(database)
    return Bank.open(database, tmp_path / "keys")


@pytest.fixture
def signer(bank: Bank, tmp_path: Path) -> MovableSigner:
    return MovableSigner(tmp_path / "keys")


@pytest.fixture
def loop(bank: Bank, signer: MovableSigner) -> CheckpointLoop:
    checkpoints = Checkpoints(clock=bank.clock, signer=signer, origin="aem")
    return CheckpointLoop(bank.database, checkpoints, interval_s=INTERVAL_S)


def sizes(bank: Bank) -> list[int]:
    with bank.database.reading() as session:
        page = bank.checkpoints.page(session)
    return [Checkpoint.from_payload(envelope.payload).size for envelope in page.items]


def test_a_log_that_grew_is_signed_and_one_that_did_not_is_not(
    bank: Bank, signer: MovableSigner, loop: CheckpointLoop
) -> None:
    bank.set_up()
    loop.start()
    assert wait_until(lambda: len(sizes(bank)) == 1, timeout_s=5)
    time.sleep(5 * INTERVAL_S)
    assert signer.calls == 1
    bank.fund("wallet:acme.bot", TOKEN)
    assert wait_until(lambda: len(sizes(bank)) == 2, timeout_s=5)
    bank.fund("wallet:acme.bot", TOKEN, key="last")
    loop.stop()
    assert sizes(bank) == sorted(sizes(bank))
    with bank.database.reading() as session:
        assert bank.checkpoints.due(session) is None  # the end is signed too


def test_a_signer_that_is_away_is_waited_for(
    bank: Bank, signer: MovableSigner, loop: CheckpointLoop, caplog: pytest.LogCaptureFixture
) -> None:
    signer.is_away = True
    bank.set_up()
    loop.start()
    assert wait_until(lambda: signer.calls >= 2, timeout_s=5)
    bank.fund("wallet:acme.bot", TOKEN)
    assert sizes(bank) == []
    signer.is_away = False
    assert wait_until(lambda: sizes(bank), timeout_s=5)
    loop.stop()
    assert "could not sign the ledger's head" in caplog.text


def test_nothing_waits_for_a_slow_signer(
    bank: Bank, signer: MovableSigner, loop: CheckpointLoop
) -> None:
    bank.set_up()
    signer.pause_s = 2.0
    loop.start()
    assert wait_until(lambda: signer.calls == 1, timeout_s=5)
    started_s = time.monotonic()
    bank.fund("wallet:acme.bot", TOKEN)
    assert time.monotonic() - started_s < signer.pause_s
    assert sizes(bank) == []
    signer.pause_s = 0.0
    loop.stop()
    assert len(sizes(bank)) >= 1


def test_proofs_are_prepared_along_the_way(bank: Bank, loop: CheckpointLoop) -> None:
    bank.set_up()
    for number in range(30):
        bank.fund("wallet:acme.bot", TOKEN, key=str(number))
        bank.fund("wallet:acme.bot", TOKEN, key=f"{number}-again")
    bank.post(*[_move(number) for number in range(1, 240)])
    loop.start()
    assert wait_until(lambda: sizes(bank), timeout_s=5)

    def is_prepared() -> bool:
        with bank.database.reading() as session:
            return not bank.checkpoints.is_index_due(session)

    assert sizes(bank)[-1] > 256
    assert wait_until(is_prepared, timeout_s=5)
    loop.stop()


def _move(amount: int) -> Move:
    return Move(debit="wallet:acme.bot", credit="wallet:acme", amount=amount, kind="test")
