"""Checkpoints kept elsewhere: what they show, and what stays unproven without them."""

from collections.abc import Sequence

from aem.proof.audit.log_check import LogCheck
from aem.proof.checkpoint import Checkpoint
from aem.proof.dsse import Envelope

_NEVER = -1


class OutsideCheckpoints:
    """Checkpoints kept elsewhere, which are compared when a log has grown to their sizes."""

    def __init__(self, envelopes: Sequence[Envelope]) -> None:
        """Sort them by size.

        Raises:
            MalformedError: one is no checkpoint.
        """
        sized = sorted((_size_of(envelope), number) for number, envelope in enumerate(envelopes))
        self._waiting = [envelopes[number] for _, number in sized]
        self.sizes = tuple(size for size, _ in sized)
        self._next = 0
        self.next_size = _NEVER
        self._step(0)

    def check(self, log: LogCheck) -> None:
        """Compare those of the log's size as it is now; smaller ones are before its start."""
        while self.next_size != _NEVER and self.next_size <= log.size:
            size, envelope = self.next_size, self._take()
            if size == log.size:
                log.check(envelope, name="outside", is_outside=True)

    def blame_unreached(self, log: LogCheck, *, meaning: str = "records are missing") -> None:
        """Name those that a whole log never reaches, and say what that means."""
        while self.next_size != _NEVER:
            if self.next_size > log.size:
                why = f"of size {self.next_size}, {ahead_of(log)}: {meaning}"
                log.blame("checkpoint", "outside", why)
            self._take()

    def _take(self) -> Envelope:
        taken = self._waiting[self._next]
        self._step(1)
        return taken

    def _step(self, steps: int) -> None:
        self._next += steps
        self.next_size = self.sizes[self._next] if self._next < len(self.sizes) else _NEVER


def ahead_of(log: LogCheck) -> str:
    """Say that a checkpoint is of more records than there are."""
    return f"is ahead of the log, which has {log.size} records"


def unused(log: LogCheck, outside: OutsideCheckpoints, *, start: int) -> list[str]:
    """Say which kept checkpoints a part of the log, from record `start` on, does not reach."""
    return [
        f"what the kept checkpoint of size {size} would show: it could not be used, since this"
        f" part of the log goes from {start} records to {log.size}"
        for size in outside.sizes
        if not start <= size <= log.size
    ]


def unproven(log: LogCheck, outside: OutsideCheckpoints, *, start: int) -> list[str]:
    """Say what a check of a log's records from `start` on cannot show, in sentences.

    So that nobody takes it for more than it is.
    """
    found = []
    reached = [size for size in outside.sizes if start <= size <= log.size]
    if not reached:
        found.append(
            "that whoever holds the checkpoint key rewrote the whole log, or that this is an older"
            " state of it, cut back: only a checkpoint kept elsewhere shows that (--checkpoint)"
        )
    elif max(reached) < log.size:
        found.append(
            f"that whoever holds the checkpoint key rewrote what follows record {max(reached)},"
            " or cut it off: no checkpoint kept elsewhere is newer"
        )
    if log.signed_size < log.size:
        found.append(
            f"changes to the last {log.size - log.signed_size} records: no signed checkpoint"
            " covers them"
        )
    return found


def _size_of(envelope: Envelope) -> int:
    return Checkpoint.from_payload(envelope.payload).size
