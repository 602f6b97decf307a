"""Warm enclosures: started before they are asked for, and used once."""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from aem.isolation import IsolationError
from core.errors import AemError
from sandbox.domain import SandboxLimits
from sandbox.greeting import greet
from sandbox.port import Enclosure, Sandbox, SandboxSession
from sandbox.session import EnclosureSession

WARM_LIFETIME_S = 600.0
"""How long an enclosure waits to be used before it is thrown away."""

WARM_LABEL = "warm"

_log = logging.getLogger(__name__)


class EnclosingSandbox(Sandbox, Protocol):
    """A sandbox that lets a pool start its enclosures ahead of time."""

    def start(self, *, limits: SandboxLimits, label: str) -> Enclosure:
        """Start an enclosure (see `EnclosureMaker.start`)."""
        ...


@dataclass(frozen=True, kw_only=True)
class _Warm:
    """An enclosure that waits.

    Attributes:
        limits: it was started under; their `session_s` covers the waiting too.
        started_at: on the monotonic clock.
    """

    enclosure: Enclosure
    limits: SandboxLimits
    started_at: float

    @property
    def age_s(self) -> float:
        return time.monotonic() - self.started_at

    def fits(self, limits: SandboxLimits) -> bool:
        """Whether a session under these limits may have it."""
        left_s = self.limits.session_s - self.age_s
        return left_s >= limits.session_s and _shape(self.limits) == _shape(limits)


class PooledSandbox:
    """Implements `Sandbox`: keeps enclosures warm, shaped like the last that was asked for.

    One thread starts them, after each that was taken. Where it cannot start one, that is logged,
    and the next session starts its own and learns the reason.
    """

    def __init__(self, sandbox: EnclosingSandbox, *, size: int = 1) -> None:
        """Keep `size` enclosures of a sandbox warm; it is closed with the pool."""
        self._sandbox = sandbox
        self._size = size
        self._changed = threading.Condition()
        self._wanted: SandboxLimits | None = None
        self._warm: list[_Warm] = []
        self._is_closed = False
        self._filler = threading.Thread(target=self._fill, name="sandbox-pool", daemon=True)
        self._filler.start()

    @property
    def name(self) -> str:
        """The name of the sandbox behind the pool."""
        return self._sandbox.name

    def isolation(self) -> Mapping[str, Any]:
        """Return what an attestation records (see `Sandbox.isolation`)."""
        return self._sandbox.isolation()

    def open(self, *, limits: SandboxLimits, label: str) -> SandboxSession:
        """Open a session (see `Sandbox.open`)."""
        return EnclosureSession(self, limits=limits, label=label)

    def start(self, *, limits: SandboxLimits, label: str) -> Enclosure:
        """Take a warm enclosure, or start one where none fits (see `EnclosureMaker.start`)."""
        while (warm := self._take(limits)) is not None:
            try:
                greet(warm.enclosure)  # an engine that was restarted took what was warm along
            except IsolationError:
                warm.enclosure.close()
                continue
            return warm.enclosure
        return self._sandbox.start(limits=limits, label=label)

    def _take(self, limits: SandboxLimits) -> _Warm | None:
        with self._changed:
            self._wanted = replace(limits, session_s=limits.session_s + WARM_LIFETIME_S)
            self._changed.notify_all()
            for place, warm in enumerate(self._warm):
                if warm.fits(limits):
                    return self._warm.pop(place)
        return None

    def close(self) -> None:
        """End the thread, the warm enclosures and the sandbox behind; again, does nothing."""
        with self._changed:
            if self._is_closed:
                return
            self._is_closed = True
            self._changed.notify_all()
        self._filler.join()
        for each in self._warm:
            each.enclosure.close()
        self._sandbox.close()

    def _fill(self) -> None:
        while True:
            with self._changed:
                while not self._is_closed and not self._has_work():
                    self._changed.wait(WARM_LIFETIME_S)
                if self._is_closed or self._wanted is None:
                    return
                wanted = self._wanted
                unfit = [each for each in self._warm if not self._is_worth_keeping(each)]
                self._warm = [each for each in self._warm if self._is_worth_keeping(each)]
            for each in unfit:
                each.enclosure.close()
            self._add(wanted)

    def _has_work(self) -> bool:
        return self._wanted is not None and (
            len(self._warm) < self._size
            or not all(self._is_worth_keeping(each) for each in self._warm)
        )

    def _is_worth_keeping(self, warm: _Warm) -> bool:
        wanted = self._wanted
        return wanted is not None and (
            warm.age_s < WARM_LIFETIME_S and _shape(warm.limits) == _shape(wanted)
        )

    def _add(self, wanted: SandboxLimits) -> None:
        """Start one more; after a failure, wait for the next session before another try."""
        started_at = time.monotonic()
        try:
            enclosure = self._sandbox.start(limits=wanted, label=WARM_LABEL)
        except AemError as error:
            _log.warning("no sandbox could be warmed: %s", error)
            with self._changed:
                self._wanted = None if self._wanted == wanted else self._wanted
            return
        with self._changed:
            self._warm.append(_Warm(enclosure=enclosure, limits=wanted, started_at=started_at))


def _shape(limits: SandboxLimits) -> tuple[int, int, int]:
    """Return what an enclosure is started with; all other limits come with each request."""
    return limits.memory_bytes, limits.pids, limits.nano_cpus
