"""A steady stream of calls to a running artifact, each remembered with what answered it."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aem.handle import Answer, Artifact


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call: which input, and the answer, or the error that should not have been."""

    number: int
    answer: Answer | None
    error: str | None


class SteadyCalls:
    """Calls a handle from several threads, at a steady pace, until it is stopped."""

    def __init__(
        self, handle: Artifact, inputs: Sequence[Any], *, threads: int, interval_s: float
    ) -> None:
        """Keep the parts; `interval_s` is each thread's pause between two calls."""
        self._handle = handle
        self._inputs = inputs
        self._interval_s = interval_s
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._threads = [
            threading.Thread(target=self._run, args=(n, threads), daemon=True)
            for n in range(threads)
        ]

    def start(self) -> None:
        """Begin to call."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End after the calls under way."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def take(self) -> list[Call]:
        """Return the calls made since the last time."""
        with self._lock:
            taken, self._calls = self._calls, []
        return taken

    def wait_for(self, digest: str, *, calls: int, timeout_s: float) -> bool:
        """Wait until a version has answered so many of the calls not taken yet."""
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s:
            with self._lock:
                answers = [call.answer for call in self._calls if call.answer is not None]
            if sum(answer.digest == digest for answer in answers) >= calls:
                return True
            time.sleep(self._interval_s)
        return False

    def _run(self, first: int, step: int) -> None:
        number = first
        while not self._stopping.wait(self._interval_s):
            index = number % len(self._inputs)
            try:
                call = Call(
                    number=index, answer=self._handle.call(self._inputs[index]), error=None
                )
            except Exception as error:  # noqa: BLE001 - whatever failed is what is counted
                call = Call(number=index, answer=None, error=repr(error))
            with self._lock:
                self._calls.append(call)
            number += step
