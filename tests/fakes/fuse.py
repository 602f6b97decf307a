"""A fuse in a process: it counts what the process does for its order, and kills it at one moment.

The moments are the boundaries at which a crash can tell: each reading of the clock, before and
after each commit (the house's own, and those in which the workflow engine keeps its record),
around and in the middle of each sandbox session and each model call, before each program that is
started. Only what
the order's own threads do is counted, so that every run counts the same.
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.pool import Pool

from aem.artifact import Bundle
from market import Upstream, UpstreamReply
from market.upstream import _BoundedStream
from sandbox import CaseRun, LoadOutcome, Sandbox, SandboxLimits, SandboxSession, SandboxUsage
from tests.fakes.clock import FakeClock

WORKFLOW_THREADS = "dbos-executor-"
MIDDLE_CASE = 3
CASE_RUNS = "case runs"
ROOMS = ("devops_agent", "registry", "api")
STEPS = ("transaction", "external")
"""The functions of `devops_agent.durable` that run a named step."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One moment of a run.

    Attributes:
        number: from 1.
        kind: what was about to happen, or had just happened.
        step: the order's step that it belongs to.
        place: the service's innermost function at it.
    """

    number: int
    kind: str
    step: str
    place: str


class Fuse:
    """Writes the moments of a run to a journal, and burns at the one with a given number.

    What happens then is SIGKILL, unless something else is set as `burn`.
    """

    def __init__(self, journal: Path, *, burns_at: int | None) -> None:
        self.burn: Callable[[], None] = _kill
        self._journal = journal.open("w")
        self._burns_at = burns_at
        self._number = 0
        self._lock = threading.Lock()
        self._local = threading.local()
        event.listen(Engine, "commit", self._before_commit)
        event.listen(Pool, "checkin", self._after_commit)
        sys.addaudithook(self._before_program)

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count this thread's moments too; those of workflows always count."""
        self._local.counts = True
        try:
            yield
        finally:
            self._local.counts = False

    def reach(self, kind: str) -> None:
        is_workflow = threading.current_thread().name.startswith(WORKFLOW_THREADS)
        if not is_workflow and not getattr(self._local, "counts", False):
            return
        with self._lock:
            self._number += 1
            moment = _moment(self._number, kind, sys._getframe())
            self._journal.write(json.dumps(asdict(moment)) + "\n")
            self._journal.flush()
            if self._number == self._burns_at:
                self.burn()

    def _before_commit(self, _connection: Any) -> None:
        self.reach("commit")
        self._local.committed = True

    def _after_commit(self, _connection: Any, _record: Any) -> None:
        if getattr(self._local, "committed", False):
            self._local.committed = False
            self.reach("committed")

    def _before_program(self, name: str, _arguments: Any) -> None:
        if name == "subprocess.Popen":
            self.reach("program")


def read_journal(journal: Path) -> list[Moment]:
    return [Moment(**json.loads(line)) for line in journal.read_text().splitlines()]


class FuseClock(FakeClock):
    """Stands still, and counts how often it is read."""

    def __init__(self, fuse: Fuse, start: datetime) -> None:
        super().__init__(start)
        self._fuse = fuse

    def now(self) -> datetime:
        self._fuse.reach("clock")
        return super().now()


class FuseSandbox:
    """Implements `Sandbox` on another one; its sessions count when they open, run, and close."""

    def __init__(self, fuse: Fuse, sandbox: Sandbox) -> None:
        self._fuse = fuse
        self._sandbox = sandbox

    @property
    def name(self) -> str:
        return self._sandbox.name

    def isolation(self) -> Mapping[str, Any]:
        return self._sandbox.isolation()

    def open(self, *, limits: SandboxLimits, label: str) -> "FuseSession":
        self._fuse.reach("sandbox opens")
        return FuseSession(self._fuse, self._sandbox.open(limits=limits, label=label))

    def close(self) -> None:
        self._sandbox.close()


class FuseSession:
    def __init__(self, fuse: Fuse, session: SandboxSession) -> None:
        self._fuse = fuse
        self._session = session
        self._cases = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def load(self, variant: str, bundle: Bundle) -> LoadOutcome:
        return self._session.load(variant, bundle)

    def run(self, variant: str, case_id: str, input: Any, *, trace_lines: bool = False) -> CaseRun:  # noqa: A002 - the port's name
        self._cases += 1
        if self._cases == MIDDLE_CASE:
            self._fuse.reach(CASE_RUNS)
        return self._session.run(variant, case_id, input, trace_lines=trace_lines)

    def drop(self, variant: str) -> None:
        self._session.drop(variant)

    def usage(self) -> SandboxUsage:
        return self._session.usage()

    def close(self) -> None:
        self._session.close()
        self._fuse.reach("sandbox closed")


def count_model_calls(fuse: Fuse, upstream: Upstream) -> None:
    """Reach the fuse before a model call is sent, in the middle of its answer, and behind it."""
    complete, bodies = upstream.complete, _BoundedStream.__iter__

    def counted(*arguments: Any, **named: Any) -> UpstreamReply:
        fuse.reach("model asked")
        reply = complete(*arguments, **named)
        fuse.reach("model answered")
        return reply

    def begun(stream: _BoundedStream) -> Iterator[bytes]:
        fuse.reach("model answers")
        return bodies(stream)

    upstream.complete = counted  # type: ignore[method-assign]
    _BoundedStream.__iter__ = begun  # type: ignore[method-assign]


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def _moment(number: int, kind: str, frame: FrameType | None) -> Moment:
    place, step, engine = "", "", ""
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        name = frame.f_code.co_name
        if path.parent.name == "dbos" and not place:
            engine = engine or name
        if path.parent.name in ROOMS:
            place = place or f"{path.stem}.{name}"
            if path.stem == "durable" and name in STEPS:
                step = frame.f_locals["name"]
        frame = frame.f_back
    # The engine's datasource commits our transactions, in a function of this name.
    by = "engine " if engine not in ("", "_body") else ""
    return Moment(number=number, kind=by + kind, step=step or "submit or end", place=place)
