"""The ports of the room: what callers use, and what an engine gives a session."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from aem.artifact import Bundle
from sandbox.domain import CaseRun, LoadOutcome, SandboxLimits, SandboxUsage


class SandboxSession(Protocol):
    """A candidate's stay in a sandbox: variants of one artifact, case by case.

    Not for several threads at once. A container that dies under a case is replaced for the next
    one, within the session's deadline; loaded variants come back by themselves.
    """

    def load(self, variant: str, bundle: Bundle) -> LoadOutcome:
        """Import a bundle's entry under a name; a name that is in use is replaced.

        Cases of a variant that failed to load end as its import did, without being run.

        Raises:
            SandboxFailedError: the engine or the image failed.
            SessionExpiredError: the session's deadline has passed, or it is closed.
        """
        ...

    def run(
        self,
        variant: str,
        case_id: str,
        input: Any,  # noqa: A002 - a case's input is called input everywhere
        *,
        trace_lines: bool = False,
    ) -> CaseRun:
        """Run a case, in a process of its own that leaves nothing behind.

        With `trace_lines` the case runs slower, notes the lines that it executes, and is ended
        at a million of them.

        Raises:
            VariantNotLoadedError: the variant was never given to `load`, or it was dropped.
            SandboxFailedError: the engine or the image failed; says nothing of the candidate.
            SessionExpiredError: the session's deadline has passed, or it is closed.
        """
        ...

    def drop(self, variant: str) -> None:
        """Forget a variant; one that is not loaded is forgotten already.

        Raises:
            SandboxFailedError: the engine failed.
            SessionExpiredError: the session's deadline has passed, or it is closed.
        """
        ...

    def usage(self) -> SandboxUsage:
        """Return what was used so far; after `close` it stays as it was then."""
        ...

    def close(self) -> None:
        """Kill and remove everything; again, does nothing."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Sandbox(Protocol):
    """A way to run code that nobody trusts. For any number of threads."""

    @property
    def name(self) -> str:
        """``docker``, ``bubblewrap`` or ``prompt``."""
        ...

    def isolation(self) -> Mapping[str, Any]:
        """Return what an attestation records: JSON values.

        ``engine``, ``engine_version``, ``profile`` (digest of all settings), ``image`` (digest of
        its content; null without one), ``python`` (version), ``degraded`` (true where it is less
        than a container) and ``notice`` (what that means, or null).
        """
        ...

    def open(self, *, limits: SandboxLimits, label: str) -> SandboxSession:
        """Open a session; its deadline begins now.

        Args:
            limits: of the session and its cases.
            label: names the caller's work for operators; at most 200 characters.

        Raises:
            SandboxLimitsError: nothing can run under these limits.
            SandboxFailedError: the engine or the image failed.
        """
        ...

    def close(self) -> None:
        """Give back what is kept between sessions; again, does nothing."""
        ...


@dataclass(frozen=True, kw_only=True)
class MeterReading:
    """What an enclosure has used since it was started, as the host reads it.

    Attributes:
        cpu_ms: user and system time.
        memory_peak_bytes: the most that was resident at once.
        memory_kills: how many processes were killed for want of memory.
    """

    cpu_ms: int
    memory_peak_bytes: int
    memory_kills: int


class Meter(Protocol):
    """The host's reading of one container's use."""

    def read(self) -> MeterReading:
        """Return what was used so far.

        Raises:
            OSError: there is nothing to read any more.
        """
        ...


class Enclosure(Protocol):
    """One container, or its like, with the runner inside.

    One thread talks with it; any thread may kill it, which ends a `receive` that waits.
    """

    def send(self, line: bytes, *, timeout_s: float) -> None:
        """Send the runner a request.

        Raises:
            RunnerEndedError, ReplyOverdueError: as in `aem.isolation`.
        """
        ...

    def receive(self, *, timeout_s: float, limit_bytes: int) -> bytes:
        """Return the runner's next reply.

        Raises:
            RunnerEndedError, ReplyOverdueError, MalformedReplyError: as in `aem.isolation`.
        """
        ...

    def read_meter(self) -> MeterReading:
        """Return what was used so far; after the end, the last that was seen. Raises nothing."""
        ...

    def cause_of_end(self) -> Literal["out_of_memory", "crashed"]:
        """Say whether a runner that ended ran out of memory or crashed.

        Raises:
            SandboxFailedError: it was the engine that failed.
        """
        ...

    def kill(self) -> None:
        """End everything inside at once; again, does nothing. Raises nothing."""
        ...

    def close(self) -> None:
        """Kill, and give all resources back; for the thread that talks. Raises nothing."""
        ...


class EnclosureMaker(Protocol):
    """Starts enclosures: what a session needs of an engine, and what a pool stands before."""

    def start(self, *, limits: SandboxLimits, label: str) -> Enclosure:
        """Start an enclosure whose runner has said that it waits for requests.

        Raises:
            SandboxFailedError: the engine or the image failed.
        """
        ...
