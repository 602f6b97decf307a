"""Values of the sandbox room: limits, and what running a candidate came to."""

from collections.abc import Mapping
from dataclasses import dataclass

from aem.artifact import Limits
from aem.isolation import CaseStatus, LoadStatus

RUNNER_MEMORY_BYTES = 64 * 1024**2
"""What the runner and a variant's idle process may hold beside the candidate's own memory."""


@dataclass(frozen=True, kw_only=True)
class SandboxLimits:
    """What one session may use. Every limit is enforced from outside the candidate.

    Attributes:
        session_s: wall-clock seconds from opening to the end of the last case; a watchdog of the
            host kills what runs past it.
        case_wall_s: wall-clock seconds of one case.
        load_wall_s: wall-clock seconds of importing a variant's entry.
        memory_bytes: for the candidate; what the interpreter and the runner need comes on top.
            Docker: resident memory of all processes together, files in the temporary folder
            included, without swap. Bubblewrap: address space of each process, and resident memory
            of all together as the host samples it.
        output_bytes: of one case's output text.
        pids: processes and threads at once, the runner's two included.
        nano_cpus: billionths of a processor's time (Docker only).
    """

    session_s: float = 600.0
    case_wall_s: float = 5.0
    load_wall_s: float = 10.0
    memory_bytes: int = 256 * 1024**2
    output_bytes: int = 64 * 1024
    pids: int = 64
    nano_cpus: int = 1_000_000_000

    @classmethod
    def for_artifact(cls, limits: Limits, *, session_s: float) -> "SandboxLimits":
        """Take what an artifact's manifest allows one call."""
        return cls(
            session_s=session_s,
            case_wall_s=limits.wall_s,
            memory_bytes=limits.memory_bytes,
            output_bytes=limits.output_bytes,
        )


@dataclass(frozen=True, kw_only=True)
class LoadOutcome:
    """How loading a variant ended.

    Attributes:
        status: ``loaded``, or how the import of the entry failed.
        error: bounded text that names the artifact's files and lines; none when loaded.
    """

    status: LoadStatus
    error: str | None = None

    @property
    def is_loaded(self) -> bool:
        """Whether cases can be run on the variant."""
        return self.status == "loaded"


@dataclass(frozen=True, kw_only=True)
class CaseRun:
    """How one case ended; the candidate's failures are statuses, never exceptions.

    Attributes:
        case_id: as the caller named it; the candidate is never told.
        status: ``answered``, ``error`` (it raised, or its result is no JSON), ``timeout``,
            ``out_of_memory``, ``output_too_large``, or ``crashed`` (its process ended otherwise).
        output_text: the candidate's JSON text, byte for byte and unparsed; only when answered.
        error: bounded text that names the artifact's files and lines; none when answered.
        wall_ms: on the host's clock, from sending the input to having the result.
        lines: executed lines by path, where they were asked for and the case lived to tell.
    """

    case_id: str
    status: CaseStatus
    output_text: bytes | None = None
    error: str | None = None
    wall_ms: int
    lines: Mapping[str, list[int]] | None = None


@dataclass(frozen=True, kw_only=True)
class SandboxUsage:
    """What a session has used so far, on the host's own meters.

    Attributes:
        wall_ms: since the session was opened, until it was closed.
        cpu_ms: user and system time of everything inside.
        memory_peak_bytes: the most that was resident at once.
        output_bytes: of all outputs together.
        cases: that were run.
    """

    wall_ms: int
    cpu_ms: int
    memory_peak_bytes: int
    output_bytes: int
    cases: int
