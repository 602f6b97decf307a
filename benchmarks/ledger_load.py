"""Loads on a ledger: the same pairs of accounts for the service and for bare SQL."""

import itertools
import json
import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from aem.proof import Frontier
from api.migration import migrate
from core.clock import SystemClock
from core.database import Database, make_engine
from core.money import NUSD_PER_USD
from ledger import Batch, BudgetAmounts, Budgets, Ledger, Move, Writer

WALLETS = 10_000
BATCH = 500
"""Transfers in a batch, for the service and for bare SQL."""

UTOK_EACH = 1_000_000
HOT = "escrow:hot"
_serial = itertools.count()

_GROWTH = (
    """
    INSERT INTO ledger_batches (key, request_hash, outcomes, at)
    SELECT 'post:grown-' || n, 'sha256:' || md5(n::text) || md5('x' || n), NULL, now()
    FROM generate_series(1, %(rows)s) AS n
    """,
    """
    INSERT INTO ledger_transfers (id, batch_key, position, debit, credit, amount, currency, kind,
        phase, reference, memo, at)
    SELECT 'tra_00' || lpad(n::text, 9, '0') || substr(md5(n::text), 1, 15), 'post:grown-' || n, 0,
        'wallet:w' || n %% %(wallets)s, 'wallet:w' || (n * 7 + 1) %% %(wallets)s, 1, 'utok',
        'grown', 'posted', 'grown-' || n / 100, '', now()
    FROM generate_series(1, %(rows)s) AS n
    WHERE n %% %(wallets)s <> (n * 7 + 1) %% %(wallets)s
    """,
    """
    INSERT INTO ledger_log_entries (number, record, record_id, leaf_hash)
    SELECT (SELECT count(*) FROM ledger_log_entries) + row_number() OVER () - 1, 'transfer', id,
        decode(md5(id) || md5('x' || id), 'hex')
    FROM ledger_transfers WHERE kind = 'grown'
    """,
)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Who pays whom."""

    debit: str
    credit: str


def new_key() -> str:
    """Return a key that no other call returns, in this process or another."""
    return f"{os.getpid()}-{time.time_ns()}-{next(_serial)}"


def random_pairs(source: random.Random, count: int, *, is_hot: bool = False) -> list[Pair]:
    """Pair wallets at random, or each with the hot account."""
    pairs = []
    for _ in range(count):
        debit, credit = source.sample(range(WALLETS), 2)
        pairs.append(Pair(debit=wallet(debit), credit=HOT if is_hot else wallet(credit)))
    return pairs


def wallet(number: int) -> str:
    return f"wallet:w{number}"


def commands_of(pairs: Sequence[Pair]) -> tuple[Move, ...]:
    return tuple(
        Move(
            debit=pair.debit, credit=pair.credit, amount=1, kind="benchmark", reference="benchmark"
        )
        for pair in pairs
    )


def rate(work: Callable[[random.Random], int], *, threads: int, seconds: float) -> float:
    """Let threads work from a barrier until the time is over; return what they did a second."""
    done = [0] * threads
    barrier = threading.Barrier(threads + 1)
    errors: list[BaseException] = []

    def run(number: int) -> None:
        source = random.Random(number)
        barrier.wait()
        until_s = time.perf_counter() + seconds
        try:
            while time.perf_counter() < until_s:
                done[number] += work(source)
        except BaseException as error:  # noqa: BLE001 - raised again by the main thread
            errors.append(error)

    workers = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    barrier.wait()
    started_s = time.perf_counter()
    for worker in workers:
        worker.join()
    if errors:
        raise errors[0]
    return sum(done) / (time.perf_counter() - started_s)


class Bench:
    """A ledger over a database, its wallets funded."""

    def __init__(self, url: str) -> None:
        self.database = Database(make_engine(url))
        self.ledger = Ledger(clock=SystemClock())

    @classmethod
    def prepared(cls, url: str) -> Self:
        """Migrate an empty database and fund its wallets."""
        bench = cls(url)
        migrate(bench.database)
        bench._fund()
        return bench

    def _fund(self) -> None:
        budgets = Budgets(clock=SystemClock())
        tokens = UTOK_EACH * (WALLETS + 1)
        amounts = BudgetAmounts(
            daily_limit_nusd=NUSD_PER_USD,
            utok_per_usd=tokens,
            reserve_share_ppm=0,
        )
        with self.database.transaction() as session:
            budgets.define(session, name="bench")
            budgets.set(session, budget="bench", amounts=amounts, actor="bench")
            budgets.open_day(session, "bench")
        grants = [Pair(debit="treasury:bench", credit=wallet(n)) for n in range(WALLETS)]
        grants.append(Pair(debit="treasury:bench", credit=HOT))
        for start in range(0, len(grants), BATCH):
            commands = tuple(
                Move(debit=pair.debit, credit=pair.credit, amount=UTOK_EACH, kind="grant")
                for pair in grants[start : start + BATCH]
            )
            with self.database.transaction() as session:
                self.ledger.post(session, Batch(key=new_key(), commands=commands)).require()

    def post_batch(self, pairs: Sequence[Pair]) -> None:
        """Post an independent batch in a session of its own."""
        batch = Batch(key=new_key(), commands=commands_of(pairs), is_atomic=False)
        with self.database.transaction() as session:
            self.ledger.post(session, batch).require()

    def singles(self, *, threads: int, seconds: float, is_hot: bool = False) -> float:
        """Return single transfers a second through the writer."""
        with Writer(database=self.database, ledger=self.ledger) as writer:

            def post_one(source: random.Random) -> int:
                commands = commands_of(random_pairs(source, 1, is_hot=is_hot))
                writer.post(Batch(key=new_key(), commands=commands)).require()
                return 1

            return rate(post_one, threads=threads, seconds=seconds)

    def batches(self, *, connections: int, seconds: float, is_hot: bool = False) -> float:
        """Return transfers a second in independent batches."""

        def post_batch(source: random.Random) -> int:
            self.post_batch(random_pairs(source, BATCH, is_hot=is_hot))
            return BATCH

        return rate(post_batch, threads=connections, seconds=seconds)

    def grow(self, rows: int) -> None:
        """Add transfers, keys and leaves as they would have come, made by the database itself."""
        with self.database.transaction() as session:
            connection = session.connection()
            for statement in _GROWTH:
                connection.exec_driver_sql(statement, {"rows": rows, "wallets": WALLETS})
            size = connection.exec_driver_sql("SELECT count(*) FROM ledger_log_entries").scalar()
            peaks = tuple(os.urandom(32) for _ in range(int(size or 0).bit_count()))
            frontier = Frontier(size=int(size or 0), peaks=peaks)  # as long as an honest one
            connection.exec_driver_sql(
                "UPDATE ledger_log_head SET size = %(size)s, frontier = %(frontier)s::json",
                {"size": frontier.size, "frontier": json.dumps(frontier.to_json())},
            )
        with self.database.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql("VACUUM ANALYZE")
            connection.exec_driver_sql("CHECKPOINT")  # or the making is written while we measure

    def close(self) -> None:
        """Close the pool."""
        self.database.dispose()
