"""The half-year of a busy team: how long its statements and balances take.

    python -m benchmarks.half_year [--json] [--records N] [--database URL]

Half a year of orders is made in bulk: real batches through the ledger's own rules in memory, and
their rows sealed as every posting seals them, so that the audit finds nothing. Two usage records
an attempt (the tokens of a model's request and reply), ten attempts an order. Then every question
is asked many times, each of another account or day; a question's value is the median.
"""

import argparse
import itertools
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from api.migration import migrate
from benchmarks.figures import Figure, compare, show
from core.clock import SystemClock
from core.database import Database, make_engine
from core.money import NUSD_PER_USD, UTOK_PER_TOKEN
from ledger import BudgetAmounts, Budgets, IssuanceDecision, Ledger, Reports, Summaries, sealing
from ledger.attempts import (
    Attempt,
    AttemptRequest,
    AttemptStatus,
    Lack,
    admission,
    admitted,
    billing_of,
    settlement,
)
from ledger.books import Books, apply_batch
from ledger.domain import Batch, Move, Phase, Transfer
from ledger.policy import Budget
from ledger.records import transfer_text
from ledger.store import journal
from ledger.store.bulk import Rows, insert_rows
from ledger.store.tables import attempts, batches, holds, row_of, usage
from ledger.usage import UsageLine, charge_of, records_of

FULL_RECORDS = 1_000_000
MAX_MEDIAN_S = 0.1

DAYS = 182
FIRST_DAY = datetime(2026, 1, 5, tzinfo=UTC)
TEAMS = 8
AGENTS = 4
WORKING_HOURS = (8, 19)
WORKING_WEEKDAYS = 5
WEEKEND_SHARE = 0.1

ATTEMPTS_PER_ORDER = 10
LINES_PER_ATTEMPT = 2
CHUNK_ORDERS = 40
QUESTIONS = 25

KAPPA = 1_000 * UTOK_PER_TOKEN
DAILY_NUSD = 500 * NUSD_PER_USD
PROVIDERS = ("openai", "anthropic", "sandbox")
ESCROW_UTOK = 10 * UTOK_PER_TOKEN


class MovableClock:
    """Stands where it is put."""

    def __init__(self, instant: datetime) -> None:
        self.instant = instant

    def now(self) -> datetime:
        """Return where it stands."""
        return self.instant


@dataclass(frozen=True, kw_only=True)
class Day:
    """The day of a budget."""

    budget: Budget
    decision: IssuanceDecision


@dataclass(kw_only=True)
class Chunk:
    """Rows that are written in one transaction."""

    transfers: list[Transfer] = field(default_factory=list)
    records: list[tuple[str, list[dict[str, Any]]]] = field(default_factory=list)
    batches: list[dict[str, Any]] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)


class HalfYear:
    """Makes the half-year in a migrated, empty database."""

    def __init__(self, database: Database, *, records: int, seed: int = 4) -> None:
        self._database = database
        self._orders = max(1, records // (ATTEMPTS_PER_ORDER * LINES_PER_ATTEMPT))
        self._choose = random.Random(seed)
        self._clock = MovableClock(FIRST_DAY)
        self._budgets = Budgets(clock=self._clock)
        self._numbers = itertools.count()
        self._books = Books(now=FIRST_DAY, accounts={}, is_privileged=True)
        self.owners = [
            f"team-{team}.agent-{agent}" for team in range(TEAMS) for agent in range(AGENTS)
        ]

    def make(self) -> None:
        """Set the tree up, then make day after day, and fold all of it into the sums."""
        self._set_up()
        for day, orders in enumerate(self._orders_by_day()):
            self._make_day(FIRST_DAY + timedelta(days=day), orders)
        summaries = Summaries()
        while True:
            with self._database.transaction() as session:
                if not summaries.advance(session, limit=50_000):
                    return

    def _set_up(self) -> None:
        with self._database.transaction() as session:
            self._budgets.define(session, name="acme")
            for team in range(TEAMS):
                self._budgets.define(session, name=f"team-{team}", parent="acme")
            amounts = BudgetAmounts(daily_limit_nusd=DAILY_NUSD, utok_per_usd=KAPPA)
            self._budgets.set(session, budget="acme", amounts=amounts, actor="bench")

    def _orders_by_day(self) -> list[int]:
        weights = [
            1.0
            if (FIRST_DAY + timedelta(days=day)).weekday() < WORKING_WEEKDAYS
            else WEEKEND_SHARE
            for day in range(DAYS)
        ]
        ends = [
            round(self._orders * total / sum(weights)) for total in itertools.accumulate(weights)
        ]
        return [end - start for start, end in itertools.pairwise([0, *ends])]

    def _make_day(self, midnight: datetime, orders: int) -> None:
        first, last = WORKING_HOURS
        seconds = sorted(self._choose.uniform(first * 3600, last * 3600) for _ in range(orders))
        self._clock.instant = midnight + timedelta(hours=first - 1)
        with self._database.transaction() as session:
            decision = self._budgets.open_day(session, "acme")
            self._fund(session, midnight)
        for start in range(0, orders, CHUNK_ORDERS):
            chunk = Chunk()
            with self._database.transaction() as session:
                for second in seconds[start : start + CHUNK_ORDERS]:
                    self._order(session, chunk, midnight + timedelta(seconds=second), decision)
                self._write(session, chunk)
            self._books = Books(now=FIRST_DAY, accounts={}, is_privileged=True)

    def _fund(self, session: Session, midnight: datetime) -> None:
        """Hand what the treasury has to the wallets, evenly."""
        treasury = Ledger(clock=self._clock).account(session, "treasury:acme").available
        share = treasury // len(self.owners)
        for owner in self.owners if share else ():
            self._budgets.allocate(
                session,
                key=f"{midnight:%F}:{owner}",
                budget="acme",
                to=f"wallet:{owner}",
                amount_utok=share,
                reason="the day's tokens",
            )

    def _order(
        self, session: Session, chunk: Chunk, at: datetime, decision: IssuanceDecision
    ) -> None:
        owner = self._choose.choice(self.owners)
        order = f"order-{next(self._numbers)}"
        budget = Budget(
            name=owner.split(".")[0],
            parent="acme",
            path=f"acme/{owner.split('.')[0]}",
            time_zone="UTC",
            at=FIRST_DAY,
        )
        wallet, escrow = f"wallet:{owner}", f"escrow:{order}"
        self._post(session, chunk, at, f"{order}:escrow", _moved(wallet, escrow, order))
        for number in range(ATTEMPTS_PER_ORDER):
            at += timedelta(seconds=self._choose.uniform(1, 20))
            request = self._request(f"{order}:{number}", owner=owner, budget=budget, order=order)
            self._attempt(session, chunk, at, request, Day(budget=budget, decision=decision))
        sums = self._books.accounts[escrow]
        rest = sums.credits_posted - sums.debits_posted - sums.debits_held
        if rest:
            back = Move(debit=escrow, credit=wallet, amount=rest, kind="rest", reference=order)
            self._post(session, chunk, at, f"{order}:rest", back)

    def _request(
        self, attempt_id: str, *, owner: str, budget: Budget, order: str
    ) -> AttemptRequest:
        return AttemptRequest(
            attempt_id=attempt_id,
            budget=budget.name,
            owner=owner,
            payer=f"escrow:{order}",
            provider=self._choose.choice(PROVIDERS),
            resource="model-input",
            bound_nusd=NUSD_PER_USD // 2_000,
            bound_utok=ESCROW_UTOK // ATTEMPTS_PER_ORDER,
            reference=order,
        )

    def _attempt(
        self,
        session: Session,
        chunk: Chunk,
        at: datetime,
        request: AttemptRequest,
        day: "Day",
    ) -> None:
        budget, decision = day.budget, day.decision
        batch = admission(request, budget.fiat_account(decision.day))
        held = self._post_batch(session, chunk, at, batch)
        attempt = admitted(
            request,
            budget=budget,
            decision=decision,
            hold_ids=(held[0].id, held[1].id),
            lack=Lack(),
            at=at,
        )
        at += timedelta(seconds=self._choose.uniform(0.2, 9))
        lines = self._lines()
        charge = charge_of(attempt, lines)
        billing = billing_of(
            cost_nusd=charge.cost_nusd, bound_nusd=attempt.bound_nusd, rest_nusd=0
        )
        commands = settlement(
            attempt,
            billing,
            burn_utok=charge.burn_utok,
            premium_utok=charge.charge_utok - charge.burn_utok,
        )
        batch = Batch(key=f"{attempt.id}:end", commands=commands)
        moved = self._post_batch(session, chunk, at, batch)
        ids = tuple(t.id for t in moved if t.phase in (Phase.POSTED, Phase.POST))
        ended = replace(
            attempt,
            status=AttemptStatus.SETTLED,
            liability_nusd=billing.posted_nusd,
            ended_at=at,
            **vars(charge),
        )
        chunk.attempts.append(ended)
        rows = [row_of(record) for record in records_of(ended, lines, transfers=ids, at=at)]
        chunk.records.append(("usage", rows))

    def _lines(self) -> list[UsageLine]:
        premium = 1 + self._choose.random() / 5
        return [
            UsageLine(
                resource=f"model-{name}",
                quantity=self._choose.randrange(*quantities),
                unit="token",
                base_price_pusd=price,
                unit_price_pusd=int(price * premium),
                quality=None,
                latency_ms=self._choose.randrange(100, 5_000),
            )
            for name, quantities, price in (
                ("input", (100, 1_500), 150_000),
                ("output", (20, 300), 600_000),
            )
        ]

    def _post(
        self, session: Session, chunk: Chunk, at: datetime, key: str, *commands: Move
    ) -> None:
        self._post_batch(session, chunk, at, Batch(key=key, commands=commands))

    def _post_batch(
        self, session: Session, chunk: Chunk, at: datetime, batch: Batch
    ) -> Sequence[Transfer]:
        self._load(session, batch)
        self._books.now = at
        outcomes = apply_batch(batch, self._books, batch_key=f"bench:{batch.key}")
        moved = [outcome.transfer for outcome in outcomes if outcome.transfer is not None]
        if len(moved) != len(batch.commands):
            raise RuntimeError(f"{batch.key} was refused: {outcomes}")
        chunk.transfers += moved
        chunk.records.append(("transfer", [row_of(transfer) for transfer in moved]))
        chunk.batches.append(
            {
                "key": f"bench:{batch.key}",
                "request_hash": batch.request_hash,
                "outcomes": None,
                "at": at,
            }
        )
        return moved

    def _load(self, session: Session, batch: Batch) -> None:
        """Bring the accounts that a batch touches into the books, once a chunk."""
        codes = {side for c in batch.commands if isinstance(c, Move) for side in _sides(c)}
        codes |= {s for c in batch.commands if hasattr(c, "credit") for s in _sides(c)}
        if missing := codes - self._books.accounts.keys():
            self._books.accounts.update(journal.lock_sums(session, missing))

    def _write(self, session: Session, chunk: Chunk) -> None:
        insert_rows(session, batches, Rows.of(chunk.batches))
        written = [(transfer, transfer_text(transfer)) for transfer in chunk.transfers]
        journal.add_transfers(session, written, self._books.accounts)
        holds_made = [row_of(hold) for hold in self._books.holds.values()]
        insert_rows(session, holds, Rows.of(holds_made))
        attempts_made = [row_of(attempt) for attempt in chunk.attempts]
        insert_rows(session, attempts, Rows.of(attempts_made))
        used = [row for record, rows in chunk.records if record == "usage" for row in rows]
        insert_rows(session, usage, Rows.of(used))
        for record, rows in chunk.records:
            sealing.enqueue(session, record, rows)


def _sides(command: Any) -> tuple[str, str]:
    return command.debit, command.credit


def _moved(debit: str, credit: str, order: str) -> Move:
    return Move(debit=debit, credit=credit, amount=ESCROW_UTOK, kind="escrow", reference=order)


def questions(owners: Sequence[str]) -> dict[str, Callable[[random.Random, Session], Any]]:
    """Return what a team and its finance people ask, each of something else every time."""
    reports = Reports(clock=SystemClock())
    ledger = Ledger(clock=SystemClock())

    def instant(choose: random.Random) -> datetime:
        return FIRST_DAY + timedelta(seconds=choose.uniform(0, DAYS * 86_400))

    def month(choose: random.Random) -> dict[str, datetime]:
        start = FIRST_DAY + timedelta(days=choose.randrange(DAYS - 30))
        return {"start": start, "end": start + timedelta(days=30)}

    def days(choose: random.Random) -> dict[str, str]:
        return {name: f"{value:%F}" for name, value in month(choose).items()}

    def wallet(choose: random.Random) -> str:
        return f"wallet:{choose.choice(owners)}"

    return {
        "statement of a wallet": lambda c, s: reports.statement(
            s, wallet(c), **month(c), limit=100
        ),
        "statement of the busiest account": lambda c, s: reports.statement(
            s, "burn", **month(c), limit=100
        ),
        "newest transfers of a wallet": lambda c, s: ledger.statement(s, wallet(c), limit=20),
        "transfers of a wallet": lambda c, s: ledger.transfers(s, account=wallet(c), limit=100),
        "balances of all wallets at a time": lambda c, s: reports.balances(
            s, at=instant(c), prefix="wallet:"
        ),
        "balance of an account at a time": lambda c, s: reports.balances(
            s, at=instant(c), prefix="burn"
        ),
        "trial balance at a time": lambda c, s: reports.trial_balance(s, at=instant(c)),
        "trial balance now": lambda _c, s: reports.trial_balance(s),
        "usage of a month by owner and resource": lambda c, s: reports.usage_summary(
            s, by=("owner", "resource"), **days(c)
        ),
        "usage of the half-year by day": lambda _c, s: reports.usage_summary(s, by=("day",)),
        "usage records of an owner": lambda c, s: ledger.usage(
            s, owner=c.choice(owners), limit=100
        ),
        "spend of a month by budget": lambda c, s: reports.spend(s, **days(c)),
        "indicators of a month": lambda c, s: reports.indicators(s, **month(c)),
    }


def measure(database: Database, owners: Sequence[str], *, times: int) -> list[Figure]:
    """Ask every question in turn, so that what else the machine does meets all of them."""
    asked = questions(owners)
    runs: dict[str, list[float]] = {name: [] for name in asked}
    choose = random.Random(7)
    for _ in range(times):
        for name, ask in asked.items():
            with database.reading() as session:
                before = time.perf_counter()
                ask(choose, session)
                runs[name].append(time.perf_counter() - before)
    return [compare(name, found, unit="s", at_most=MAX_MEDIAN_S) for name, found in runs.items()]


def run(url: str, *, records: int, times: int = QUESTIONS) -> list[Figure]:
    """Make the half-year in an empty database, and measure."""
    database = Database(make_engine(url))
    migrate(database)
    year = HalfYear(database, records=records)
    before = time.perf_counter()
    year.make()
    made_s = time.perf_counter() - before
    if not database.is_sqlite:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as found:
            found.exec_driver_sql("VACUUM ANALYZE")
    figures = measure(database, year.owners, times=times)
    database.dispose()
    return [compare(f"made {records} usage records", [made_s], unit="s"), *figures]


@contextmanager
def _database(url: str) -> Iterator[str]:
    if url:
        yield url
        return
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{Path(folder) / 'aem.db'}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--records", type=int, default=FULL_RECORDS)
    parser.add_argument("--database", default="", help="of an empty one; SQLite without it")
    options = parser.parse_args()
    with _database(options.database) as url:
        figures = run(url, records=options.records)
    show(figures, as_json=options.json)
    slow = [figure.name for figure in figures if figure.holds is False]
    slow_text = ", ".join(slow)
    median_s = statistics.median(figure.value for figure in figures[1:])
    if slow:
        raise SystemExit(f"slower than {MAX_MEDIAN_S} s (median of all {median_s} s): {slow_text}")


if __name__ == "__main__":
    main()
