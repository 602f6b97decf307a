"""One case, in the process that was forked for it."""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from aem.isolation.runner.folder import ARTIFACT_FOLDER
from aem.isolation.runner.stream import write_all

MAX_TRACED_STEPS = 1_000_000
"""Lines that a traced case may execute: about half a second, so that endless loops end."""

TRACED_WALL_SHARE = 0.8
"""When a traced case gives up by itself, of its wall time, so that its lines are still told."""

STEPS_BETWEEN_LOOKS = 1024

MAX_ERROR_CHARACTERS = 4000
MAX_ERROR_FRAMES = 20
MAX_MESSAGE_CHARACTERS = 2000


class Context:
    """What an artifact's entry is given beside its input: brokered calls, of which none yet."""

    def __getattr__(self, name: str) -> NoReturn:
        """Say that nothing is brokered here."""
        raise AttributeError(f"context.{name} is not offered: this sandbox brokers no calls")


class LineTracer:
    """Notes which lines of the artifact's own files are executed.

    Ends the case by itself past `MAX_TRACED_STEPS` or near its deadline: `give_up` must not
    return. An exception would not do, since the candidate could catch it.
    """

    def __init__(self, *, deadline: float, give_up: Callable[[], NoReturn]) -> None:
        """Trace until the deadline, on the monotonic clock."""
        self._deadline = deadline
        self._give_up = give_up
        self._steps = 0
        self._executed: dict[str, set[int]] = {}

    def lines(self) -> dict[str, list[int]]:
        """Return the executed lines, sorted, by path in the artifact."""
        return {
            path.removeprefix(f"{ARTIFACT_FOLDER}/"): sorted(lines)
            for path, lines in self._executed.items()
        }

    def on_call(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        """Decide whether a function's lines are worth noting."""
        path = frame.f_code.co_filename
        if not path.startswith(ARTIFACT_FOLDER):
            return None
        self._executed.setdefault(path, set())
        return self._on_line

    def _on_line(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "line":
            self._executed[frame.f_code.co_filename].add(frame.f_lineno)
            self._steps += 1
            if self._steps % STEPS_BETWEEN_LOOKS == 0 and self._is_over():
                self._give_up()
        return self._on_line

    def _is_over(self) -> bool:
        return self._steps >= MAX_TRACED_STEPS or time.monotonic() >= self._deadline


class CaseProcess:
    """Calls the candidate, writes its output and a report, and exits."""

    def __init__(
        self, *, function: Callable[[Any, Context], Any], output_fd: int, report_fd: int
    ) -> None:
        """Serve one case with the entry's function; the descriptors are the case's own."""
        self._function = function
        self._output_fd = output_fd
        self._report_fd = report_fd
        self._tracer: LineTracer | None = None

    def serve(self, body: bytes) -> NoReturn:
        """Run the case that the request describes."""
        output, status, error = b"", "answered", None
        try:
            request = json.loads(body)
            if request["trace_lines"]:
                self._trace(request["wall_s"])
            result = self._function(request["input"], Context())
            output = json.dumps(result).encode()  # NaN passes: the judge is to see and refuse it
        except MemoryError:
            status, error = "out_of_memory", "MemoryError"
        except BaseException as raised:  # noqa: BLE001 - whatever a candidate raises is its result
            status, error = "error", describe(raised)
        finally:
            sys.settrace(None)
        write_all(self._output_fd, output)
        self._finish(status, error)

    def _trace(self, wall_s: float) -> None:
        deadline = time.monotonic() + wall_s * TRACED_WALL_SHARE
        self._tracer = LineTracer(deadline=deadline, give_up=self._give_up)
        sys.settrace(self._tracer.on_call)

    def _give_up(self) -> NoReturn:
        self._finish("timeout", "the traced run was stopped at its step or time limit")

    def _finish(self, status: str, error: str | None) -> NoReturn:
        lines = None if self._tracer is None else self._tracer.lines()
        report = {"status": status, "error": error, "lines": lines}
        write_all(self._report_fd, json.dumps(report).encode())
        os._exit(0)


def describe(error: BaseException) -> str:
    """Say what was raised and where in the artifact, bounded; survives hostile exceptions."""
    try:
        message = str(error)[:MAX_MESSAGE_CHARACTERS]
    except BaseException:  # noqa: BLE001 - __str__ is the candidate's code too
        message = "(its message cannot be read)"
    places = [
        (frame.f_code.co_filename, line, f" in {frame.f_code.co_name}")
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    if isinstance(error, SyntaxError):
        places.append((str(error.filename), error.lineno or 0, ""))
    own = [
        f"  {path.removeprefix(f'{ARTIFACT_FOLDER}/')}:{line}{name}"
        for path, line, name in places
        if path.startswith(ARTIFACT_FOLDER)
    ]
    told = "\n".join([*own[-MAX_ERROR_FRAMES:], f"{type(error).__name__}: {message}"])
    return told[-MAX_ERROR_CHARACTERS:]
