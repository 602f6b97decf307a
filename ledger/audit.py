"""The audit: proves from the stored rows alone that no money was lost, forged or overspent."""

import json

from sqlalchemy.orm import Session

from aem.proof import Checkpoint, Envelope, KeyPurpose, MalformedError, ProofError
from aem.proof.audit import AuditReport, LogCheck, MoneyRun
from core.signing import Signer
from ledger.records import record_hash
from ledger.store import journal, log, signed

_UNHASHABLE = b""
"""Stands for the leaf of a forged value of a type that no record has: equal to no leaf."""

_OWN_WORD = (
    "that this service's own process is lying: `aem audit export`, and `aem audit verify` of the"
    " file on another machine, need no belief in it"
)
_NO_CHECKPOINT = (
    "that whoever holds the checkpoint key rewrote the whole log, or cut it back: only a"
    " checkpoint kept elsewhere shows that"
)


class Audit:
    """Checks the ledger's statements on one state of the database."""

    def __init__(self, *, signer: Signer, origin: str) -> None:
        """Trust this signer's checkpoint keys, retired ones too, for the log of this name."""
        self._signer = signer
        self._origin = origin

    def verify(self, session: Session, *, outside: Envelope | None = None) -> AuditReport:
        """Read all records once, in the order of the log, and check them.

        Memory grows with the number of accounts, open holds and days, not with the number of
        records.

        Args:
            session: freshly opened, so that all its queries see one state of the database.
            outside: a checkpoint kept elsewhere; it also shows a log that was rewritten whole.
        """
        _hold_snapshot(session)
        keys = [key for key in self._signer.public_keys() if key.purpose is KeyPurpose.CHECKPOINT]
        check, money = LogCheck(keys=keys, origin=self._origin), MoneyRun()
        waiting = _Checkpoints(session, outside)
        waiting.check_up_to(check)
        for entry in log.entries(session):
            if entry.number != check.size:
                check.blame("log_entry", str(check.size), "is missing")
            check.add(entry.leaf_hash, _hash_of(entry), entry.record, entry.record_id)
            if entry.row is not None:
                money.add(entry.record, entry.row, check.size - 1)
            waiting.check_up_to(check)
        waiting.blame_rest(check)
        return AuditReport(
            log=check.finish(log.head(session), unsealed=log.first_unsealed(session)),
            **vars(money.finish(journal.account_rows(session), journal.open_hold_rows(session))),
            not_excluded=(_OWN_WORD,) if outside else (_OWN_WORD, _NO_CHECKPOINT),
        )


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


class _Checkpoints:
    """Signed checkpoints in the order of their sizes, the outside one among them."""

    def __init__(self, session: Session, outside: Envelope | None) -> None:
        self._stored = signed.stream(session)
        self._next = next(self._stored, None)
        self._outside = outside

    def check_up_to(self, check: LogCheck) -> None:
        """Check those whose size has been reached."""
        while self._next is not None and self._next.size <= check.size:
            name = str(self._next.size)
            try:
                check.check(Envelope.from_json(json.loads(self._next.envelope)), name=name)
            except (ValueError, MalformedError):
                check.blame("checkpoint", name, "is no signed envelope")
            self._next = next(self._stored, None)
        if self._outside is not None and _size_of(self._outside) in (None, check.size):
            check.check(self._outside, name="outside", is_outside=True)
            self._outside = None

    def blame_rest(self, check: LogCheck) -> None:
        """Name a checkpoint that the log never reaches."""
        left = [] if self._next is None else [str(self._next.size)]
        left += [] if self._outside is None else ["outside"]
        for name in left:
            check.blame("checkpoint", name, f"is ahead of the log, which has {check.size} records")


def _size_of(envelope: Envelope) -> int | None:
    try:
        return Checkpoint.from_payload(envelope.payload).size
    except MalformedError:
        return None
