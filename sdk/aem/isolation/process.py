"""A runner in a process of this machine, spoken to through pipes."""

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Sequence

from aem.isolation.errors import ReplyOverdueError, RunnerEndedError
from aem.isolation.lines import LineReader
from aem.isolation.process_tree import TreeReading, child_ids, read_tree

_READ_BYTES = 65_536
_LAST_WORDS_BYTES = 2_000
_KILL_TIMEOUT_S = 10.0
"""How long the kernel may take to end a killed process: far above what freeing memory takes."""


class IsolatedProcess:
    """A sandbox's process with the runner inside. One thread talks; any thread may kill."""

    def __init__(self, command: Sequence[str], *, pass_fds: Sequence[int] = ()) -> None:
        """Start the command.

        Raises:
            OSError: it cannot be started.
        """
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=pass_fds,
            bufsize=0,
            env={},
        )
        pipes = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._pipes = [pipe for pipe in pipes if pipe is not None]
        self._stdin, self._stdout, self._stderr = (pipe.fileno() for pipe in self._pipes)
        for descriptor in (self._stdin, self._stderr):
            os.set_blocking(descriptor, False)
        self._lines = LineReader(self._receive_bytes)
        self._killing = threading.Lock()
        self._is_killed = False

    def send(self, line: bytes, *, timeout_s: float) -> None:
        """Send a request.

        Raises:
            RunnerEndedError: the runner is gone.
            ReplyOverdueError: it does not take the request in time.
        """
        deadline = time.monotonic() + timeout_s
        view = memoryview(line)
        while view:
            _, ready, _ = select.select([], [self._stdin], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise ReplyOverdueError("the runner did not take the request in time")
            try:
                view = view[os.write(self._stdin, view) :]
            except OSError as error:
                raise RunnerEndedError("the runner is gone") from error

    def receive(self, *, timeout_s: float, limit_bytes: int) -> bytes:
        """Return the next reply.

        Raises:
            RunnerEndedError: the runner is gone.
            ReplyOverdueError: it did not come whole in time.
            MalformedReplyError: it is longer than the limit.
        """
        return self._lines.next(timeout_s=timeout_s, limit_bytes=limit_bytes)

    def _receive_bytes(self, left_s: float) -> bytes | None:
        ready, _, _ = select.select([self._stdout], [], [], left_s)
        return os.read(self._stdout, _READ_BYTES) if ready else None

    def read_use(self) -> TreeReading:
        """Return what the sandbox's processes use now."""
        return read_tree(self._process.pid)

    def last_words(self) -> str:
        """Return what the sandbox's maker said before the runner took over; often nothing."""
        with contextlib.suppress(OSError):
            return os.read(self._stderr, _LAST_WORDS_BYTES).decode(errors="replace").strip()
        return ""

    def kill(self) -> None:
        """Kill the sandbox with everything in it, and wait for its end; again, does nothing.

        Killing the runner, PID 1 of its namespace, makes the kernel kill the rest.
        """
        with self._killing:
            if self._is_killed:
                return
            self._is_killed = True
            for pid in child_ids(self._process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.kill()
            self._process.wait(_KILL_TIMEOUT_S)

    def close(self) -> None:
        """Kill what is left and give the pipes back; for the thread that talks."""
        self.kill()
        for pipe in self._pipes:
            pipe.close()
