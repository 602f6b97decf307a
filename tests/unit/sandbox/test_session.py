"""Sessions and pools over enclosures that do as they are told."""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from aem.isolation import MalformedReplyError, ReplyOverdueError, RunnerEndedError
from sandbox import (
    PooledSandbox,
    SandboxFailedError,
    SandboxLimits,
    SandboxLimitsError,
    SessionExpiredError,
)
from sandbox.port import MeterReading
from sandbox.session import EnclosureSession
from tests.fakes.bundles import echo_bundle

LIMITS = SandboxLimits(session_s=60.0)


class ScriptedEnclosure:
    """Replies like a runner; what is scripted comes first. Errors are raised instead."""

    def __init__(self, *script: Any, cause: Any = "crashed") -> None:
        self.script = list(script)
        self.cause = cause
        self.meter = MeterReading(cpu_ms=10, memory_peak_bytes=1000, memory_kills=0)
        self.requests = []
        self.is_killed = self.is_closed = False

    def send(self, line: bytes, *, timeout_s: float) -> None:
        self.requests.append(json.loads(line))

    def receive(self, *, timeout_s: float, limit_bytes: int) -> bytes:
        request = self.requests[-1]
        if request["op"] == "drop":
            return b'{"status": "dropped"}'
        if self.script:
            step = self.script.pop(0)
            if callable(step):
                step = step(self)
            if isinstance(step, Exception):
                raise step
            return json.dumps(step).encode()
        return json.dumps(loaded() if request["op"] == "load" else answered()).encode()

    def read_meter(self) -> MeterReading:
        return self.meter

    def cause_of_end(self) -> Any:
        if isinstance(self.cause, Exception):
            raise self.cause
        return self.cause

    def kill(self) -> None:
        self.is_killed = True

    def close(self) -> None:
        self.is_killed = self.is_closed = True


class ScriptedMaker:
    name = "scripted"

    def __init__(self, *enclosures: Any) -> None:
        self.enclosures = list(enclosures)
        self.started = []
        self.is_closed = False

    def start(self, *, limits: Any, label: str) -> Any:
        step = self.enclosures.pop(0) if self.enclosures else ScriptedEnclosure()
        if isinstance(step, Exception):
            raise step
        self.started.append((step, limits, label))
        return step

    def close(self) -> None:
        self.is_closed = True


def loaded() -> dict[str, Any]:
    return {"status": "loaded", "error": None}


def answered(output: bytes = b'{"a":1}', **report: Any) -> dict[str, Any]:
    whole = {"status": "answered", "error": None, "lines": None, **report}
    return {
        "stopped": None,
        "error": None,
        "exit_status": 0,
        "output": base64.b64encode(output).decode(),
        "report": base64.b64encode(json.dumps(whole).encode()).decode(),
    }


CRASHED = {"stopped": None, "error": None, "exit_status": 9, "output": "", "report": ""}


def session_over(*enclosures: Any, limits: Any = LIMITS) -> EnclosureSession:
    session = EnclosureSession(ScriptedMaker(*enclosures), limits=limits, label="unit")
    session.load("v", echo_bundle())
    return session


@pytest.mark.parametrize(
    ("error", "cause", "status"),
    [
        (ReplyOverdueError("late"), "crashed", "timeout"),
        (MalformedReplyError("long"), "crashed", "crashed"),
        (RunnerEndedError("ended"), "crashed", "crashed"),
        (RunnerEndedError("ended"), "out_of_memory", "out_of_memory"),
    ],
)
def test_an_enclosure_that_fails_is_replaced_and_loaded_again(
    error: Any, cause: Any, status: str
) -> None:
    first, second = ScriptedEnclosure(loaded(), error, cause=cause), ScriptedEnclosure()
    second.meter = MeterReading(cpu_ms=7, memory_peak_bytes=500, memory_kills=0)
    with session_over(first, second) as session:
        failed = session.run("v", "c1", {})
        assert (failed.status, failed.output_text) == (status, None)
        assert failed.error
        assert first.is_closed
        assert session.run("v", "c2", {}).status == "answered"
        assert [request["op"] for request in second.requests] == ["load", "run"]
        use = session.usage()
        assert (use.cpu_ms, use.memory_peak_bytes, use.cases) == (17, 1000, 2)
    assert second.is_closed
    assert session.usage().cpu_ms == 17


def test_an_engine_that_failed_is_no_case() -> None:
    failing = ScriptedEnclosure(loaded(), RunnerEndedError("x"), cause=SandboxFailedError("gone"))
    with session_over(failing) as session, pytest.raises(SandboxFailedError):
        session.run("v", "c", {})


def test_a_crash_beside_a_kill_for_memory_is_for_want_of_memory() -> None:
    def kill(enclosure: ScriptedEnclosure) -> dict[str, Any]:
        enclosure.meter = replace(enclosure.meter, memory_kills=1)
        return CRASHED

    with session_over(ScriptedEnclosure(loaded(), kill, CRASHED)) as session:
        assert session.run("v", "c1", {}).status == "out_of_memory"
        assert session.run("v", "c2", {}).status == "crashed"


def test_an_import_that_is_killed_for_memory_is_told_from_one_that_crashes() -> None:
    def kill(enclosure: ScriptedEnclosure) -> dict[str, Any]:
        enclosure.meter = replace(enclosure.meter, memory_kills=1)
        return {"status": "crashed", "error": "the import ended its process"}

    enclosure = ScriptedEnclosure(kill, {"status": "crashed", "error": "again"})
    session = EnclosureSession(ScriptedMaker(enclosure), limits=LIMITS, label="unit")
    assert session.load("v", echo_bundle()).status == "out_of_memory"
    assert session.load("v", echo_bundle()).status == "crashed"
    session.close()


def test_the_watchdog_kills_and_the_session_is_over() -> None:
    def hang(enclosure: ScriptedEnclosure) -> Exception:
        deadline = time.monotonic() + 5
        while not enclosure.is_killed and time.monotonic() < deadline:
            time.sleep(0.01)
        return RunnerEndedError("killed")

    enclosure = ScriptedEnclosure(loaded(), hang)
    with session_over(enclosure, limits=replace(LIMITS, session_s=0.1)) as session:
        started_at = time.monotonic()
        with pytest.raises(SessionExpiredError):
            session.run("v", "c1", {})
        assert time.monotonic() - started_at < 4
        assert enclosure.is_closed
        with pytest.raises(SessionExpiredError):
            session.run("v", "c2", {})


def test_a_reply_with_too_much_output_is_not_believed() -> None:
    limits = replace(LIMITS, output_bytes=5)
    with session_over(ScriptedEnclosure(loaded(), answered(b"123456")), limits=limits) as session:
        assert session.run("v", "c", {}).status == "crashed"


def test_a_runner_is_never_told_the_cases_name() -> None:
    enclosure = ScriptedEnclosure()
    with session_over(enclosure) as session:
        session.run("v", "the-case-about-refunds", {})
    assert "refunds" not in json.dumps(enclosure.requests)


def test_impossible_limits_are_refused_before_anything_is_started() -> None:
    maker = ScriptedMaker()
    with pytest.raises(SandboxLimitsError):
        EnclosureSession(maker, limits=SandboxLimits(pids=3), label="unit")
    assert maker.started == []


def wait_until(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_pool_hands_out_what_it_warmed_once() -> None:
    maker = ScriptedMaker()
    pool = PooledSandbox(maker)
    first = pool.start(limits=LIMITS, label="one")
    wait_until(lambda: len(maker.started) == 2)
    second = pool.start(limits=replace(LIMITS, session_s=5.0, output_bytes=9), label="two")
    wait_until(lambda: len(maker.started) == 3)
    assert [label for _, _, label in maker.started] == ["one", "warm", "warm"]
    assert first is maker.started[0][0]
    assert second is maker.started[1][0]
    pool.close()
    assert maker.started[2][0].is_closed
    assert not second.is_closed
    assert maker.is_closed


def test_a_pool_hands_out_nothing_of_another_shape_or_too_old() -> None:
    maker = ScriptedMaker()
    pool = PooledSandbox(maker)
    pool.start(limits=LIMITS, label="one")
    wait_until(lambda: len(maker.started) == 2)
    larger = replace(LIMITS, memory_bytes=2 * LIMITS.memory_bytes)
    other = pool.start(limits=larger, label="two")
    assert other is not maker.started[1][0]
    wait_until(lambda: maker.started[1][0].is_closed)  # nobody wants that shape any more
    longer = pool.start(limits=replace(larger, session_s=10_000.0), label="three")
    assert [each[0] for each in maker.started if each[2] == "three"] == [longer]
    pool.close()


def test_a_pool_does_not_hand_out_what_died_while_it_waited() -> None:
    dead = ScriptedEnclosure()
    maker = ScriptedMaker(ScriptedEnclosure(), dead)
    pool = PooledSandbox(maker)
    pool.start(limits=LIMITS, label="one")
    wait_until(lambda: dead in [each[0] for each in maker.started])

    def refuse(line: bytes, *, timeout_s: float) -> None:
        raise RunnerEndedError("the engine was restarted")

    dead.send = refuse
    wait_until(lambda: pool._warm)
    assert pool.start(limits=LIMITS, label="two") is not dead
    assert dead.is_closed
    pool.close()


def test_a_pool_that_cannot_warm_leaves_the_reason_to_the_next_session(
    caplog: pytest.LogCaptureFixture,
) -> None:
    maker = ScriptedMaker(
        ScriptedEnclosure(), SandboxFailedError("no space"), SandboxFailedError("still no space")
    )
    pool = PooledSandbox(maker)
    pool.start(limits=LIMITS, label="one")
    wait_until(lambda: "no space" in caplog.text)
    with pytest.raises(SandboxFailedError, match="still"):
        pool.start(limits=LIMITS, label="two")
    pool.close()
