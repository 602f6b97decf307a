"""Sandbox sessions of an order's work: their limits, and their metering."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from aem.artifact import Bundle
from devops_agent.work import UseMeter
from sandbox import Sandbox, SandboxLimits, SandboxSession


def session_limits(
    bundle: Bundle, session_ms: int, *, case_wall_s: float | None = None
) -> SandboxLimits:
    """Give an artifact the limits that its manifest asks for, and a session of `session_ms`.

    `case_wall_s` tightens the manifest's own limit on a case, and never widens it.
    """
    asked = bundle.manifest.limits
    limits = SandboxLimits.for_artifact(asked, session_s=session_ms / 1000)
    if case_wall_s is None:
        return limits
    return replace(limits, case_wall_s=min(asked.wall_s, case_wall_s))


@contextmanager
def metered_session(
    sandbox: Sandbox, limits: SandboxLimits, *, label: str, meter: UseMeter
) -> Iterator[SandboxSession]:
    """Open a session; whatever ends it, the time that it was open is metered.

    Closing takes a moment past the deadline, which is the house's: the meter stops at the limit.
    """
    session = sandbox.open(limits=limits, label=label)
    try:
        yield session
    finally:
        session.close()
        meter.add_sandbox(min(session.usage().wall_ms, int(limits.session_s * 1000)))
