"""A version in use: counts its calls, so that it is closed after the last of them."""

import threading

from aem.handle.release import Release
from aem.handle.runtime import Runtime


class LiveVersion:
    """A loaded release and how many calls run on it."""

    __slots__ = ("_calls", "_counting", "_is_retired", "digest", "number", "release", "runtime")

    def __init__(self, release: Release, runtime: Runtime) -> None:
        """Take the runtime over: it is closed by `retire` or by the last `leave` after it."""
        self.release = release
        self.runtime = runtime
        self.digest = release.pointer.digest
        self.number = release.pointer.number
        self._counting = threading.Lock()
        self._calls = 0
        self._is_retired = False

    def enter(self) -> bool:
        """Begin a call; False when the version is retired, and its successor is to be asked."""
        with self._counting:
            if self._is_retired:
                return False
            self._calls += 1
            return True

    def leave(self) -> None:
        """End a call; the last one on a retired version closes it."""
        with self._counting:
            self._calls -= 1
            is_over = self._is_retired and self._calls == 0
        if is_over:
            self.runtime.close()

    def retire(self) -> None:
        """Let no further call begin, and close the version as soon as none is left."""
        with self._counting:
            is_over = not self._is_retired and self._calls == 0
            self._is_retired = True
        if is_over:
            self.runtime.close()
