"""A fake sandbox that fails when it is told to, and tells when a session opens."""

from collections.abc import Callable

from sandbox import SandboxFailedError, SandboxLimits
from tests.fakes.sandbox import FakeSandbox, FakeSession


class StagedSandbox(FakeSandbox):
    """Counts its calls from the last `fail_at` on."""

    def __init__(self, *, case_wall_ms: int = 10) -> None:
        super().__init__(case_wall_ms=case_wall_ms)
        self.on_open: Callable[[str], None] = lambda _label: None
        self._calls = 0
        self._failing: frozenset[int] = frozenset()

    def fail_at(self, *calls: int) -> None:
        """Let the engine fail at these calls of `open`, `load` and `run`, the next being 1."""
        self._calls, self._failing = 0, frozenset(calls)

    def fail_always_from(self, call: int) -> None:
        """Let the engine fail at this call and at every later one."""
        self.fail_at(*range(call, call + 10_000))

    def open(self, *, limits: SandboxLimits, label: str) -> FakeSession:
        self.on_open(label)
        return super().open(limits=limits, label=label)

    def raise_fault(self) -> None:
        self._calls += 1
        if self._calls in self._failing:
            raise SandboxFailedError("the engine is away")
        super().raise_fault()
