"""Sessions, the same for every engine: deadline, replacement of what died, and the meter."""

import threading
import time
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Literal, Self

from aem.artifact import ArtifactError, Bundle, Entry
from aem.isolation import (
    CaseReply,
    IsolationError,
    ReplyOverdueError,
    RunnerEndedError,
    drop_request,
    load_request,
    read_case_reply,
    read_load_reply,
    reply_limit_bytes,
    run_request,
)
from sandbox.domain import CaseRun, LoadOutcome, SandboxLimits, SandboxUsage
from sandbox.errors import SandboxLimitsError, SessionExpiredError, VariantNotLoadedError
from sandbox.port import Enclosure, EnclosureMaker, MeterReading

REPLY_GRACE_S = 3.0
"""What the runner gets beyond a request's wall time, to kill, clean up and reply; past it the host
kills the whole enclosure."""

SEND_TIMEOUT_S = 10.0

MIN_MEMORY_BYTES = 4 * 1024**2
MIN_PIDS = 4
"""The runner, a variant's process and a case's, and one that the case may start."""

OUT_OF_MEMORY = "it was killed for want of memory"

_FailedStatus = Literal["timeout", "out_of_memory", "crashed"]
_NOTHING_USED = MeterReading(cpu_ms=0, memory_peak_bytes=0, memory_kills=0)


@dataclass(frozen=True, kw_only=True)
class _Variant:
    """A variant that the session was given, and how importing it ended."""

    bundle: Bundle
    entry: Entry | None
    outcome: LoadOutcome


class EnclosureSession:
    """A `SandboxSession` over enclosures that are replaced when they die."""

    def __init__(self, maker: EnclosureMaker, *, limits: SandboxLimits, label: str) -> None:
        """Start the first enclosure and the watchdog.

        Raises:
            SandboxLimitsError: nothing can run under these limits.
            InfrastructureError: as `EnclosureMaker.start`.
        """
        _require_possible(limits)
        self._maker = maker
        self._limits = limits
        self._label = label
        self._variants: dict[str, _Variant] = {}
        self._resident: set[str] = set()
        self._spent = _NOTHING_USED  # by enclosures that are gone
        self._output_bytes = 0
        self._cases = 0
        self._lock = threading.Lock()  # of the three below, which the watchdog touches
        self._enclosure: Enclosure | None = None
        self._is_expired = False
        self._closed_at: float | None = None
        self._opened_at = time.monotonic()
        self._enclosure = maker.start(limits=limits, label=label)
        self._watchdog = threading.Timer(limits.session_s, self._expire)
        self._watchdog.daemon = True
        self._watchdog.start()

    def __enter__(self) -> Self:
        """Return the session itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the session."""
        self.close()

    def load(self, variant: str, bundle: Bundle) -> LoadOutcome:
        """Import a bundle's entry under a name (see `SandboxSession.load`)."""
        self.drop(variant)
        try:
            entry = bundle.manifest.entry
        except ArtifactError as error:
            entry, outcome = None, LoadOutcome(status="error", error=str(error))
        else:
            outcome = self._load(variant, bundle, entry)
        self._variants[variant] = _Variant(bundle=bundle, entry=entry, outcome=outcome)
        return outcome

    def run(
        self,
        variant: str,
        case_id: str,
        input: Any,  # noqa: A002 - the port's name
        *,
        trace_lines: bool = False,
    ) -> CaseRun:
        """Run a case (see `SandboxSession.run`)."""
        if variant not in self._variants:
            raise VariantNotLoadedError(f"load {variant!r} before running cases on it")
        self._cases += 1
        outcome = self._resident_outcome(variant)
        if outcome.status != "loaded":
            return CaseRun(case_id=case_id, status=outcome.status, error=outcome.error, wall_ms=0)
        started_at = time.monotonic()
        reply = self._run(variant, input, trace_lines=trace_lines)
        self._output_bytes += len(reply.output or b"")
        return CaseRun(
            case_id=case_id,
            status=reply.status,
            output_text=reply.output,
            error=reply.error,
            wall_ms=_ms_since(started_at),
            lines=reply.lines,
        )

    def drop(self, variant: str) -> None:
        """Forget a variant (see `SandboxSession.drop`)."""
        self._variants.pop(variant, None)
        if variant in self._resident:
            self._resident.remove(variant)
            try:
                self._exchange(drop_request(variant=variant), wall_s=0.0)
            except IsolationError as error:
                self._ending(error)

    def usage(self) -> SandboxUsage:
        """Return what was used so far (see `SandboxSession.usage`)."""
        with self._lock:
            now = self._spent if self._enclosure is None else self._total(self._enclosure)
            end = time.monotonic() if self._closed_at is None else self._closed_at
        return SandboxUsage(
            wall_ms=round((end - self._opened_at) * 1000),
            cpu_ms=now.cpu_ms,
            memory_peak_bytes=now.memory_peak_bytes,
            output_bytes=self._output_bytes,
            cases=self._cases,
        )

    def close(self) -> None:
        """Kill and remove everything (see `SandboxSession.close`)."""
        self._watchdog.cancel()
        self._discard()
        with self._lock:
            if self._closed_at is None:
                self._closed_at = time.monotonic()

    def _resident_outcome(self, variant: str) -> LoadOutcome:
        """Load a variant again where its enclosure died; what failed to load stays failed."""
        known = self._variants[variant]
        if variant in self._resident or not known.outcome.is_loaded:
            return known.outcome
        return self._load(variant, known.bundle, known.entry)

    def _load(self, variant: str, bundle: Bundle, entry: Entry | None) -> LoadOutcome:
        if entry is None:
            return LoadOutcome(status="error", error="the artifact has no entry to call")
        wall_s = self._limits.load_wall_s
        request = load_request(
            variant=variant,
            entry=f"{entry.module}:{entry.function}",
            files=bundle.files,
            wall_s=wall_s,
        )
        kills_before = self._memory_kills()
        try:
            reply = read_load_reply(self._exchange(request, wall_s=wall_s))
        except IsolationError as error:
            status, text = self._ending(error)
            return LoadOutcome(status=status, error=text)
        if reply.status == "loaded":
            self._resident.add(variant)
        if reply.status == "crashed" and self._memory_kills() > kills_before:
            return LoadOutcome(status="out_of_memory", error=OUT_OF_MEMORY)
        return LoadOutcome(status=reply.status, error=reply.error)

    def _run(self, variant: str, case_input: Any, *, trace_lines: bool) -> CaseReply:
        limits = self._limits
        request = run_request(
            variant=variant,
            case_input=case_input,
            wall_s=limits.case_wall_s,
            load_wall_s=limits.load_wall_s,
            output_bytes=limits.output_bytes,
            trace_lines=trace_lines,
        )
        kills_before = self._memory_kills()
        try:
            line = self._exchange(request, wall_s=limits.case_wall_s + limits.load_wall_s)
            reply = read_case_reply(line, output_bytes=limits.output_bytes)
        except IsolationError as error:
            status, text = self._ending(error)
            return CaseReply(status=status, output=None, error=text, lines=None)
        if reply.status == "crashed" and self._memory_kills() > kills_before:
            return replace(reply, status="out_of_memory", error=OUT_OF_MEMORY)
        return reply

    def _exchange(self, request: bytes, *, wall_s: float) -> bytes:
        """Send a request to the enclosure, a new one if need be, and return the reply's line."""
        enclosure = self._living_enclosure()
        enclosure.send(request, timeout_s=SEND_TIMEOUT_S)
        limit_bytes = reply_limit_bytes(self._limits.output_bytes)
        return enclosure.receive(timeout_s=wall_s + REPLY_GRACE_S, limit_bytes=limit_bytes)

    def _living_enclosure(self) -> Enclosure:
        self._require_open()
        if self._enclosure is None:
            enclosure = self._maker.start(limits=self._limits, label=self._label)
            with self._lock:
                self._enclosure = enclosure
            self._require_open()  # the watchdog may have come in between and seen none
        return self._enclosure

    def _require_open(self) -> None:
        with self._lock:
            if not self._is_expired and self._closed_at is None:
                return
        self._discard()
        raise SessionExpiredError(
            f"the session {self._label} is over: it had {self._limits.session_s} s",
            session_s=self._limits.session_s,
        )

    def _ending(self, error: IsolationError) -> tuple[_FailedStatus, str]:
        """Discard the enclosure of a failed exchange, and say how it counts for the candidate."""
        self._require_open()
        enclosure = self._enclosure
        status: _FailedStatus = "crashed"
        if isinstance(error, ReplyOverdueError):
            status = "timeout"
        elif isinstance(error, RunnerEndedError) and enclosure is not None:
            status = enclosure.cause_of_end()
        self._discard()
        return status, OUT_OF_MEMORY if status == "out_of_memory" else str(error)

    def _memory_kills(self) -> int:
        with self._lock:
            return 0 if self._enclosure is None else self._enclosure.read_meter().memory_kills

    def _total(self, enclosure: Enclosure) -> MeterReading:
        current = enclosure.read_meter()
        return MeterReading(
            cpu_ms=self._spent.cpu_ms + current.cpu_ms,
            memory_peak_bytes=max(self._spent.memory_peak_bytes, current.memory_peak_bytes),
            memory_kills=0,
        )

    def _discard(self) -> None:
        """Close the enclosure, if there is one, and keep what it used."""
        with self._lock:
            enclosure, self._enclosure = self._enclosure, None
            if enclosure is not None:
                self._spent = self._total(enclosure)
        self._resident.clear()
        if enclosure is not None:
            enclosure.close()

    def _expire(self) -> None:
        """End the session at its deadline, on the watchdog's thread."""
        with self._lock:
            self._is_expired = True
            enclosure = self._enclosure
            if enclosure is not None:
                enclosure.read_meter()  # the last there will be
        if enclosure is not None:
            enclosure.kill()


def _require_possible(limits: SandboxLimits) -> None:
    if limits.memory_bytes < MIN_MEMORY_BYTES or limits.pids < MIN_PIDS:
        raise SandboxLimitsError(
            f"a sandbox needs {MIN_MEMORY_BYTES} bytes of memory and {MIN_PIDS} processes",
            memory_bytes=limits.memory_bytes,
            pids=limits.pids,
        )


def _ms_since(started_at: float) -> int:
    return round((time.monotonic() - started_at) * 1000)
