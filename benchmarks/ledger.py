"""The ledger's speed, beside pgbench's TPC-B and bare SQL, taken in turns in the same run.

    python -m benchmarks.ledger [--json] [--rounds N] [--seconds S] [--growth ROWS]

The service object is called from threads, without HTTP, on a PostgreSQL cluster that the benchmark
starts with `benchmarks.postgres.SETTINGS` (fsync on), and on SQLite. Single transfers go through
the group-commit writer, each caller waiting for its own; batches are independent ones of 500, in
sessions of their own. Bare SQL writes the same rows in sets of the same size over as many
connections, without tree, keys and rules. Verification is that of an export
(`benchmarks.verification`). A figure's spread is that of its rounds.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks import verification
from benchmarks.bare_ledger import BarePostgres, BareSqlite
from benchmarks.figures import Figure, compare, show
from benchmarks.ledger_load import BATCH, Bench, random_pairs, rate
from benchmarks.postgres import SETTINGS, Cluster

CLIENTS = 32
CONNECTIONS = 2
"""Posting in batches: as many as the machine had processors on which the goals were set."""

SCALE = 32
"""Of TPC-B: at least the number of its clients, or they wait for each other's branch."""

SMALL_ROWS = 100_000

Runs = dict[str, list[float]]
Measure = Callable[[], float]


class Measures:
    """What is measured in each round, by name, in the order of measuring."""

    def __init__(self, cluster: Cluster, folder: Path, *, seconds: float, growth: int) -> None:
        self._cluster = cluster
        self._folder = folder
        self._seconds = seconds
        self._growth = growth

    def all(self) -> dict[str, Measure]:
        """Prepare everything; return the measures."""
        return {
            **self._postgres(),
            **self._processes(),
            **self._grown(),
            **self._sqlite(),
        }

    def _postgres(self) -> dict[str, Measure]:
        cluster, seconds = self._cluster, self._seconds
        bench = Bench.prepared(cluster.create("ledger"))
        bare = BarePostgres(cluster.address("ledger"))
        bare.copy_tables()
        cluster.fill_pgbench(scale=SCALE)
        batches = partial(bench.batches, connections=CONNECTIONS, seconds=seconds)
        return {
            "tpc-b 32": lambda: cluster.pgbench(clients=CLIENTS, seconds=seconds),
            "single 32": lambda: bench.singles(threads=CLIENTS, seconds=seconds),
            "tpc-b 1": lambda: cluster.pgbench(clients=1, seconds=seconds),
            "single 1": lambda: bench.singles(threads=1, seconds=seconds),
            "bare": lambda: self._bare(bare, is_hot=False),
            "batches": batches,
            "bare hot": lambda: self._bare(bare, is_hot=True),
            "batches hot": partial(batches, is_hot=True),
            "single hot 32": lambda: bench.singles(threads=CLIENTS, seconds=seconds, is_hot=True),
        }

    def _bare(self, bare: BarePostgres, *, is_hot: bool) -> float:
        free = [bare.connect() for _ in range(CONNECTIONS)]
        opened = list(free)

        def post(source: random.Random) -> int:
            connection = free.pop()
            connection.post(random_pairs(source, BATCH, is_hot=is_hot))
            free.append(connection)
            return BATCH

        try:
            return rate(post, threads=CONNECTIONS, seconds=self._seconds)
        finally:
            for connection in opened:
                connection.close()

    def _processes(self) -> dict[str, Measure]:
        url = self._cluster.create("processes")
        Bench.prepared(url).close()
        return {
            "one process": lambda: in_processes(url, count=1, seconds=self._seconds),
            "two processes": lambda: in_processes(url, count=2, seconds=self._seconds),
        }

    def _grown(self) -> dict[str, Measure]:
        measures: dict[str, Measure] = {}
        for name, rows in (("small", SMALL_ROWS), ("grown", self._growth)):
            bench = Bench.prepared(self._cluster.create(name))
            bench.grow(rows)
            measures |= self._growing(bench, name)
        return measures

    def _growing(self, bench: Bench, name: str) -> dict[str, Measure]:
        seconds = self._seconds
        return {
            f"single {name}": lambda: bench.singles(threads=CLIENTS, seconds=seconds),
            f"batches {name}": lambda: bench.batches(connections=CONNECTIONS, seconds=seconds),
        }

    def _sqlite(self) -> dict[str, Measure]:
        path = self._folder / "ledger.db"
        bench = Bench.prepared(f"sqlite:///{path}")
        bare = BareSqlite(path)

        def bare_rate(size: int) -> float:
            def post(source: random.Random) -> int:
                bare.post(random_pairs(source, size))
                return size

            return loop(post, self._seconds)

        return {
            "sqlite bare 1": lambda: bare_rate(1),
            "sqlite single 32": lambda: bench.singles(threads=CLIENTS, seconds=self._seconds),
            "sqlite single 1": lambda: bench.singles(threads=1, seconds=self._seconds),
            "sqlite bare": lambda: bare_rate(BATCH),
            "sqlite batches": lambda: bench.batches(connections=1, seconds=self._seconds),
        }


def loop(work: Callable[[random.Random], int], seconds: float) -> float:
    """Work in this thread, whose SQLite's connection is; return what it did a second."""
    source = random.Random(0)
    started_s = time.perf_counter()
    done = 0
    while time.perf_counter() - started_s < seconds:
        done += work(source)
    return done / (time.perf_counter() - started_s)


def in_processes(url: str, *, count: int, seconds: float) -> float:
    """Return the single transfers a second of service processes together."""
    command = [sys.executable, "-m", "benchmarks.ledger", "--work", url, "--seconds", str(seconds)]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    for worker in workers:
        if worker.stdout is None or worker.stdout.readline() != "ready\n":
            raise SystemExit("a service process of the benchmark did not start")
    for worker in workers:
        if worker.stdin is not None:
            worker.stdin.write("go\n")
            worker.stdin.flush()
    return sum(float(worker.communicate()[0]) for worker in workers)


def work(url: str, seconds: float) -> None:
    """Be one of those processes."""
    bench = Bench(url)
    print("ready", flush=True)
    sys.stdin.readline()
    print(bench.singles(threads=CLIENTS, seconds=seconds))
    bench.close()


def measure(measures: dict[str, Measure], rounds: int) -> Runs:
    """Take all measures in turns, the order reversed every other round."""
    runs: Runs = defaultdict(list)
    names = list(measures)
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            runs[name].append(measures[name]())
            print(f"round {number + 1}: {name} {runs[name][-1]:.0f}/s", file=sys.stderr)
    return runs


GOALS: Sequence[tuple[str, str, str, float | None]] = (
    ("single transfers, 32 threads; TPC-B, 32 clients", "single 32", "tpc-b 32", 1.5),
    ("single transfers, 1 thread; TPC-B, 1 client", "single 1", "tpc-b 1", None),
    ("independent batches; bare sets", "batches", "bare", 0.4),
    ("independent batches; TPC-B, 32 clients", "batches", "tpc-b 32", 2.0),
    ("batches into one hot account; bare sets", "batches hot", "bare hot", 0.4),
    ("single transfers into one hot account; TPC-B, 32", "single hot 32", "tpc-b 32", None),
    ("two service processes; one", "two processes", "one process", 1.0),
    ("SQLite: single transfers, 32 threads; bare loop", "sqlite single 32", "sqlite bare 1", None),
    ("SQLite: single transfers, 1 thread; bare loop", "sqlite single 1", "sqlite bare 1", None),
    ("SQLite: independent batches; bare loop", "sqlite batches", "sqlite bare", None),
)


def figures(runs: Runs, growth: int) -> list[Figure]:
    """Put the runs side by side."""
    found = [
        compare(name, runs[ours], runs[theirs], unit="/s", at_least_ratio=goal)
        for name, ours, theirs, goal in GOALS
    ]
    for what in ("single", "batches"):
        name = f"{what} at {growth:,} transfers; at {SMALL_ROWS:,}"
        grown, small = runs[f"{what} grown"], runs[f"{what} small"]
        found.append(compare(name, grown, small, unit="/s", at_least_ratio=0.75))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measure")
    parser.add_argument(
        "--growth", type=int, default=500_000, help="transfers before; soak: 10000000"
    )
    parser.add_argument("--work", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, options.seconds)
        return
    print(f"PostgreSQL with {dict(SETTINGS)}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="aem-bench-") as folder, Cluster() as cluster:
        measures = Measures(
            cluster, Path(folder), seconds=options.seconds, growth=options.growth
        ).all()
        runs = measure(measures, options.rounds)
    found = [*figures(runs, options.growth), *verification.figures(runs=options.rounds)]
    show(found, as_json=options.json)


if __name__ == "__main__":
    main()
