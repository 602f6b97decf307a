"""The sandbox without a container engine: bubblewrap, a system-call filter, resource limits."""

import threading
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

from aem.isolation import (
    Interpreter,
    IsolatedProcess,
    IsolationError,
    NotAvailableError,
    ProcessLimits,
    bubblewrap_problem,
    bubblewrap_profile,
    bubblewrap_version,
    find_interpreter,
    start_bubblewrap,
)
from sandbox.digest import profile_digest
from sandbox.domain import RUNNER_MEMORY_BYTES, SandboxLimits
from sandbox.errors import SandboxFailedError, SandboxUnavailableError
from sandbox.greeting import greet
from sandbox.port import MeterReading, SandboxSession
from sandbox.session import EnclosureSession

SAMPLE_INTERVAL_S = 0.05
"""How often the host looks at the memory of all processes together."""

NOTICE = (
    "No Docker engine was used: candidates ran under bubblewrap with seccomp and rlimits. Memory"
    " is limited per process by the kernel and in total only by sampling; processor time is not"
    " limited; /tmp is not noexec. Start a Docker engine for full isolation."
)


class BubblewrapSandbox:
    """Implements `Sandbox`; degraded beside a container, and says so."""

    name = "bubblewrap"

    def __init__(self) -> None:
        """Try whether it works here.

        Raises:
            SandboxUnavailableError: it does not; says why.
        """
        problem = bubblewrap_problem()
        if problem is not None:
            raise SandboxUnavailableError(f"bubblewrap cannot isolate here: {problem}")
        self._version = bubblewrap_version()

    @cached_property
    def _interpreter(self) -> Interpreter:
        return find_interpreter()

    def isolation(self) -> Mapping[str, Any]:
        """Return what an attestation records (see `Sandbox.isolation`)."""
        return {
            "engine": self.name,
            "engine_version": self._version,
            "profile": profile_digest(bubblewrap_profile()),
            "image": None,
            "python": self._interpreter.version,
            "degraded": True,
            "notice": NOTICE,
        }

    def open(self, *, limits: SandboxLimits, label: str) -> SandboxSession:
        """Open a session (see `Sandbox.open`)."""
        return EnclosureSession(self, limits=limits, label=label)

    def start(self, *, limits: SandboxLimits, label: str) -> "BubblewrapEnclosure":  # noqa: ARG002 - a process carries no label
        """Start an enclosure (see `EnclosureMaker.start`)."""
        process_limits = ProcessLimits(memory_bytes=limits.memory_bytes, pids=limits.pids)
        try:
            process = start_bubblewrap(self._interpreter, process_limits)
        except NotAvailableError as error:
            raise SandboxFailedError(f"bubblewrap worked before and fails now: {error}") from error
        enclosure = BubblewrapEnclosure(process, limits)
        try:
            greet(enclosure)
        except IsolationError as error:
            words = process.last_words() or str(error)
            enclosure.close()
            raise SandboxFailedError(f"bubblewrap does not start the runner: {words}") from error
        return enclosure

    def close(self) -> None:
        """Nothing is kept between sessions."""


class BubblewrapEnclosure:
    """Implements `Enclosure`: a process whose memory a thread of the host watches."""

    def __init__(self, process: IsolatedProcess, limits: SandboxLimits) -> None:
        """Begin to watch the process."""
        self._process = process
        self._limit_bytes = limits.memory_bytes + RUNNER_MEMORY_BYTES
        self._last = MeterReading(cpu_ms=0, memory_peak_bytes=0, memory_kills=0)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._is_over_memory = False
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()

    def send(self, line: bytes, *, timeout_s: float) -> None:
        """Send the runner a request (see `Enclosure.send`)."""
        self._process.send(line, timeout_s=timeout_s)

    def receive(self, *, timeout_s: float, limit_bytes: int) -> bytes:
        """Return the runner's next reply (see `Enclosure.receive`)."""
        return self._process.receive(timeout_s=timeout_s, limit_bytes=limit_bytes)

    def read_meter(self) -> MeterReading:
        """Return what was used so far (see `Enclosure.read_meter`)."""
        with self._lock:
            use = self._process.read_use()
            self._last = MeterReading(
                cpu_ms=max(self._last.cpu_ms, use.cpu_ms),
                memory_peak_bytes=max(self._last.memory_peak_bytes, use.memory_bytes),
                memory_kills=0,
            )
            self._is_over_memory = use.memory_bytes > self._limit_bytes
            return self._last

    def cause_of_end(self) -> Literal["out_of_memory", "crashed"]:
        """Say why the runner ended (see `Enclosure.cause_of_end`)."""
        return "out_of_memory" if self._is_over_memory else "crashed"

    def kill(self) -> None:
        """End everything inside at once (see `Enclosure.kill`)."""
        self._ended.set()
        self._process.kill()

    def close(self) -> None:
        """Kill and give the pipes back (see `Enclosure.close`)."""
        self.kill()
        self._sampler.join()
        self._process.close()

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_INTERVAL_S):
            self.read_meter()
            if self._is_over_memory:
                self._process.kill()
                return
