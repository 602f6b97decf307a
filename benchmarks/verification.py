"""How fast an export is verified, beside a bare loop over the same records.

    python -m benchmarks.verification [--json] [--records N] [--runs N]

A ledger on SQLite posts transfers and settled attempts; its export is verified as an auditor does
it: the file is read from disk and unpacked; leaves, tree, signatures, balances and citations are
checked. The bare loop has the records in memory and does what nobody can leave out: `json.loads`
and two SHA-256 (a leaf and a node of the tree) for each.
"""

import argparse
import gzip
import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from sqlalchemy.orm import Session

from aem.proof.audit import verify_export
from api.checkpointing import CheckpointLoop
from api.migration import migrate
from benchmarks.figures import Figure, compare, show
from core.clock import SystemClock
from core.database import Database, make_engine
from core.signing import KeyFileSigner
from ledger import (
    AttemptRequest,
    Batch,
    BudgetAmounts,
    Budgets,
    Checkpoints,
    Export,
    Ledger,
    Metering,
    Move,
    UsageLine,
)

RECORDS = 100_000
RUNS = 5
LEAST_RATIO = 0.5
"""Of the bare loop's records per second."""

ORIGIN = "benchmark"
TOKEN = 1_000_000
WALLETS = 100
BATCH_ROWS = 500
ATTEMPTS_PER_BATCH = 5
CHECKPOINT_BATCHES = 10
RECORD_PREFIX = b'{"fields":'


def figures(*, records: int = RECORDS, runs: int = RUNS) -> list[Figure]:
    """Measure verification and the bare loop in turns; records per second."""
    with tempfile.TemporaryDirectory() as folder:
        path = _export(Path(folder), records)
        with gzip.open(path) as file:
            lines = [line[:-1] for line in file if line.startswith(RECORD_PREFIX)]
        speeds: dict[str, list[float]] = {"verified": [], "bare": []}
        for _ in range(runs):
            speeds["verified"].append(_speed(len(lines), lambda: _verify(path)))
            speeds["bare"].append(_speed(len(lines), lambda: _bare(lines)))
    return [
        compare(
            "verification of an export",
            speeds["verified"],
            speeds["bare"],
            unit="records/s",
            at_least_ratio=LEAST_RATIO,
        )
    ]


def _speed(records: int, work: Callable[[], None]) -> float:
    started_s = time.perf_counter()
    work()
    return records / (time.perf_counter() - started_s)


def _verify(path: Path) -> None:
    with path.open("rb") as stream:
        report = verify_export(stream)
    if not report.verified:
        raise AssertionError(f"the export is not verified: {report.first_bad}")


def _bare(lines: list[bytes]) -> None:
    node = bytes(32)
    for line in lines:
        json.loads(line)
        node = hashlib.sha256(b"\x01" + node + hashlib.sha256(b"\x00" + line).digest()).digest()


def _export(folder: Path, records: int) -> Path:
    """Fill a ledger of its own and write its export."""
    database = Database(make_engine(f"sqlite:///{folder / 'ledger.db'}"))
    migrate(database)
    clock, signer = SystemClock(), KeyFileSigner(folder / "keys")
    signer.create_missing()
    signing = CheckpointLoop(
        database, Checkpoints(clock=clock, signer=signer, origin=ORIGIN), interval_s=1.0
    )
    ledger, metering = Ledger(clock=clock), Metering(clock=clock)
    _fund(database, Budgets(clock=clock))
    written = 0
    for number, batch in enumerate(_batches()):
        with database.transaction() as session:
            written += len(ledger.post(session, batch).require())
            for attempt in range(ATTEMPTS_PER_BATCH):
                _work(metering, session, f"{number}-{attempt}")
        if number % CHECKPOINT_BATCHES == 0:
            signing.sign_now()
        if written >= records:
            break
    signing.sign_now()
    path = folder / "export.jsonl.gz"
    with database.reading() as session, gzip.open(path, "wb", compresslevel=3) as file:
        for line in Export(signer=signer, origin=ORIGIN).lines(session):
            file.write(line + b"\n")
    database.dispose()
    return path


def _fund(database: Database, budgets: Budgets) -> None:
    with database.transaction() as session:
        budgets.define(session, name="acme")
        amounts = BudgetAmounts(daily_limit_nusd=10**15, utok_per_usd=1_000 * TOKEN)
        budgets.set(session, budget="acme", amounts=amounts, actor="benchmark")
        for wallet in range(WALLETS):
            budgets.allocate(
                session,
                key=str(wallet),
                budget="acme",
                to=f"wallet:acme.{wallet}",
                amount_utok=1_000_000 * TOKEN,
                reason="benchmark",
            )


def _work(metering: Metering, session: Session, attempt_id: str) -> None:
    request = AttemptRequest(
        attempt_id=attempt_id,
        budget="acme",
        owner="acme.1",
        payer="wallet:acme.1",
        provider="sandbox",
        resource="sandbox-second",
        bound_nusd=1_000_000,
        bound_utok=2_000_000,
        reference="order",
    )
    line = UsageLine(
        resource="sandbox-second",
        quantity=100,
        unit="ms",
        base_price_pusd=1_000_000,
        unit_price_pusd=1_100_000,
    )
    metering.admit(session, request)
    metering.settle(session, attempt_id=attempt_id, lines=[line])


def _batches() -> Iterator[Batch]:
    """Yield batches of moves among the wallets, without end."""
    for number in count():
        moves = tuple(
            Move(
                debit=f"wallet:acme.{place % WALLETS}",
                credit=f"wallet:acme.{(place + 1) % WALLETS}",
                amount=1 + place,
                kind="benchmark",
                reference=f"order-{number}",
            )
            for place in range(BATCH_ROWS)
        )
        yield Batch(key=str(number), commands=moves)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", dest="as_json")
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--runs", type=int, default=RUNS)
    chosen = parser.parse_args()
    show(figures(records=chosen.records, runs=chosen.runs), as_json=chosen.as_json)


if __name__ == "__main__":
    main()
