"""What the offline repairer mends of other people's broken code, through the real main job.

    python -m benchmarks.humaneval --json [--tasks N] [--seed S] [--parallel 2]

Breaks HumanEval's solutions with one fault each (examples/humaneval-repair), starts a service in a
folder of its own, submits every task with its own dataset in bulk, and lets `repair` alone search
for at most 60 seconds a task. A task counts as repaired when the judge accepts the finalist on the
held-out cases.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aem.client import Client
from cli.local.embedded import EmbeddedService
from cli.output import print_facts, print_table
from cli.remote.bulk_run import BulkRun, Ending, Terms

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "humaneval-repair"
DATA = ROOT / ".aem" / "data"
TEAM = "humaneval"

SYNTHESIS_S = 60
CASE_RUNS = 1_000_000
"""More than 60 seconds allow: time ends a search, and not the count of its runs."""

TICK_S = 3600
"""Prices stay as they were quoted: a search that takes its minute is to be judged all the same."""

GOAL_SHARE = 0.75
DAILY_NUSD = 100 * 10**9
KAPPA_UTOK = 1_000 * 10**6
MAX_PRICE_UTOK = 100 * 10**6
GRANT_UTOK = 50_000 * 10**6

PASSED_LOSS = 1e-9
"""A finalist with a smaller loss on the dev cases passes all of them."""


@dataclass(frozen=True, kw_only=True)
class Mended:
    """What came of one broken task.

    Attributes:
        name: the task's folder.
        family: of its fault.
        before, after: the right line and the broken one.
        outcome, reason: the order's.
        is_finalist: whether the search had anything to judge.
        passes_dev: whether that passes every dev case.
        is_judged: whether the judge saw it; an order may end before, for want of money.
        runs, variants: what the search spent.
        elapsed_s: the whole order.
    """

    name: str
    family: str
    before: str
    after: str
    outcome: str
    reason: str
    is_finalist: bool
    passes_dev: bool
    is_judged: bool
    runs: int
    variants: int
    elapsed_s: float

    @property
    def is_repaired(self) -> bool:
        """Whether the finalist passed on the held-out cases."""
        return self.outcome == "accepted"

    @property
    def is_overfit(self) -> bool:
        """Whether it passed every dev case and not the held-out ones."""
        return self.passes_dev and self.is_judged and not self.is_repaired


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--tasks", type=int, help="a seeded sample; default all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--sandbox", choices=("auto", "docker", "bubblewrap"), default="auto")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="aem-humaneval-") as folder:
        built = build(Path(folder) / "tasks", seed=given.seed, tasks=given.tasks)
        mended, sandbox = measure(
            Path(folder), built, sandbox=given.sandbox, parallel=given.parallel
        )
    result = summary(built, mended) | {"sandbox": sandbox, "parallel": given.parallel}
    show(result, as_json=given.json)


def build(into: Path, *, seed: int, tasks: int | None) -> dict[str, Any]:
    """Fetch the data if need be and break the tasks; return the report."""
    sample = [] if tasks is None else ["--tasks", str(tasks)]
    for script in (
        [str(ROOT / "scripts" / "fetch_data.py"), "--into", str(DATA)],
        [
            *(str(EXAMPLE / "build.py"), "--data", str(DATA), "--into", str(into)),
            *("--seed", str(seed), *sample),
        ],
    ):
        subprocess.run([sys.executable, *script], check=True, stdout=sys.stderr)
    report: dict[str, Any] = json.loads((into / "report.json").read_text("utf-8"))
    return report


def measure(
    folder: Path, built: dict[str, Any], *, sandbox: str, parallel: int
) -> tuple[list[Mended], str]:
    """Order the repair of every task; return what came of each, and the sandbox's name."""
    broken = [task for task in built["tasks"] if task["status"] == "broken"]
    with EmbeddedService(
        folder / "service",
        sandbox=sandbox,
        synthesis_session_s=str(SYNTHESIS_S),
        synthesis_case_runs=str(CASE_RUNS),
        tick_interval_s=str(TICK_S),
    ) as service:
        client = team_client(service)
        run = BulkRun(client, terms(), parallel=parallel, tell=lambda _folder, _stage: None)
        endings = {}
        for ending in run.run([folder / "tasks" / task["name"] for task in broken]):
            endings[Path(ending.folder).name] = ending
            told = f"{ending.outcome} {ending.reason} {ending.detail}"
            count = f"[{len(endings)}/{len(broken)}]"
            print(
                f"{count} {ending.artifact} {told}, {ending.elapsed_s:.1f} s",
                file=sys.stderr,
                flush=True,
            )
        mended = [outcome(client, task, endings[task["name"]]) for task in broken]
        orders = [client.order(ending.order) for ending in endings.values() if ending.order]
    engines = {
        order["summary"]["validation"]["isolation"]["engine"]
        for order in orders
        if "isolation" in order["summary"].get("validation", {})
    }
    return mended, ", ".join(sorted(engines))


def team_client(service: EmbeddedService) -> Client:
    """Fund the team; return a client with its key."""
    with Client(service.url, service.operator_key) as operator:
        operator.set_budget(TEAM, daily_limit_nusd=DAILY_NUSD, utok_per_usd=KAPPA_UTOK)
        operator.allocate(
            TEAM, to=f"wallet:{TEAM}", amount_utok=GRANT_UTOK, reason="HumanEval, broken"
        )
        key = operator.create_key(role="team", namespace=TEAM)
    return Client(service.url, key["secret"])


def terms() -> Terms:
    """Every order's."""
    return Terms(
        max_price_utok=MAX_PRICE_UTOK,
        channel="production",
        deployment="deploy",
        synthesizer="repair",
        model="",
    )


def outcome(client: Client, task: dict[str, Any], ending: Ending) -> Mended:
    """Read what an order says of its search."""
    if ending.order is None or ending.outcome not in ("accepted", "rejected"):
        raise SystemExit(f"{task['name']} could not be measured: {ending.outcome} {ending.detail}")
    stages = client.order(ending.order)["summary"]
    found = stages.get("synthesis", {})
    spent = found.get("statistics", {})
    is_finalist = bool(found.get("candidates"))
    return Mended(
        name=task["name"],
        family=task["family"],
        before=task["before"],
        after=task["after"],
        outcome=ending.outcome,
        reason=ending.reason,
        is_finalist=is_finalist,
        passes_dev=is_finalist and spent["best_loss"] <= PASSED_LOSS,
        is_judged="report" in stages.get("validation", {}),
        runs=spent.get("runs", 0),
        variants=spent.get("variants", 0),
        elapsed_s=ending.elapsed_s,
    )


def summary(built: dict[str, Any], mended: Sequence[Mended]) -> dict[str, Any]:
    """Put the figures together; shares are of one."""
    repaired = sum(each.is_repaired for each in mended)
    finalists = sum(each.is_finalist for each in mended)
    overfit = sum(each.is_overfit for each in mended)
    drawn = Counter(each.family for each in mended)
    right = Counter(each.family for each in mended if each.is_repaired)
    share = repaired / len(mended)
    elapsed_s = sorted(each.elapsed_s for each in mended)
    return {
        "seed": built["seed"],
        "tasks": len(mended),
        "left_out": {
            task["task"]: f"{task['status']}: {task['reason']}"
            for task in built["tasks"]
            if task["status"] != "broken"
        },
        "repaired": repaired,
        "repaired_share": round(share, 4),
        "goal_share": GOAL_SHARE,
        "holds": share >= GOAL_SHARE,
        "finalists": finalists,
        "overfit": overfit,
        "overfit_share": round(overfit / finalists, 4) if finalists else None,
        "families": {
            name: {"tasks": count, "repaired": right[name]}
            for name, count in sorted(drawn.items())
        },
        "seconds": {
            "median": round(statistics.median(elapsed_s), 1),
            "p90": elapsed_s[math.ceil(0.9 * len(elapsed_s)) - 1],
            "max": elapsed_s[-1],
        },
        "orders": [vars(each) | {"repaired": each.is_repaired} for each in mended],
    }


def show(result: dict[str, Any], *, as_json: bool) -> None:
    """Print one JSON value, or tables."""
    if as_json:
        print(json.dumps(result, indent=2))
        return
    rows = [(name, n["tasks"], n["repaired"]) for name, n in result["families"].items()]
    print_table("Families", ("family", ">tasks", ">repaired"), rows)
    columns = ("name", "family", "reason", "before", "after")
    missed = [order for order in result["orders"] if not order["repaired"]]
    print_table("Not repaired", columns, [[each[c] for c in columns] for each in missed])
    shown = ("tasks", "repaired", "repaired_share", "finalists", "overfit", "sandbox", "seconds")
    print_facts({name: result[name] for name in shown})


if __name__ == "__main__":
    main()
