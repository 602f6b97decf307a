"""An order's stages, each beside the bare cost of its work.

    python -m benchmarks.order [--json] [--runs N] [--sandbox docker|bubblewrap]

Every run builds a service in a fresh folder, publishes a faulty artifact, then orders its repair;
between the service's stages the same work is done bare: the same search in a sandbox session, the
same cases and the same judge, one durable row, one Git commit. The order's own time is what is
left of it without synthesis, sandbox and judge; a sandbox is counted while its session is open.
"""

import argparse
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aem.artifact import Bundle
from api.composition import Service, build_service
from api.settings import Settings
from benchmarks.figures import Figure, compare, show
from core.money import NUSD_PER_USD, UTOK_PER_TOKEN
from core.principals import Principal, Role
from devops_agent import (
    Deployment,
    Order,
    OrderRequest,
    RepairSynthesizer,
    Submission,
)
from devops_agent.evaluation import SandboxEvaluator, dev_case
from devops_agent.sessions import session_limits
from devops_agent.synthesis import SynthesisContext, Tools
from gold import CaseOutcome, GoldDataset, Judge, load_dataset
from ledger import BudgetAmounts
from sandbox import Sandbox, SandboxLimits, SandboxSession, select_sandbox

DATA = Path(__file__).parents[1] / "tests" / "data"
AGENT = Principal(id="bench", role=Role.AGENT, namespace="acme", owner="acme.bot")
MAX_OUTSIDE_S = 1.0
CASE_RUNS = 1_500
"""Enough to repair the small artifact; the same for the service and for the bare search."""

SESSION_MS = 120_000
PATIENCE_S = 300.0
LOOK_INTERVAL_S = 0.005


class Run:
    """Measures one order and its bare work."""

    def __init__(self, sandbox: "TimedSandbox") -> None:
        self._sandbox = sandbox
        self._gold = Bundle.from_folder(DATA / "gold-small")
        self._faulty = Bundle.from_folder(DATA / "artifact-faulty")
        self._dataset = load_dataset(self._gold.files)

    def measure(self, folder: Path) -> dict[str, float]:
        """Return seconds by name."""
        folder.mkdir()
        bare = self._bare(folder)
        with running(folder / "service", self._sandbox) as service:
            gold = prepare(service, self._gold)
            self._order(service, gold, candidate=self._faulty)
            opened_s = self._sandbox.open_s
            started_s = time.perf_counter()
            order, submit_s = self._order(service, gold, candidate=None)
            whole_s = time.perf_counter() - started_s
            events = service.parts.events.read(f"order:{order.id}")
        at = {event.kind: event.at for event in events}

        def between(first: str, last: str) -> float:
            return (at[last] - at[first]).total_seconds()

        return bare | {
            "submit": submit_s,
            "queue": between("escrowed", "ingested"),
            "synthesis": between("synthesizing", "validating"),
            "validation": between("validating", "published"),
            "publication": between("published", "settled"),
            "order": whole_s,
            "outside": whole_s - (self._sandbox.open_s - opened_s) - bare["bare judge"],
        }

    def _order(
        self, service: Service, gold: str, *, candidate: Bundle | None
    ) -> tuple[Order, float]:
        """Submit, wait for the end; return the order and how long submitting took."""
        parts = service.parts
        request = OrderRequest(
            artifact=self._faulty.manifest.name,
            channel="production",
            gold=gold,
            max_price_utok=100 * UTOK_PER_TOKEN,
            deployment=Deployment.DEPLOY,
            synthesizer="candidate" if candidate else "repair",
        )
        started_s = time.perf_counter()
        submission = Submission.read(
            artifact=self._faulty.to_archive(),
            traces=b"",
            candidate=candidate.to_archive() if candidate else None,
        )
        with parts.database.transaction() as session:
            order = parts.orders.submit(session, AGENT, request, submission)
        submit_s = time.perf_counter() - started_s
        deadline_s = time.monotonic() + PATIENCE_S
        while not order.state.is_final and time.monotonic() < deadline_s:
            time.sleep(LOOK_INTERVAL_S)
            with parts.database.reading() as session:
                order = parts.orders.get(session, AGENT, order.id)
        if order.version_digest is None:
            raise SystemExit(f"the order was {order.outcome}: {order.reason}")
        return order, submit_s

    def _bare(self, folder: Path) -> dict[str, float]:
        row_s = timed(lambda: durable_row(folder, self._faulty.to_archive()))
        started_s = time.perf_counter()
        repaired = bare_synthesis(self._sandbox, self._dataset, self._faulty)
        synthesis_s = time.perf_counter() - started_s
        sandbox_s, judge_s = bare_validation(self._sandbox, self._dataset, repaired, self._faulty)
        commit_s = timed(lambda: git_commit(folder, repaired))
        return {
            "bare row": row_s,
            "bare synthesis": synthesis_s,
            "bare validation": sandbox_s + judge_s,
            "bare judge": judge_s,
            "bare commit": commit_s,
            "bare": row_s + synthesis_s + sandbox_s + judge_s + commit_s,
        }


class TimedSandbox:
    """Passes everything on and adds up the seconds that sessions are open."""

    def __init__(self, inner: Sandbox) -> None:
        self._inner = inner
        self.open_s = 0.0

    @property
    def name(self) -> str:
        """The inner sandbox's."""
        return self._inner.name

    def isolation(self) -> Mapping[str, Any]:
        """Return the inner sandbox's."""
        return self._inner.isolation()

    def close(self) -> None:
        """Stay open: a service that stops closes its sandbox, and the next run needs it."""

    def close_for_good(self) -> None:
        """Close the inner sandbox."""
        self._inner.close()

    def open(self, *, limits: SandboxLimits, label: str) -> SandboxSession:
        """Open a session whose closing stops the watch."""
        started_s = time.perf_counter()
        session = self._inner.open(limits=limits, label=label)
        close = session.close

        def timed_close() -> None:
            nonlocal started_s
            close()
            self.open_s += time.perf_counter() - started_s
            started_s = time.perf_counter()

        session.close = timed_close  # type: ignore[method-assign]
        return session


@contextmanager
def running(folder: Path, sandbox: Sandbox) -> Iterator[Service]:
    settings = Settings(
        data_folder=folder,
        synthesis_case_runs=CASE_RUNS,
        synthesis_session_s=SESSION_MS // 1000,
    )
    service = build_service(settings, sandbox=sandbox)
    service.start()
    try:
        yield service
    finally:
        service.stop()


def prepare(service: Service, gold: Bundle) -> str:
    """Set a budget, fund the agent, freeze the dataset; return its digest."""
    parts = service.parts
    amounts = BudgetAmounts(daily_limit_nusd=5 * NUSD_PER_USD, utok_per_usd=1_000 * UTOK_PER_TOKEN)
    with parts.database.transaction() as session:
        parts.budgets.define(session, name="acme")
        parts.budgets.set(session, budget="acme", amounts=amounts, actor="bench")
        parts.budgets.allocate(
            session,
            key="grant",
            budget="acme",
            to="wallet:acme.bot",
            amount_utok=1_000 * UTOK_PER_TOKEN,
            reason="benchmark",
        )
        return parts.gold.freeze(session, owner="acme", files=gold.files).digest


def bare_synthesis(sandbox: Sandbox, dataset: GoldDataset, faulty: Bundle) -> Bundle:
    """Search for the repair in one sandbox session, and nothing else."""
    session = sandbox.open(limits=session_limits(faulty, SESSION_MS), label="bare")
    try:
        evaluator = SandboxEvaluator(
            session=session,
            dataset=dataset,
            cases=dataset.cases("dev"),
            runs_max=CASE_RUNS,
            session_s=SESSION_MS / 1000,
        )
        context = SynthesisContext(
            bundle=faulty, dev_cases=[dev_case(case) for case in dataset.cases("dev")]
        )
        tools = Tools(evaluator=evaluator, progress=lambda _progress: None)
        found = RepairSynthesizer().synthesize(context, tools)
    finally:
        session.close()
    return found.candidates[0].bundle


def bare_validation(
    sandbox: Sandbox, dataset: GoldDataset, new: Bundle, old: Bundle
) -> tuple[float, float]:
    """Run both on the holdout and judge; return the seconds in sandboxes and in the judge."""
    started_s = time.perf_counter()
    outcomes = [run_holdout(sandbox, dataset, bundle) for bundle in (new, old)]
    judging_s = time.perf_counter()
    Judge().judge(
        dataset=dataset,
        part="holdout",
        candidate=outcomes[0],
        incumbent=outcomes[1],
        best_scenario_share=None,
        try_number=2,
        seed=0,
    )
    return judging_s - started_s, time.perf_counter() - judging_s


def run_holdout(
    sandbox: Sandbox, dataset: GoldDataset, bundle: Bundle
) -> Mapping[str, Sequence[CaseOutcome]]:
    """Run the holdout's cases in a session of their own."""
    session = sandbox.open(limits=session_limits(bundle, SESSION_MS), label="bare")
    outcomes = {}
    try:
        session.load("bare", bundle)
        for case in dataset.cases("holdout"):
            run = session.run("bare", case.id, case.input)
            outcomes[case.id] = [
                CaseOutcome(case_id=case.id, status=run.status, output_text=run.output_text)
            ]
    finally:
        session.close()
    return outcomes


def durable_row(folder: Path, content: bytes) -> None:
    """Commit one row to a database with the service's durability."""
    database = sqlite3.connect(folder / "bare.db")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE IF NOT EXISTS bare (content BLOB)")
    with database:
        database.execute("INSERT INTO bare VALUES (?)", (content,))
    database.close()


def git_commit(folder: Path, bundle: Bundle) -> None:
    """Commit the files with git."""
    work = folder / "git"
    bundle.write_to(work)
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "bare"]):
        subprocess.run(["git", "-C", str(work), *command], check=True)


def timed(work: Callable[[], Any]) -> float:
    """Return how many seconds the work takes."""
    started_s = time.perf_counter()
    work()
    return time.perf_counter() - started_s


def figures(runs: Sequence[Mapping[str, float]]) -> list[Figure]:
    """Put the runs' seconds side by side."""

    def of(name: str) -> list[float]:
        return [seconds[name] for seconds in runs]

    return [
        compare("submit, beside one durable row", of("submit"), of("bare row"), unit="s"),
        compare("from escrow to ingestion", of("queue"), unit="s"),
        compare(
            "synthesis, beside the bare search", of("synthesis"), of("bare synthesis"), unit="s"
        ),
        compare(
            "validation, beside the bare judging",
            of("validation"),
            of("bare validation"),
            unit="s",
        ),
        compare(
            "publication to settlement, beside a git commit",
            of("publication"),
            of("bare commit"),
            unit="s",
        ),
        compare("whole order, beside its bare work", of("order"), of("bare"), unit="s"),
        compare(
            "time outside synthesis, sandbox and judge",
            of("outside"),
            unit="s",
            at_most=MAX_OUTSIDE_S,
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--sandbox", choices=("auto", "docker", "bubblewrap"), default="auto")
    options = parser.parse_args()
    sandbox = TimedSandbox(select_sandbox(options.sandbox).sandbox)
    with tempfile.TemporaryDirectory(prefix="aem-bench-") as folder:
        runs = [Run(sandbox).measure(Path(folder) / str(n)) for n in range(options.runs)]
    sandbox.close_for_good()
    show(figures(runs), as_json=options.json)


if __name__ == "__main__":
    main()
