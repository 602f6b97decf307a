"""The four statements that an audit checks, each fed with the log's records in order.

Nothing here trusts the service's own reading of its rows: a record is the columns as stored, and
one that cannot be read is a bad one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from aem.proof import (
    Checkpoint,
    Envelope,
    Frontier,
    KeyPurpose,
    ProofError,
    TrustedKey,
    verify_envelope,
)
from core.money import Currency
from ledger.accounts import FIAT_BUDGET, class_of
from ledger.domain import Phase
from ledger.errors import AccountCodeError
from ledger.records import record_hash
from ledger.store.journal import new_account
from ledger.store.log import LogEntry
from ledger.store.tables import row_of


@dataclass(frozen=True, kw_only=True)
class BadRecord:
    """What an audit found wrong first.

    Attributes:
        record: what kind of record it is: ``transfer``, ``account``, ``log_entry``.
        id: which one.
        why: in a sentence.
    """

    record: str
    id: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Whether a statement holds, the figures that show it, and what breaks it first."""

    figures: Mapping[str, int]
    first_bad: BadRecord | None

    @property
    def holds(self) -> bool:
        """Whether nothing breaks the statement."""
        return self.first_bad is None

    def to_json(self) -> dict[str, Any]:
        """Write the finding as JSON."""
        bad = self.first_bad
        return {
            "holds": self.holds,
            "figures": dict(self.figures),
            "first_bad": None if bad is None else dict(vars(bad)),
        }


class LogCheck:
    """Every record hashes to its leaf, and the leaves to every root that was ever signed."""

    def __init__(self, *, keys: Sequence[TrustedKey], origin: str) -> None:
        """Start before the first leaf."""
        self._keys = keys
        self._origin = origin
        self._by_entries = Frontier()
        self._by_records: Frontier | None = None  # apart from the first record that differs on
        self._mismatch: tuple[LogEntry, str] | None = None
        self._bad: BadRecord | None = None
        self.checkpoints = 0

    @property
    def size(self) -> int:
        """Leaves seen so far."""
        return self._by_entries.size

    def add(self, entry: LogEntry) -> None:
        """Take the next entry."""
        if entry.number != self.size:
            self._blame("log_entry", str(self.size), "is missing")
        recomputed = _hash_of(entry)
        if recomputed != entry.leaf_hash and self._mismatch is None:
            why = "is missing" if entry.row is None else "differs from what was sealed in the log"
            self._mismatch = entry, why
            self._by_records = self._by_entries
        self._by_entries = self._by_entries.append(entry.leaf_hash)
        if self._by_records is not None:
            self._by_records = self._by_records.append(recomputed or entry.leaf_hash)

    def check(self, envelope: Envelope, *, name: str) -> None:
        """Compare a signed checkpoint of the current size with the leaves so far."""
        self.checkpoints += 1
        try:
            payload = verify_envelope(envelope, self._keys, KeyPurpose.CHECKPOINT)
            checkpoint = Checkpoint.from_payload(payload)
        except ProofError as error:
            self._blame("checkpoint", name, str(error))
            return
        if checkpoint.origin != self._origin:
            self._blame("checkpoint", name, f"is of another log, {checkpoint.origin}")
        elif checkpoint.size != self.size or checkpoint.root not in self._roots():
            self._blame("checkpoint", name, "does not fit the records up to it")

    def blame_checkpoint(self, name: str, why: str) -> None:
        """Name a checkpoint that could not be compared at all."""
        self._blame("checkpoint", name, why)

    def finish(self, head: Frontier, *, unsealed: tuple[str, str] | None) -> Finding:
        """Compare the whole with the stored head; `unsealed` is a record without an entry."""
        self._blame_mismatch(head)
        if head.size != self.size or head.root() not in self._roots():
            self._blame("log_head", str(head.size), "does not fit the entries of the log")
        if unsealed is not None:
            record, record_id = unsealed
            self._blame(record, record_id, "has no entry in the log")
        figures = {"size": self.size, "checkpoints": self.checkpoints}
        return Finding(figures=figures, first_bad=self._bad)

    def _blame_mismatch(self, head: Frontier) -> None:
        """Tell a changed record from a changed entry: the right one leads to the stored head."""
        if self._mismatch is None or self._by_records is None:
            return
        entry, why = self._mismatch
        if entry.row is not None and self._by_records.root() == head.root():
            self._bad = BadRecord(
                record="log_entry", id=str(entry.number), why="differs from the record it seals"
            )
        else:
            self._bad = BadRecord(record=entry.record, id=entry.record_id, why=why)

    def _roots(self) -> set[bytes]:
        roots = {self._by_entries.root()}
        return roots if self._by_records is None else roots | {self._by_records.root()}

    def _blame(self, record: str, record_id: str, why: str) -> None:
        self._bad = self._bad or BadRecord(record=record, id=record_id, why=why)


def _hash_of(entry: LogEntry) -> bytes | None:
    if entry.row is None:
        return None
    try:
        return record_hash(entry.record, entry.row)
    except ProofError:  # a forged value of a type that no record has
        return b"".ljust(32, b"\0")


@dataclass(kw_only=True)
class _Sums:
    credits_posted: int = 0
    debits_posted: int = 0
    debits_held: int = 0
    credits_held: int = 0


@dataclass(kw_only=True)
class BooksCheck:
    """Balances rebuilt from the journal equal the stored ones."""

    sums: dict[str, _Sums] = field(default_factory=dict)
    transfers: int = 0
    _holds: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _bad: BadRecord | None = None

    def add(self, row: Mapping[str, Any]) -> None:
        """Take the next transfer."""
        self.transfers += 1
        phase, amount = Phase(row["phase"]), row["amount"] + 0
        if phase is Phase.POSTED:
            self._move(row, posted=amount)
        elif phase is Phase.HOLD:
            self._holds[row["id"]] = row
            self._move(row, held=amount)
        else:
            hold = self._holds.pop(row["hold_id"], None)
            if hold is None:
                self._blame("transfer", row["id"], "settles no open hold")
                return
            self._move(hold, held=-hold["amount"])
            self._move(row, posted=amount if phase is Phase.POST else 0)

    def blame(self, record_id: str) -> None:
        """Name a transfer that cannot be read."""
        self._blame("transfer", record_id, "cannot be read as a transfer")

    def finish(
        self, accounts: Iterable[Mapping[str, Any]], open_holds: Iterable[Mapping[str, Any]]
    ) -> Finding:
        """Compare with the stored accounts and open holds."""
        missing = {code for code, sums in self.sums.items() if any(vars(sums).values())}
        count = 0
        for row in accounts:
            count += 1
            missing.discard(row["code"])
            self._compare(row)
        for code in sorted(missing):
            self._blame("account", code, "is missing")
        self._compare_holds(open_holds)
        figures = {"transfers": self.transfers, "accounts": count, "open_holds": len(self._holds)}
        return Finding(figures=figures, first_bad=self._bad)

    def money_utok(self) -> int:
        """Return M: the sum of all rebuilt token balances but the contra ones."""
        return sum(
            sums.credits_posted - sums.debits_posted
            for code, sums in self.sums.items()
            if _is_money(code)
        )

    def _compare(self, row: Mapping[str, Any]) -> None:
        code = row["code"]
        try:
            new = new_account(code)
        except AccountCodeError:
            self._blame("account", code, "belongs to no class of accounts")
            return
        rebuilt = row_of(replace(new, **vars(self.sums.get(code, _Sums()))))
        wrong = [name for name, value in rebuilt.items() if row[name] != value]
        if wrong:
            pairs = ", ".join(f"{name} {row[name]} (rebuilt {rebuilt[name]})" for name in wrong)
            self._blame("account", code, f"is stored with {pairs}")

    def _compare_holds(self, open_holds: Iterable[Mapping[str, Any]]) -> None:
        missing = set(self._holds)
        for row in open_holds:
            rebuilt = self._holds.get(row["id"])
            missing.discard(row["id"])
            if rebuilt is None or any(rebuilt[name] != row[name] for name in row):
                self._blame("hold", row["id"], "is stored as open otherwise than the journal says")
        for hold_id in sorted(missing):
            self._blame("hold", hold_id, "is open in the journal, and not stored so")

    def _move(self, row: Mapping[str, Any], *, posted: int = 0, held: int = 0) -> None:
        payer = self.sums.setdefault(row["debit"], _Sums())
        payee = self.sums.setdefault(row["credit"], _Sums())
        payer.debits_posted += posted
        payer.debits_held += held
        payee.credits_posted += posted
        payee.credits_held += held

    def _blame(self, record: str, record_id: str, why: str) -> None:
        self._bad = self._bad or BadRecord(record=record, id=record_id, why=why)


def _is_money(code: str) -> bool:
    try:
        account_class = class_of(code)
    except AccountCodeError:
        return False
    return account_class.currency is Currency.UTOK and not account_class.is_contra


@dataclass(kw_only=True)
class IdentityCheck:
    """M = E - B: balances, issuance decisions and usage, each from its own records."""

    issued_utok: int = 0
    burned_utok: int = 0
    shortfall_utok: int = 0
    _bad: BadRecord | None = None

    def add_decision(self, row: Mapping[str, Any]) -> None:
        """Take the next issuance decision."""
        self.issued_utok += row["issued_utok"]

    def add_usage(self, row: Mapping[str, Any]) -> None:
        """Take the next usage record."""
        self.burned_utok += row["burn_utok"]
        self.shortfall_utok += row["shortfall_utok"]

    def blame(self, record: str, record_id: str) -> None:
        """Name a record that cannot be read."""
        why = "cannot be read"
        self._bad = self._bad or BadRecord(record=record, id=record_id, why=why)

    def finish(self, money_utok: int) -> Finding:
        """Compare with M, rebuilt from the journal."""
        difference_utok = money_utok - (self.issued_utok - self.burned_utok)
        if difference_utok and self._bad is None:
            self._bad = BadRecord(
                record="money",
                id="utok",
                why=f"M exceeds E - B by {difference_utok} utok",
            )
        return Finding(
            figures={
                "money_utok": money_utok,
                "issued_utok": self.issued_utok,
                "burned_utok": self.burned_utok,
                "shortfall_utok": self.shortfall_utok,
            },
            first_bad=self._bad,
        )


@dataclass(kw_only=True)
class FiatCheck:
    """What was admitted on each day stays within that day's fiat budget (Lemma 1)."""

    _limits_nusd: dict[str, int] = field(default_factory=dict)
    _bad: BadRecord | None = None

    def add_decision(self, row: Mapping[str, Any]) -> None:
        """Take the next issuance decision."""
        self._limits_nusd[FIAT_BUDGET.code(row["budget"], row["day"])] = row["daily_limit_nusd"]

    def finish(self, sums: Mapping[str, _Sums]) -> Finding:
        """Compare with the rebuilt fiat accounts: what left a day's account or is held on it."""
        admitted_nusd = 0
        prefix = f"{FIAT_BUDGET.prefix}:"
        days = self._limits_nusd.keys() | {code for code in sums if code.startswith(prefix)}
        for code in sorted(days):
            day, limit_nusd = sums.get(code, _Sums()), self._limits_nusd.get(code, 0)
            day_nusd = day.debits_posted + day.debits_held
            admitted_nusd += day_nusd
            if day_nusd > limit_nusd:
                self._blame(code, f"{day_nusd} nusd admitted, {limit_nusd} nusd budgeted")
            elif day.credits_posted != limit_nusd:
                self._blame(code, f"{day.credits_posted} nusd funded, {limit_nusd} nusd budgeted")
        figures = {
            "days": len(self._limits_nusd),
            "admitted_nusd": admitted_nusd,
            "budget_nusd": sum(self._limits_nusd.values()),
        }
        return Finding(figures=figures, first_bad=self._bad)

    def _blame(self, code: str, why: str) -> None:
        self._bad = self._bad or BadRecord(record="fiat_day", id=code, why=why)
