"""Runs a program on inputs; a process of its own, with limits that it sets itself first.

One JSON request on standard input, one JSON answer on standard output. The programs are public
solutions and our mutants of them, not hostile ones: the limits are there for loops and memory.
"""

import copy
import io
import json
import math
import os
import random
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any

MEMORY_BYTES = 1024 * 1024 * 1024
MAX_SEEDS = 60
MAX_TIMEOUTS = 3
"""A mutant that loops so often is not asked further."""

FILE_NAME = "solution.py"
_INTEGER_LIMIT = 2**63


class LateError(BaseException):
    """The case took too long, in seconds or in lines; programs catch Exception at most."""


def main() -> None:
    """Answer the request."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    request = json.load(sys.stdin)
    answer_to = os.fdopen(os.dup(1), "w")
    sys.stdout = io.StringIO()
    random.seed(0)
    work = {"record": record, "run": run}[request["work"]]
    json.dump(work(request), answer_to)
    answer_to.flush()
    os._exit(0)


def load(source: str, name: str, scope: dict[str, Any] | None = None) -> Callable[..., Any]:
    """Execute a program, in a new scope unless one is given; return one of its functions."""
    scope = {"__name__": "solution"} if scope is None else scope
    exec(compile(source, FILE_NAME, "exec"), scope)  # noqa: S102 - this is the process for it
    found: Callable[..., Any] = scope[name]
    return found


def record(request: dict[str, Any]) -> dict[str, Any]:
    """Run the task's own test with its right solution; return the arguments that it passes."""
    scope: dict[str, Any] = {"__name__": "solution"}
    right = load(request["source"], request["entry"], scope)
    calls: list[list[Any]] = []
    problems: list[str] = []

    def candidate(*arguments: Any) -> Any:
        passed = copy.deepcopy(list(arguments))
        answer = right(*arguments)
        found = problem_of(passed) or problem_of(answer)
        if found and found != "a number past 64 bits":
            problems.append(found)
        elif not found and passed not in calls and len(calls) < MAX_SEEDS:
            calls.append(passed)
        return answer

    check = load(request["test"], "check", scope)
    try:
        check(candidate)
    except Exception:  # noqa: BLE001 - a test that fails has passed arguments all the same
        problems.append("the task's own test fails")
    return {"calls": calls, "problems": problems}


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Run a function on inputs, each within its limits.

    With `expected`, end at the first answer that differs.
    """
    try:
        function = load(request["source"], request["entry"])
    except Exception:  # noqa: BLE001 - whatever a program raises is its result
        return {"load_error": traceback.format_exc(limit=-3)}
    results: list[dict[str, Any]] = []
    timeouts = 0
    for place, value in enumerate(request["inputs"]):
        result = run_one(function, value, request)
        results.append(result)
        timeouts += result["status"] == "timeout"
        if timeouts >= MAX_TIMEOUTS and not request["max_lines"]:
            break
        if request["expected"] is not None and differs(result, request["expected"][place]):
            break
    return {"results": results}


def run_one(function: Callable[..., Any], value: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Call the function once; return status and output."""
    signal.signal(signal.SIGALRM, _stop)
    signal.setitimer(signal.ITIMER_REAL, request["case_s"], 0.05)
    try:
        if request["max_lines"]:
            sys.settrace(_LineCounter(request["max_lines"]).on_call)
        output = function(copy.deepcopy(value), None)
    except LateError:
        return {"status": "timeout"}
    except RecursionError:
        return {"status": "error", "error": "RecursionError: maximum recursion depth exceeded"}
    except Exception as error:  # noqa: BLE001 - as above
        return {"status": "error", "error": told(error)}
    finally:
        sys.settrace(None)
        signal.setitimer(signal.ITIMER_REAL, 0)
    problem = problem_of(output)
    if problem:
        return {"status": "inexpressible", "error": problem}
    return {"status": "answered", "output": output}


def differs(result: dict[str, Any], expected: Any) -> bool:
    """Tell whether a result is not the expected answer, by type and value."""
    return result["status"] != "answered" or text_of(result["output"]) != text_of(expected)


def text_of(value: Any) -> str:
    """Write a value so that equal texts are equal values of equal types."""
    return json.dumps(value, sort_keys=True)


def told(error: Exception) -> str:
    """Say what was raised and where in the program."""
    frames = [
        f"  {FILE_NAME}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == FILE_NAME
    ]
    return "\n".join([*frames[-5:], f"{type(error).__name__}: {error}"])


def problem_of(value: Any) -> str:
    """Return why a value is not the same after JSON; "" where it is."""
    if value is None or type(value) in (bool, str):
        return ""
    if type(value) is int:
        return "" if -_INTEGER_LIMIT <= value < _INTEGER_LIMIT else "a number past 64 bits"
    if type(value) is float:
        return "" if math.isfinite(value) else "a number that is not finite"
    if type(value) is list:
        return next(filter(None, map(problem_of, value)), "")
    if type(value) is dict:
        odd = next((key for key in value if type(key) is not str), "")
        if odd != "":
            return f"a key of type {type(odd).__name__}"
        return next(filter(None, map(problem_of, value.values())), "")
    return f"a value of type {type(value).__name__}"


class _LineCounter:
    def __init__(self, most: int) -> None:
        self._left = most

    def on_call(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        return self._on_line if frame.f_code.co_filename == FILE_NAME else None

    def _on_line(self, _frame: FrameType, event: str, _argument: Any) -> Any:
        self._left -= event == "line"
        if self._left < 0:
            raise LateError
        return self._on_line


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise LateError


if __name__ == "__main__":
    main()
