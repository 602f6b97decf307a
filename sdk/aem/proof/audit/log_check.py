"""The first statement of an audit: the log is what its signed checkpoints say."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from aem.proof.audit.findings import BadRecord, Finding, FirstBad
from aem.proof.checkpoint import Checkpoint
from aem.proof.dsse import Envelope
from aem.proof.errors import ProofError
from aem.proof.keys import TrustedKey
from aem.proof.merkle import Frontier, GrowingTree

CLOCK_SKEW = timedelta(minutes=5)
"""How far the clocks of two processes that sign checkpoints may be apart."""


@dataclass(frozen=True, kw_only=True)
class _Mismatch:
    """The first record whose bytes are not those that were sealed."""

    number: int
    record: str
    record_id: str
    is_missing: bool


class LogCheck:
    """Every record hashes to its leaf, and the leaves to every root that was ever signed."""

    def __init__(
        self, *, keys: Sequence[TrustedKey], origin: str, start: Frontier | None = None
    ) -> None:
        """Start behind `start`; without it, before the first leaf."""
        self._keys = keys
        self._origin = origin
        self._by_entries = GrowingTree(start)
        self._by_records: GrowingTree | None = None  # apart from the first record that differs on
        self._mismatch: _Mismatch | None = None
        self._bad = FirstBad()
        self._fits = {False: self._by_entries.size, True: self._by_entries.size}
        self._latest: datetime | None = None
        self.checkpoints = 0
        self.signed_size = 0

    @property
    def size(self) -> int:
        """Leaves seen so far, those before the start included."""
        return self._by_entries.size

    def add(self, sealed: bytes, computed: bytes | None, record: str, record_id: str) -> None:
        """Take the next leaf.

        Args:
            sealed: its hash, as the log has it.
            computed: the hash of the record's bytes; None where the record is missing.
            record: what kind of record it is.
            record_id: which one.
        """
        if computed != sealed and self._mismatch is None:
            self._mismatch = _Mismatch(
                number=self.size, record=record, record_id=record_id, is_missing=computed is None
            )
            self._by_records = GrowingTree(self._by_entries.frontier())
        self._by_entries.append(sealed)
        if self._by_records is not None:
            self._by_records.append(sealed if computed is None else computed)

    def blame(self, record: str, record_id: str, why: str) -> None:
        """Name something that keeps the log from being compared at all."""
        self._bad.blame(record, record_id, why, number=self.size)

    def check(self, envelope: Envelope, *, name: str, is_outside: bool = False) -> None:
        """Compare a signed checkpoint of the current size with the leaves so far.

        Args:
            envelope: as it was signed.
            name: what to call it.
            is_outside: whether it was kept elsewhere, and so is evidence against the log's owner.
        """
        self.checkpoints += 1
        try:
            checkpoint = Checkpoint.from_envelope(envelope, self._keys)
        except ProofError as error:
            self._bad.blame("checkpoint", name, str(error))
            return
        fitting = self._fits[True] if is_outside else max(self._fits.values())
        if checkpoint.origin != self._origin:
            self._bad.blame("checkpoint", name, f"is of another log, {checkpoint.origin}")
        elif checkpoint.size != self.size or checkpoint.root not in self._roots():
            self._blame_rewrite(name, since=fitting, until=checkpoint.size)
        elif not is_outside and self._latest and checkpoint.at < self._latest - CLOCK_SKEW:
            self._bad.blame("checkpoint", name, f"is dated {checkpoint.at}, before an earlier one")
        else:
            self._fits[is_outside] = self.size
            self.signed_size = self.size
            self._latest = checkpoint.at

    def finish(self, head: Frontier, *, unsealed: tuple[str, str] | None) -> Finding:
        """Compare the whole with the stored head; `unsealed` is a record without an entry."""
        bad = self._mismatched(head)
        if head.size != self.size or head.root() not in self._roots():
            why = "does not fit the entries of the log"
            self._bad.blame("log_head", str(head.size), why)
        if unsealed is not None:
            record, record_id = unsealed
            self._bad.blame(record, record_id, "has no entry in the log")
        figures = {"size": self.size, "checkpoints": self.checkpoints}
        return Finding(figures=figures, first_bad=bad or self._bad.record)

    def _blame_rewrite(self, name: str, *, since: int, until: int) -> None:
        self._bad.blame(
            "checkpoint",
            name,
            f"does not fit the records up to it: something from record {since} up to record"
            f" {until} was rewritten after it was signed",
            between=(since, until),
        )

    def _mismatched(self, head: Frontier) -> BadRecord | None:
        """Tell a changed record from a changed entry: the right one leads to the stored head."""
        wrong = self._mismatch
        if wrong is None or self._by_records is None:
            return None
        if not wrong.is_missing and self._by_records.root() == head.root():
            record, record_id = "log_entry", str(wrong.number)
            why = "differs from the record it seals"
        else:
            record, record_id = wrong.record, wrong.record_id
            why = "is missing" if wrong.is_missing else "differs from what was sealed in the log"
        return BadRecord(record=record, id=record_id, why=why, number=wrong.number)

    def _roots(self) -> set[bytes]:
        roots = {self._by_entries.root()}
        return roots if self._by_records is None else roots | {self._by_records.root()}
