"""The audit: proves from the stored rows alone that no money was lost, forged or overspent."""

import json
from collections.abc import Iterator, Sequence

from sqlalchemy.orm import Session

from aem.proof import (
    Envelope,
    Frontier,
    KeyPurpose,
    MalformedError,
    ProofError,
    TrustedKey,
    frontier_at,
)
from aem.proof.audit import (
    UNCHECKED,
    AuditReport,
    LogCheck,
    MoneyRun,
    OutsideCheckpoints,
    unproven,
)
from core.signing import Signer
from ledger.records import record_hash
from ledger.store import journal, log, nodes, signed

_UNHASHABLE = b""
"""Stands for the leaf of a forged value of a type that no record has: equal to no leaf."""

_OWN_WORD = (
    "that this service's own process is lying: `aem audit export`, and `aem audit verify` of the"
    " file on another machine, need no belief in it"
)


class Audit:
    """Checks the ledger's statements on stored rows."""

    def __init__(self, *, signer: Signer, origin: str) -> None:
        """Trust this signer's checkpoint keys, retired ones too, for the log of this name."""
        self._signer = signer
        self._origin = origin

    def verify(self, session: Session, *, outside: Sequence[Envelope] = ()) -> AuditReport:
        """Read all records once, in the order of the log, and check them.

        Memory grows with the number of accounts, open holds and days, not with the number of
        records.

        Args:
            session: freshly opened, so that all its queries see one state of the database.
            outside: checkpoints kept elsewhere: they also show a log that was rewritten whole.

        Raises:
            MalformedError: what was kept elsewhere is no checkpoint.
        """
        return self.begin(outside=outside).finish(session)

    def begin(self, *, outside: Sequence[Envelope] = ()) -> "AuditRun":
        """Return an audit of the whole ledger, to be read piece by piece."""
        return AuditRun(keys=self._keys(), origin=self._origin, start=Frontier(), outside=outside)

    def resume(self, session: Session, size: int) -> "AuditRun":
        """Return an audit of the log behind its first `size` records, which were checked before.

        It says of the log whether it only grew from the checkpoint of that size on, and nothing
        of the money.
        """
        start = frontier_at(nodes.reader(session), size)
        return AuditRun(keys=self._keys(), origin=self._origin, start=start)

    def _keys(self) -> list[TrustedKey]:
        keys = self._signer.public_keys()
        return [key for key in keys if key.purpose is KeyPurpose.CHECKPOINT]


class AuditRun:
    """One audit, in as many transactions as its caller likes.

    Records and their entries never change, so pieces that are read one after the other say what
    one reading would say. What does change (balances, open holds, the log's head) is read in the
    last piece, in one state of the database.
    """

    def __init__(
        self,
        *,
        keys: Sequence[TrustedKey],
        origin: str,
        start: Frontier,
        outside: Sequence[Envelope] = (),
    ) -> None:
        """Begin behind `start`; an audit that does not begin with the log is about it alone."""
        self._check = LogCheck(keys=keys, origin=origin, start=start)
        self._money = None if start.size else MoneyRun()
        self._outside = OutsideCheckpoints(outside)
        self._outside.check(self._check)
        self._start = start.size
        self._next = start.size  # number of the next entry
        self._compared = start.size - 1  # size of the last stored checkpoint that was compared
        self._end: int | None = None  # how far pieces go

    @property
    def size(self) -> int:
        """Records that the log had up to where this audit is."""
        return self._check.size

    @property
    def signed_size(self) -> int:
        """Size of the last checkpoint that fits what was read."""
        return self._check.signed_size

    def read(self, session: Session, *, limit: int) -> bool:
        """Read up to `limit` further records; return whether there are more to be read so.

        That goes as far as the newest checkpoint at the first call: a later one might be stored
        after its size was passed.

        Args:
            session: any one that sees committed records alone.
            limit: of records.
        """
        if self._end is None:
            newest = signed.latest(session)
            self._end = newest.size if newest else 0
        before = self._next
        self._read(session, min(self._end, before + limit))
        return before < self._next < self._end

    def finish(self, session: Session) -> AuditReport:
        """Read the rest, and compare it with the log's head and with what balances are stored.

        Args:
            session: freshly opened, so that all its queries see one state of the database.
        """
        _hold_snapshot(session)
        left = self._read(session, None)
        if left is not None:
            why = f"is ahead of the log, which has {self.size} records"
            self._check.blame("checkpoint", str(left.size), why)
        self._outside.blame_unreached(self._check)
        head = log.head(session)
        if self._money is None:
            only = f"only the log behind record {self._start} was read"
            return AuditReport(
                log=self._check.finish(head, unsealed=None),
                **dict.fromkeys(("balances", "identity", "fiat", "receipts"), UNCHECKED),
                not_excluded=(*self._unproven(), f"anything about balances and money: {only}"),
            )
        money = self._money.finish(journal.account_rows(session), journal.open_hold_rows(session))
        return AuditReport(
            log=self._check.finish(head, unsealed=log.first_unsealed(session)),
            **vars(money),
            not_excluded=self._unproven(),
        )

    def _unproven(self) -> tuple[str, ...]:
        return (_OWN_WORD, *unproven(self._check, self._outside, start=self._start))

    def _read(self, session: Session, end: int | None) -> signed.StoredCheckpoint | None:
        """Take the records up to `end`; return the stored checkpoint after them, if there is one.

        A checkpoint of a size that was passed before it was stored is left to the next audit.
        """
        stored = signed.stream(session, after=max(self._compared, self.size - 1))
        waiting = self._compare(stored, next(stored, None))
        for page in log.pages(session, start=self._next, end=end):
            for entry in page:
                self._take(entry)
                if waiting is not None and waiting.size <= self.size:
                    waiting = self._compare(stored, waiting)
            self._next = page[-1].number + 1
        return waiting

    def _take(self, entry: log.LogEntry) -> None:
        if entry.number != self.size:
            self._check.blame("log_entry", str(self.size), "is missing")
        self._check.add(entry.leaf_hash, _hash_of(entry), entry.record, entry.record_id)
        if self._money is not None and entry.row is not None:
            self._money.add(entry.record, entry.row, self.size - 1)
        if self._outside.next_size == self.size:
            self._outside.check(self._check)

    def _compare(
        self,
        stored: Iterator[signed.StoredCheckpoint],
        waiting: signed.StoredCheckpoint | None,
    ) -> signed.StoredCheckpoint | None:
        """Compare stored checkpoints of sizes that are reached; return the first that is not."""
        while waiting is not None and waiting.size <= self.size:
            name = str(waiting.size)
            try:
                self._check.check(Envelope.from_json(json.loads(waiting.envelope)), name=name)
            except (ValueError, MalformedError):
                self._check.blame("checkpoint", name, "is no signed envelope")
            self._compared = waiting.size
            waiting = next(stored, None)
        return waiting


def _hold_snapshot(session: Session) -> None:
    """Let all queries see one state; SQLite's reading transactions do by themselves."""
    if session.get_bind().dialect.name == "postgresql" and not session.in_transaction():
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})


def _hash_of(entry: log.LogEntry) -> bytes | None:
    if entry.row is None:
        return None
    try:
        return record_hash(entry.record, entry.row)
    except ProofError:
        return _UNHASHABLE
