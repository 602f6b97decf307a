"""A pipe that a case writes to, read up to a limit."""

import os

from aem.isolation.runner.stream import READ_BYTES


class Intake:
    """The pipe and what came through it."""

    def __init__(self, limit_bytes: int) -> None:
        """Open the pipe; its writing end is for the case."""
        self.read_fd, self.write_fd = os.pipe()
        os.set_blocking(self.read_fd, False)
        self.data = bytearray()
        self._limit_bytes = limit_bytes

    @property
    def is_over(self) -> bool:
        """Whether more came than the limit."""
        return len(self.data) > self._limit_bytes

    def read(self) -> bool:
        """Take in what is there; return whether more may come."""
        try:
            chunk = os.read(self.read_fd, READ_BYTES)
        except BlockingIOError:
            return False
        self.data += chunk
        return bool(chunk) and not self.is_over

    def drain(self) -> None:
        """Take in all that is there now."""
        while self.read():
            pass

    def close(self) -> None:
        """Close the reading end; whoever hands over the other one closes that."""
        os.close(self.read_fd)
