"""Processes and servers killed with SIGKILL: what was acknowledged is there, and there once."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from api.migration import migrate
from core.database import Database, make_engine
from tests.conftest import missing
from tests.fakes.bank import TOKEN, Bank
from tests.fakes.cluster import KillableCluster
from tests.fakes.fuse import read_journal
from tests.fakes.spenders import (
    STEPS,
    WALLET,
    Place,
    is_payment,
    kill,
    load,
    read_load,
    run_script,
    run_until_killed,
    start,
)

NEVER = 10**9
STRIDE = 9
"""CI kills at every ninth moment, and at those after commits, where most can go wrong."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def written(bank: Bank) -> dict[str, int]:
    """Return how many transfers each batch made."""
    with bank.database.reading() as session:
        rows = session.execute(
            text("SELECT batch_key, count(*) FROM ledger_transfers GROUP BY batch_key")
        )
        return dict(map(tuple, rows))


def check_steps(bank: Bank, name: str, acknowledged: list[str], *, is_over: bool) -> None:
    """What was acknowledged is there; of the rest, only what was under way may be."""
    found = written(bank)
    for place, (step, (key, transfers)) in enumerate(STEPS.items()):
        count = found.get(key.format(name=name), 0)
        if step in acknowledged or is_over:
            assert count == transfers, step
        else:
            allowed = {0, transfers} if place == len(acknowledged) else {0}
            assert count in allowed, step


def sweep(bank: Bank, name: str) -> None:
    """Do what the service does for those who never come back."""
    bank.clock.advance(hours=2)
    bank.do(bank.ledger.expire_holds)
    with bank.database.reading() as session:
        orphans = bank.metering.open_attempts(session, reference=name)
    for attempt in orphans:
        bank.do(bank.metering.lose, attempt_id=attempt.id)


@pytest.mark.parametrize(
    "stride", [pytest.param(STRIDE, id="some"), pytest.param(1, id="all", marks=pytest.mark.soak)]
)
def test_a_process_killed_at_any_moment_loses_nothing_and_doubles_nothing(
    funded: Bank, tmp_path: Path, stride: int
) -> None:
    def run(name: str, burns_at: int) -> tuple[int | None, list[str]]:
        place, told = Place.of(funded, tmp_path / "keys"), tmp_path / f"told-{name}"
        process = start(run_until_killed, place, name, tmp_path / "journal", told, burns_at)
        process.join()
        return process.exitcode, told.read_text().splitlines() if told.exists() else []

    for name in ("makes the accounts", "finds them"):
        assert run(name, NEVER) == (0, list(STEPS))
        check_steps(funded, name, list(STEPS), is_over=True)
    moments = read_journal(tmp_path / "journal")
    kinds = {moment.kind for moment in moments}
    assert kinds == {"statement", "commit", "committed"}
    chosen = [
        moment.number
        for moment in moments
        if moment.number % stride == 0 or (moment.kind == "committed" and moment.number % 2)
    ]
    for turn, number in enumerate(chosen):
        name = f"k{number}"
        code, acknowledged = run(name, number)
        assert code == -9
        assert acknowledged == list(STEPS)[: len(acknowledged)]
        check_steps(funded, name, acknowledged, is_over=False)
        if turn % 2:
            run_script(funded, name)
            check_steps(funded, name, list(STEPS), is_over=True)
        else:
            sweep(funded, name)
        assert funded.account(WALLET).debits_held == 0
        assert funded.account("escrow:order-1").credits_held == 0
    assert funded.verify().verified


@pytest.fixture
def cluster() -> Iterator[KillableCluster]:
    try:
        found = KillableCluster()
    except SystemExit as error:
        missing(str(error))
    with found:
        yield found


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("rounds", "seconds"),
    [pytest.param(2, 1.5, id="twice"), pytest.param(30, 4, id="often", marks=pytest.mark.soak)],
)
def test_a_server_killed_in_mid_load_keeps_what_was_acknowledged(
    cluster: KillableCluster, tmp_path: Path, rounds: int, seconds: float
) -> None:
    database = Database(make_engine(cluster.create("ledger")))
    migrate(database)
    bank = Bank.open(database, tmp_path / "keys")
    bank.set_up()
    bank.fund(WALLET, 3_000 * TOKEN)
    place, folder = Place.of(bank, tmp_path / "keys"), tmp_path / "load"
    folder.mkdir()
    lives = [start(load, place, folder, number, 3, rounds * seconds) for number in range(2)]
    for turn in range(rounds):
        time.sleep(seconds)
        cluster.kill()
        database.dispose()
        cluster.start_again()
        victim = turn % 2  # a client's process dies too, and the next one goes on for it
        kill(lives[victim])
        lives[victim] = start(load, place, folder, victim, 3, seconds)
    for process in lives:
        process.join()
        assert process.exitcode == 0
    check_load(bank, list(folder.iterdir()))
    database.dispose()


def check_load(bank: Bank, paths: list[Path]) -> None:
    tried, acknowledged = read_load(paths)
    found = written(bank)
    assert len(acknowledged) > len(paths)
    for key in acknowledged:
        if is_payment(key):
            assert found[f"post:{key}"] == 1, key
        else:
            assert (found[f"attempt:{key}:admit"], found[f"attempt:{key}:end"]) == (2, 3), key
    paid = sum(found.get(f"post:{key}", 0) for key in tried)
    used = sum(f"attempt:{key}:end" in found for key in tried)
    assert bank.balance("escrow:order-1") == paid
    assert bank.balance("fiat-spent:sandbox") == 50 * used
    assert bank.balance(WALLET) == 3_000 * TOKEN - paid - 60 * used
    sweep(bank, "load")
    assert bank.account(WALLET).debits_held == 0
    assert bank.account("fiat-budget:acme:2026-01-05").debits_held == 0
    assert bank.verify().verified
