"""The log as a file that an auditor takes away; see `aem.proof.audit.export`."""

import json
import math
from collections.abc import Iterator
from typing import Any

from sqlalchemy.orm import Session

from aem.proof import GrowingTree, NotCanonicalError, frontier_at
from aem.proof.audit import (
    ENTRY_MISSING,
    RECORD_MISSING,
    RECORD_UNREADABLE,
    ExportEnd,
    ExportHeader,
    checkpoint_line,
    leaves_line,
    problem_line,
    state_line,
)
from core.signing import Signer
from ledger.errors import BatchError
from ledger.records import record_bytes
from ledger.store import journal, log, nodes, signed


class Export:
    """Writes the log line by line, from one state of the database."""

    def __init__(self, *, signer: Signer, origin: str) -> None:
        """Keep the signer, whose trust root goes with every export; no I/O."""
        self._signer = signer
        self._origin = origin

    def lines(
        self, session: Session, *, start: int = 0, end: int | None = None
    ) -> Iterator[bytes]:
        """Yield the export's lines, without their ends.

        Memory is constant. A damaged log is exported as it is: it is the verifier that judges.

        Args:
            session: freshly opened, so that all its queries see one state of the database.
            start: number of the first record; with it, or `end`, the accounts are left out.
            end: number after the last record; by default all.

        Raises:
            BatchError: there is no such range.
        """
        head = log.head(session)
        last = head.size if end is None else end
        if not 0 <= start <= last <= head.size:
            raise BatchError(f"records {start} to {last} are not in a log of {head.size}")
        return self._write(session, start, last, is_whole=(start, last) == (0, head.size))

    def _write(self, session: Session, start: int, end: int, *, is_whole: bool) -> Iterator[bytes]:
        before = frontier_at(nodes.reader(session), start)
        yield ExportHeader(
            origin=self._origin,
            start=before,
            size=end,
            is_whole=is_whole,
            trust=self._signer.trust(),
        ).to_line()
        tree = GrowingTree(before)
        yield from _records(session, tree, end, is_whole=is_whole)
        if not is_whole:
            yield ExportEnd(head=tree.frontier(), unsealed=None).to_line()
            return
        for account in journal.account_rows(session):
            yield state_line("account", account)
        for hold in journal.open_hold_rows(session):
            yield state_line("hold", hold)
        yield ExportEnd(head=log.head(session), unsealed=log.first_unsealed(session)).to_line()


def _records(session: Session, tree: GrowingTree, end: int, *, is_whole: bool) -> Iterator[bytes]:
    """Yield leaves, records and checkpoints in the order of the log; `tree` grows along."""
    checkpoints = _Checkpoints(session, after=tree.size - 1)
    yield from checkpoints.up_to(tree.size)
    for page in log.pages(session, start=tree.size, end=end):
        yield leaves_line([entry.leaf_hash for entry in page])
        for entry in page:
            if entry.number != tree.size:
                name = str(tree.size)
                yield problem_line(ENTRY_MISSING, record="log_entry", record_id=name)
            yield _record_line(entry)
            tree.append(entry.leaf_hash)
            yield from checkpoints.up_to(tree.size)
    if is_whole:
        yield from checkpoints.up_to(math.inf)


def _record_line(entry: log.LogEntry) -> bytes:
    if entry.row is None:
        return problem_line(RECORD_MISSING, record=entry.record, record_id=entry.record_id)
    try:
        return record_bytes(entry.record, entry.row)
    except NotCanonicalError:
        return problem_line(RECORD_UNREADABLE, record=entry.record, record_id=entry.record_id)


class _Checkpoints:
    """Stored checkpoints in the order of their sizes."""

    def __init__(self, session: Session, *, after: int) -> None:
        self._stored = signed.stream(session, after=after)
        self._next = next(self._stored, None)

    def up_to(self, size: float) -> Iterator[bytes]:
        """Yield those whose size has been reached."""
        while self._next is not None and self._next.size <= size:
            yield checkpoint_line(self._next.size, _envelope(self._next.envelope))
            self._next = next(self._stored, None)


def _envelope(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None  # the verifier names it
