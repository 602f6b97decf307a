"""Processes and servers killed with SIGKILL: what was acknowledged is there, and there once."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from api.migration import migrate
from core.database import Database, make_engine
from tests.conftest import missing
from tests.fakes.bank import TOKEN, USD, Bank
from tests.fakes.cluster import KillableCluster
from tests.fakes.fuse import read_journal
from tests.fakes.spenders import (
    ENFORCED,
    OBSERVED,
    STEPS,
    WALLET,
    Place,
    Script,
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


def liabilities(bank: Bank) -> dict[str, int]:
    """Return what each day's attempts cost or may have cost, in nusd."""
    with bank.database.reading() as session:
        rows = session.execute(
            text("SELECT day, SUM(liability_nusd) FROM ledger_attempts GROUP BY day")
        )
        return {day: int(nusd) for day, nusd in rows}


def check_steps(
    bank: Bank, name: str, plan: Script, acknowledged: list[str], *, is_over: bool
) -> None:
    """What was acknowledged is there; of the rest, only what was under way may be."""
    found = written(bank)
    for place, (step, key) in enumerate(STEPS.items()):
        count = found.get(key.format(name=name), 0)
        if step in acknowledged or is_over:
            assert count in plan.transfers[step], step
        else:
            allowed = {0, *plan.transfers[step]} if place == len(acknowledged) else {0}
            assert count in allowed, step


def sweep(bank: Bank, name: str) -> None:
    """Do what the service does for those who never come back."""
    bank.clock.advance(hours=2)
    bank.do(bank.ledger.expire_holds)
    with bank.database.reading() as session:
        orphans = bank.metering.open_attempts(session, reference=name)
    for attempt in orphans:
        bank.do(bank.metering.lose, attempt_id=attempt.id)


def kill_at_moments(bank: Bank, folder: Path, plan: Script, stride: int) -> tuple[int, int]:
    """Run the script once for each moment, be killed there, and finish the work or sweep.

    Returns:
        How many runs were killed, and of how many: one that has less to do ends before its moment.
    """

    def run(name: str, burns_at: int) -> tuple[int | None, list[str]]:
        place, told = Place.of(bank, folder / "keys"), folder / f"told-{name}"
        process = start(run_until_killed, place, name, plan, folder, burns_at)
        process.join()
        return process.exitcode, told.read_text().splitlines() if told.exists() else []

    for name in ("makes the accounts", "finds them"):
        assert run(name, NEVER) == (0, list(STEPS))
        check_steps(bank, name, plan, list(STEPS), is_over=True)
    moments = read_journal(folder / "journal")
    kinds = {moment.kind for moment in moments}
    assert kinds == {"statement", "commit", "committed"}
    chosen = [
        moment.number
        for moment in moments
        if moment.number % stride == 0 or (moment.kind == "committed" and moment.number % 2)
    ]
    killed = 0
    for turn, number in enumerate(chosen):
        name = f"k{number}"
        code, acknowledged = run(name, number)
        killed += code == -9
        assert code == -9 or (code == 0 and acknowledged == list(STEPS))
        assert acknowledged == list(STEPS)[: len(acknowledged)]
        check_steps(bank, name, plan, acknowledged, is_over=False)
        if turn % 2:
            run_script(bank, name, plan)
            check_steps(bank, name, plan, list(STEPS), is_over=True)
        else:
            sweep(bank, name)
        assert bank.account(WALLET).debits_held == 0
        assert bank.account("escrow:order-1").credits_held == 0
    return killed, len(chosen)


some_and_all = pytest.mark.parametrize(
    "stride", [pytest.param(STRIDE, id="some"), pytest.param(1, id="all", marks=pytest.mark.soak)]
)


@some_and_all
def test_a_process_killed_at_any_moment_loses_nothing_and_doubles_nothing(
    funded: Bank, tmp_path: Path, stride: int
) -> None:
    killed, runs = kill_at_moments(funded, tmp_path, ENFORCED, stride)
    assert killed == runs
    assert funded.verify().verified


@some_and_all
def test_a_process_killed_while_it_lends_leaves_no_loan_without_its_work(
    funded: Bank, tmp_path: Path, stride: int
) -> None:
    killed, runs = kill_at_moments(funded.observing, tmp_path, OBSERVED, stride)
    assert killed > 0.9 * runs  # an alert is raised once a day: later runs have less to do
    assert funded.balance("overdraft:acme.bot") == 0  # of what was lent, nothing was used
    used_by_day = liabilities(funded)
    assert any(used_nusd > 10 * USD for used_nusd in used_by_day.values())
    for day, used_nusd in used_by_day.items():
        owed_nusd = -funded.balance(f"fiat-overrun:acme:{day}")
        assert owed_nusd == max(0, used_nusd - 10 * USD), day
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
