"""Many processes on one ledger: never overspent, and never refused while funds cover the bound."""

from pathlib import Path

import pytest

from tests.fakes.bank import TOKEN, USD, Bank
from tests.fakes.spenders import WALLET, Admissions, Place, Tally, WriterPayments, spend_together

PROCESSES = 3
THREADS = 4
CLIENTS = PROCESSES * THREADS
TODAY = "fiat-budget:acme:2026-01-05"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

few_and_many = pytest.mark.parametrize(
    "tries", [pytest.param(6, id="few"), pytest.param(200, id="many", marks=pytest.mark.soak)]
)


def test_one_budget_is_admitted_to_the_last_bound_and_no_further(
    funded: Bank, tmp_path: Path
) -> None:
    work = Admissions(tries=6, bound_nusd=USD // 5, settles=False)
    funded.fund(WALLET, 6_000 * TOKEN, key="more")
    funded.set_budget(daily_limit_nusd=2 * USD)
    funded.clock.advance(days=1)
    tallies = spend_together(
        Place.of(funded, tmp_path / "keys"), work, count=PROCESSES, threads=THREADS
    )
    assert all(isinstance(tally, Tally) for tally in tallies), tallies
    assert sum(tally.admitted for tally in tallies) == 10  # the budget covers ten bounds
    assert sum(tally.refused for tally in tallies) == CLIENTS * 6 - 10
    assert funded.account(TODAY.replace("05", "06")).available == 0
    assert funded.verify().verified


def test_what_all_are_admitted_beyond_the_budget_is_lent_once(
    funded: Bank, tmp_path: Path
) -> None:
    work = Admissions(tries=6, bound_nusd=USD // 5, settles=False)  # 0.2 USD and 200 tokens each
    tallies = spend_together(
        Place.of(funded.observing, tmp_path / "keys"), work, count=PROCESSES, threads=THREADS
    )
    assert all(isinstance(tally, Tally) for tally in tallies), tallies
    assert sum(tally.admitted for tally in tallies) == CLIENTS * 6
    asked_nusd = CLIENTS * 6 * USD // 5
    assert -funded.balance("fiat-overrun:acme:2026-01-05") == asked_nusd - 10 * USD
    assert -funded.balance("overdraft:acme.bot") == asked_nusd - 3_000 * TOKEN
    assert funded.account(TODAY).available == funded.account(WALLET).available == 0
    assert funded.verify().verified


@few_and_many
def test_nobody_is_refused_what_the_rest_covers(funded: Bank, tmp_path: Path, tries: int) -> None:
    """Bounds come and go while others ask; a wallet's or the day's rest decides at each moment."""
    bound = 3 * USD // (CLIENTS * tries // 4)  # the wallet covers half of all tries
    work = Admissions(tries=tries, bound_nusd=bound, settles=True)
    tallies = spend_together(
        Place.of(funded, tmp_path / "keys"), work, count=PROCESSES, threads=THREADS
    )
    assert all(isinstance(tally, Tally) for tally in tallies), tallies
    assert sum(tally.wronged for tally in tallies) == 0
    assert sum(tally.refused for tally in tallies) > 0
    admitted = sum(tally.admitted for tally in tallies)
    assert funded.balance("fiat-spent:sandbox") == admitted * (bound // 2)
    assert funded.account(WALLET).debits_held == 0
    assert funded.balance(WALLET) == 3_000 * TOKEN - admitted * (bound // 2)
    assert funded.verify().verified


@few_and_many
def test_writers_of_many_processes_spend_a_wallet_to_the_end(
    funded: Bank, tmp_path: Path, tries: int
) -> None:
    amount = 3_000 * TOKEN // (CLIENTS * tries // 2)
    work = WriterPayments(tries=tries, amount=amount)
    paid = spend_together(
        Place.of(funded, tmp_path / "keys"), work, count=PROCESSES, threads=THREADS
    )
    assert sum(paid) == CLIENTS * tries // 2
    assert funded.balance(WALLET) == 3_000 * TOKEN % amount
    assert funded.verify().verified
