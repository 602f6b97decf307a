"""Processes that run a function of `order_process`, and how they ended."""

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext
from typing import Any

TIMEOUT_S = 120.0

_READING = threading.Lock()
"""To start a process is to look at all others: of two who read how one ended, one gets 255."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a process ended; `code` is negative for a signal, None where it had to be stopped."""

    code: int | None
    pid: int

    @property
    def is_killed(self) -> bool:
        return self.code == -signal.SIGKILL

    def require_success(self) -> None:
        if self.code != 0:
            raise AssertionError(f"the process ended with {self.code}")


def run_process(
    processes: ForkServerContext, function: Callable[..., None], *arguments: Any
) -> Ending:
    """Run a function in a fresh process and wait for its end."""
    process = processes.Process(target=function, args=arguments)
    with _READING:
        process.start()
    pid = process.pid or 0
    wait([process.sentinel], TIMEOUT_S)
    with _READING:
        code = process.exitcode
        if code is None:
            process.kill()
            process.join()
        process.close()
    return Ending(code=code, pid=pid)
