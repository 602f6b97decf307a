"""The audit: proves from the stored rows alone that no money was lost, forged or overspent."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from aem.proof import Checkpoint, Envelope, MalformedError, TrustedKey
from ledger.checks import BadRecord, BooksCheck, FiatCheck, Finding, IdentityCheck, LogCheck
from ledger.store import journal, log

_UNREADABLE = (TypeError, ValueError, KeyError, AttributeError)
"""What forged values raise where amounts and names are expected."""


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """What an audit found, statement by statement.

    Attributes:
        log: every record is sealed and unchanged, none is missing or extra, and every signed
            checkpoint fits.
        balances: balances rebuilt from the journal equal the stored ones.
        identity: M = E - B, from rebuilt balances, issuance decisions and usage.
        fiat: each day's admitted liability (held, spent, in suspense) is within its budget.
    """

    log: Finding
    balances: Finding
    identity: Finding
    fiat: Finding

    @property
    def verified(self) -> bool:
        """Whether all statements hold."""
        return all(finding.holds for finding in vars(self).values())

    @property
    def first_bad(self) -> BadRecord | None:
        """The first record that is wrong, by the first statement that it breaks."""
        bad = (finding.first_bad for finding in vars(self).values())
        return next((record for record in bad if record is not None), None)

    def to_json(self) -> dict[str, Any]:
        """Write the report as JSON."""
        bad = self.first_bad
        return {
            "verified": self.verified,
            "first_bad": None if bad is None else dict(vars(bad)),
            "statements": {name: finding.to_json() for name, finding in vars(self).items()},
        }


class Audit:
    """Checks the ledger's statements on one state of the database."""

    def __init__(self, *, keys: Sequence[TrustedKey], origin: str) -> None:
        """Trust these checkpoint keys, for the log of this name."""
        self._keys = keys
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
        run = _Run(LogCheck(keys=self._keys, origin=self._origin))
        waiting = _Checkpoints(session, outside)
        waiting.check_up_to(run.log)
        for entry in log.entries(session):
            run.add(entry)
            waiting.check_up_to(run.log)
        waiting.blame_rest(run.log)
        return run.finish(session)


def _hold_snapshot(session: Session) -> None:
    """Let all queries see one state; SQLite's reading transactions do by themselves."""
    if session.get_bind().dialect.name == "postgresql" and not session.in_transaction():
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})


class _Run:
    """One pass over the log's records."""

    def __init__(self, log_check: LogCheck) -> None:
        self.log = log_check
        self._books = BooksCheck()
        self._identity = IdentityCheck()
        self._fiat = FiatCheck()

    def add(self, entry: log.LogEntry) -> None:
        self.log.add(entry)
        if entry.row is None:
            return
        match entry.record:
            case "transfer":
                self._add_transfer(entry.row)
            case "issuance_decision" | "usage":
                self._add_money(entry.record, entry.row)

    def _add_transfer(self, row: Mapping[str, Any]) -> None:
        try:
            self._books.add(row)
        except _UNREADABLE:
            self._books.blame(row["id"])

    def _add_money(self, record: str, row: Mapping[str, Any]) -> None:
        try:
            if record == "usage":
                self._identity.add_usage(row)
            else:
                self._identity.add_decision(row)
                self._fiat.add_decision(row)
        except _UNREADABLE:
            self._identity.blame(record, row["id"])

    def finish(self, session: Session) -> AuditReport:
        return AuditReport(
            log=self.log.finish(log.head(session), unsealed=log.first_unsealed(session)),
            balances=self._books.finish(
                journal.account_rows(session), journal.open_hold_rows(session)
            ),
            identity=self._identity.finish(self._books.money_utok()),
            fiat=self._fiat.finish(self._books.sums),
        )


class _Checkpoints:
    """Signed checkpoints in the order of their sizes, the outside one among them."""

    def __init__(self, session: Session, outside: Envelope | None) -> None:
        self._stored = log.all_checkpoints(session)
        self._next = next(self._stored, None)
        self._outside = outside

    def check_up_to(self, check: LogCheck) -> None:
        """Check those whose size has been reached."""
        while self._next is not None and self._next.size <= check.size:
            name = str(self._next.size)
            try:
                check.check(Envelope.from_json(json.loads(self._next.envelope)), name=name)
            except (ValueError, MalformedError):
                check.blame_checkpoint(name, "is no signed envelope")
            self._next = next(self._stored, None)
        if self._outside is not None and _size_of(self._outside) in (None, check.size):
            check.check(self._outside, name="outside")
            self._outside = None

    def blame_rest(self, check: LogCheck) -> None:
        """Name a checkpoint that the log never reaches."""
        left = [] if self._next is None else [str(self._next.size)]
        left += [] if self._outside is None else ["outside"]
        for name in left:
            check.blame_checkpoint(name, f"is ahead of the log, which has {check.size} records")


def _size_of(envelope: Envelope) -> int | None:
    try:
        return Checkpoint.from_payload(envelope.payload).size
    except MalformedError:
        return None
