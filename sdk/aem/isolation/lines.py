"""Lines out of a stream of bytes, bounded in length and in time."""

import time
from collections.abc import Callable

from aem.isolation.errors import MalformedReplyError, ReplyOverdueError, RunnerEndedError


class LineReader:
    """Cuts what a runner sends into lines; what it sends is never trusted to be short."""

    def __init__(self, receive: Callable[[float], bytes | None]) -> None:
        """Read through `receive`: seconds in, bytes out; none at the end, `None` when too late."""
        self._receive = receive
        self._waiting = bytearray()

    def next(self, *, timeout_s: float, limit_bytes: int) -> bytes:
        """Return the next line, without its line feed.

        Raises:
            ReplyOverdueError: it did not come whole within `timeout_s`.
            MalformedReplyError: it is longer than `limit_bytes`.
            RunnerEndedError: the stream ended before its line feed.
        """
        deadline = time.monotonic() + timeout_s
        searched = 0
        while (end := self._waiting.find(b"\n", searched)) < 0:
            if len(self._waiting) > limit_bytes:
                break
            searched = len(self._waiting)
            self._waiting += self._more(deadline - time.monotonic())
        if not 0 <= end <= limit_bytes:
            raise MalformedReplyError(f"a reply is longer than {limit_bytes} bytes")
        line = bytes(self._waiting[:end])
        del self._waiting[: end + 1]
        return line

    def _more(self, left_s: float) -> bytes:
        chunk = self._receive(left_s) if left_s > 0 else None
        if chunk is None:
            raise ReplyOverdueError("the runner did not reply in time")
        if not chunk:
            raise RunnerEndedError("the runner's stream ended")
        return chunk
