"""Runs programs in a bounded process: the oracle, and what tells whether a mutant is one."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from breaking.child import text_of

CHILD = Path(__file__).with_name("child.py")
WALL_S = 60.0
"""Of one process; a whole task takes a tenth of a second unless it loops."""

CASE_S = 1.0
"""A mutant's case; the artifact has the same limit."""

ORACLE_CASE_S = 10.0
ORACLE_LINES = 50_000
"""Lines that the right solution may execute in a case, about five milliseconds: lines and not
seconds, so that every machine keeps the same cases."""


class ProcessError(Exception):
    """The process gave no answer: it was killed, or out of time or memory."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """How one call ended: ``answered``, ``error``, ``timeout`` or ``inexpressible``."""

    status: str
    output: Any = None
    error: str = ""

    @property
    def is_answered(self) -> bool:
        """Whether there is an output."""
        return self.status == "answered"


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What a task's own test passes, and what of it JSON cannot carry."""

    calls: list[list[Any]]
    problems: list[str]


def recorded_calls(source: str, entry: str, test: str) -> Recorded:
    """Run the task's test with the right solution."""
    answer = _ask({"work": "record", "source": source, "entry": entry, "test": test})
    return Recorded(calls=answer["calls"], problems=answer["problems"])


def oracle(source: str, inputs: Sequence[Any]) -> list[Result]:
    """Return the right answers of the program's `run`, within so many lines each.

    Raises:
        ProcessError: the process gave no answer.
    """
    answer = _ask(_request(source, inputs, case_s=ORACLE_CASE_S, max_lines=ORACLE_LINES))
    return [Result(**result) for result in answer["results"]]


def repeated(source: str, inputs: Sequence[Any], hash_seed: int) -> list[Result]:
    """Return the answers to inputs that were answered before, under another hash seed.

    Raises:
        ProcessError: the process gave no answer.
    """
    answer = _ask(_request(source, inputs, case_s=ORACLE_CASE_S), hash_seed=hash_seed)
    return [Result(**result) for result in answer["results"]]


def results(source: str, inputs: Sequence[Any]) -> list[Result]:
    """Run a mutant; after a few calls that loop, or one that ends the process, no more."""
    try:
        answer = _ask(_request(source, inputs, case_s=CASE_S))
    except ProcessError:
        return []
    return [Result(**result) for result in answer["results"]]


def loads(source: str) -> bool:
    """Tell whether a program can be loaded."""
    try:
        return "load_error" not in _ask(_request(source, [], case_s=CASE_S))
    except ProcessError:
        return False


def fails(source: str, inputs: Sequence[Any], expected: Sequence[Any]) -> bool:
    """Tell whether a program answers one of the inputs otherwise than expected, or not at all."""
    try:
        answer = _ask(_request(source, inputs, case_s=CASE_S, expected=expected))
    except ProcessError:
        return True  # it took the whole process with it
    last = answer["results"][-1]
    place = len(answer["results"]) - 1
    return last["status"] != "answered" or text_of(last["output"]) != text_of(expected[place])


def _request(
    source: str,
    inputs: Sequence[Any],
    *,
    case_s: float,
    max_lines: int = 0,
    expected: Sequence[Any] | None = None,
) -> dict[str, Any]:
    return {
        "work": "run",
        "source": source,
        "entry": "run",
        "inputs": list(inputs),
        "case_s": case_s,
        "max_lines": max_lines,
        "expected": None if expected is None else list(expected),
    }


def _ask(request: dict[str, Any], *, hash_seed: int = 0) -> dict[str, Any]:
    try:
        done = subprocess.run(
            [sys.executable, "-s", "-P", str(CHILD)],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=WALL_S,
            check=False,
            cwd="/",
            env={"PATH": os.environ.get("PATH", ""), "PYTHONHASHSEED": str(hash_seed)},
        )
        answer: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        raise ProcessError(f"no answer within {WALL_S} s") from error
    except ValueError as error:
        raise ProcessError(f"no answer: {done.stderr[-500:]}") from error
    return answer
