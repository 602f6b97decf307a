"""A broken task as folders: the artifact, its gold dataset, and traces of calls that failed."""

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aem.artifact import Bundle
from breaking.cases import Case
from breaking.process import CASE_S, results
from breaking.tasks import Task

NAMESPACE = "humaneval"
STRUCTURE_CASES = 4
"""The axis is never waived; two on each side of the split."""

HOLDOUT_SHARE = 0.6
MAX_TRACES = 5

ARTIFACT_TOML = """\
name = "{name}"
kind = "python"
entry = "solution:run"
input_schema = "schema/input.json"
output_schema = "schema/output.json"
requires = []

[limits]
wall_s = {wall_s}
memory_bytes = 268435456
output_bytes = 65536
"""

GOLD_TOML = """\
name = "{name}-gold"
description = "{id}: inputs by type, with the answers of the data's own right solution"

[axes.strict_structure]
output_schema = "schema/output.json"

[split]
holdout_share = {holdout_share}

[waived]
business_logic = "a pure function has one right answer to each input: the invariants ask for it"
context_robustness = "the inputs are values, not conversations with entities in them"
anti_hallucination = "the inputs state no facts: none can be planted, nothing is to be refused"
"""

_TYPES = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


def write_gold(task: Task, invariants: Sequence[Case], others: Sequence[Case], into: Path) -> None:
    """Write the dataset; `others` are asked for their structure only."""
    name = f"{NAMESPACE}/{task.slug}"
    _write(
        into / "gold.toml",
        GOLD_TOML.format(name=name, id=task.id, holdout_share=HOLDOUT_SHARE),
    )
    answers = [case.expected for case in (*invariants, *others)]
    _write(into / "schema" / "output.json", _json(schema_of(answers)))
    _write_lines(
        into / "cases" / "invariant.jsonl",
        (
            _case(f"i{number:03d}", "invariant", case.input) | {"expected": case.expected}
            for number, case in enumerate(invariants)
        ),
    )
    _write_lines(
        into / "cases" / "structure.jsonl",
        (_case(f"s{n:03d}", "structure", case.input) for n, case in enumerate(others)),
    )


def write_artifact(task: Task, source: str, cases: Sequence[Case], into: Path) -> Bundle:
    """Write the artifact of a wrapped source; return it."""
    properties = {
        name: schema_of([case.input[name] for case in cases if name in case.input])
        for name in task.parameters
    }
    required = [name for name in task.parameters if all(name in case.input for case in cases)]
    schema = {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
    _write(
        into / "artifact.toml",
        ARTIFACT_TOML.format(name=f"{NAMESPACE}/{task.slug}", wall_s=CASE_S),
    )
    _write(into / "solution.py", source)
    _write(into / "schema" / "input.json", _json(schema))
    _write(into / "schema" / "output.json", _json(schema_of([case.expected for case in cases])))
    return Bundle.from_folder(into)


def write_traces(source: str, version: str, cases: Sequence[Case], into: Path) -> int:
    """Write the calls among the cases that the broken program answers wrongly; count them."""
    lines = []
    answers = results(source, [case.input for case in cases])
    for case, result in zip(cases, answers, strict=False):
        if result.is_answered and _json(result.output) == _json(case.expected):
            continue
        number = len(lines) + 1
        told = (
            {"output": result.output}
            if result.is_answered
            else {"error": result.error or f"no answer within {CASE_S} s"}
        )
        lines.append(
            {
                "id": f"call-{number}",
                "at": f"2026-01-05T09:30:{number:02d}Z",
                "version": version,
                "input": case.input,
                **told,
                "feedback": {"score": 0, "corrected_output": case.expected},
            }
        )
    _write_lines(into, lines[:MAX_TRACES])
    return len(lines[:MAX_TRACES])


def remove(folder: Path) -> None:
    """Remove what an earlier build left."""
    shutil.rmtree(folder, ignore_errors=True)


def schema_of(values: Iterable[Any]) -> dict[str, Any]:
    """Return a schema of the types that the values have, and their items."""
    found = list(values)
    names = sorted({_TYPES[type(value)] for value in found})
    if "number" in names and "integer" in names:
        names.remove("integer")
    schema: dict[str, Any] = {"type": names[0] if len(names) == 1 else names}
    items = [item for value in found if isinstance(value, list) for item in value]
    if items:
        schema["items"] = schema_of(items)
    return schema


def _case(name: str, kind: str, value: Any) -> dict[str, Any]:
    """Make a case with a group of its own: every input was made by itself."""
    return {"id": name, "type": kind, "group": name, "input": value}


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True) + "\n"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def _write_lines(path: Path, values: Iterable[Mapping[str, Any]]) -> None:
    _write(path, "".join(json.dumps(value, separators=(",", ":")) + "\n" for value in values))
