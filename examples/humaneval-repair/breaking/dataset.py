"""All tasks, or a seeded sample: broken, with their datasets, and a report of what was done."""

import json
import os
import random
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from aem.artifact import Bundle
from breaking.cases import Case, NotExpressibleError, TooFewCasesError, make_cases
from breaking.faults import FAMILIES
from breaking.folders import (
    HOLDOUT_SHARE,
    STRUCTURE_CASES,
    remove,
    write_artifact,
    write_gold,
    write_traces,
)
from breaking.mutator import NoFaultError, broken
from breaking.program import wrapped
from breaking.tasks import Task
from gold import load_dataset

INVARIANTS = 85
"""Of which 51 are held out."""

TRACED = 6
"""Further inputs, for the traces: gold has none of them."""

REPORT = "report.json"

_LEFT_OUT = {
    NotExpressibleError: "not_expressible",
    TooFewCasesError: "too_few_inputs",
    NoFaultError: "no_fault",
}


def build(tasks: Sequence[Task], into: Path, *, seed: int, count: int | None) -> dict[str, Any]:
    """Write a folder for each task that can be broken; return the report, which is written too.

    Args:
        tasks: the data's.
        into: replaced.
        seed: of inputs, faults, and, with `count`, of the sample.
        count: how many broken tasks are wanted; None for all.
    """
    remove(into)
    order = list(tasks)
    if count is not None:
        random.Random(f"sample {seed}").shuffle(order)
    wanted = len(order) if count is None else count
    entries: list[dict[str, Any]] = []
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        while order and _built(entries) < wanted:
            now = order[: wanted - _built(entries)]
            order = order[len(now) :]
            entries += pool.map(partial(build_one, into=into, seed=seed), now)
    entries.sort(key=lambda entry: int(entry["number"]))
    report = _report(entries, seed)
    (into / REPORT).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return report


def build_one(task: Task, *, into: Path, seed: int) -> dict[str, Any]:
    """Break one task, or say why not."""
    entry: dict[str, Any] = {"task": task.id, "number": task.number, "name": task.slug}
    folder = into / task.slug
    try:
        made = _made(task, folder, seed)
    except (NotExpressibleError, TooFewCasesError, NoFaultError) as error:
        remove(folder)
        return entry | {"status": _LEFT_OUT[type(error)], "reason": str(error)}
    return entry | {"status": "broken"} | made


def _made(task: Task, folder: Path, seed: int) -> dict[str, Any]:
    needed = INVARIANTS + STRUCTURE_CASES
    cases = make_cases(task, least=needed, most=needed + TRACED, seed=seed)
    random.Random(f"order {seed} {task.id}").shuffle(cases)
    invariants, others = cases[:INVARIANTS], cases[INVARIANTS:needed]
    write_gold(task, invariants, others, folder / "gold")
    dev, holdout = _parts(folder / "gold")
    mutant = broken(task, dev=dev, holdout=holdout, seed=seed)
    source = wrapped(task, mutant.source)
    artifact = write_artifact(task, source, cases, folder / "artifact")
    traces = write_traces(source, artifact.digest, cases[needed:], folder / "traces.jsonl")
    return {
        "family": mutant.family,
        "line": mutant.line,
        "before": mutant.before,
        "after": mutant.after,
        "faults_drawn": mutant.drawn,
        "dev_cases": len(dev),
        "holdout_cases": len(holdout),
        "traces": traces,
    }


def _parts(folder: Path) -> tuple[list[Case], list[Case]]:
    """Split as the service will: the invariants of each part."""
    dataset = load_dataset(Bundle.from_folder(folder).files)
    dev, holdout = (
        [
            Case(input=case.input, expected=case.expected)
            for case in dataset.cases(part)
            if case.type == "invariant"
        ]
        for part in ("dev", "holdout")
    )
    return dev, holdout


def _built(entries: Sequence[dict[str, Any]]) -> int:
    return sum(entry["status"] == "broken" for entry in entries)


def _report(entries: Sequence[dict[str, Any]], seed: int) -> dict[str, Any]:
    families = Counter(entry["family"] for entry in entries if entry["status"] == "broken")
    total = sum(family.weight for family in FAMILIES)
    return {
        "seed": seed,
        "holdout_share": HOLDOUT_SHARE,
        "counts": dict(sorted(Counter(entry["status"] for entry in entries).items())),
        "families": {
            family.name: {
                "weight": round(family.weight / total, 4),
                "faults": families[family.name],
            }
            for family in FAMILIES
        },
        "tasks": list(entries),
    }
