"""Verifying an export offline: one pass, in memory that grows with accounts and open holds."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, BinaryIO

from aem.proof.audit.export import (
    ACCOUNT_KEYS,
    ENTRY_MISSING,
    HOLD_KEYS,
    RECORD_MISSING,
    RECORD_PREFIX,
    RECORD_UNREADABLE,
    ExportEnd,
    ExportHeader,
    read_leaves,
)
from aem.proof.audit.findings import OWN_KEYS, UNCHECKED, AuditReport
from aem.proof.audit.lines import read_json, read_lines
from aem.proof.audit.log_check import LogCheck
from aem.proof.audit.outside import OutsideCheckpoints, ahead_of, unproven, unused
from aem.proof.audit.receipt import believed
from aem.proof.audit.run import MoneyFindings, MoneyRun
from aem.proof.dsse import Envelope
from aem.proof.errors import MalformedError
from aem.proof.keys import KeyPurpose, TrustedKey
from aem.proof.payload import require_count, require_object, require_text
from aem.proof.trust import TrustRoot

Progress = Callable[[int, int], None]
"""Gets the number of records seen, and of all."""

_UNREADABLE = b""
"""Stands for the hash of a record that has no bytes: equal to no leaf."""

_LEAF_PREFIX = b"\x00"

_ENDS_BEFORE = (
    "the file ends before the kept checkpoint: export again, and if it still ends there, records"
    " are missing"
)


def verify_export(
    stream: BinaryIO,
    *,
    outside: Sequence[Envelope] = (),
    trust: TrustRoot | None = None,
    progress: Progress = lambda _seen, _all: None,
) -> AuditReport:
    """Check an export of a ledger; no service is asked.

    Args:
        stream: the file.
        outside: checkpoints kept elsewhere: they also show a log that was rewritten whole.
        trust: the trust root that was pinned before; without it, the file's own is believed.
        progress: is told now and then how far it is.

    Raises:
        MalformedError: the file is no export at all.
        UntrustedError, WrongSignatureError: its keys are not those that the pinned root vouches
            for.
    """
    batches = read_lines(stream)
    first = next(batches, [b""])
    header = ExportHeader.from_line(first[0])
    keys = believed(header.trust, trust).keys_for(KeyPurpose.CHECKPOINT)
    verifier = _Verifier(header, keys, OutsideCheckpoints(outside))
    try:
        for lines in chain([first[1:]], batches):
            verifier.read_all(lines)
            progress(verifier.log.size - header.start.size, header.size - header.start.size)
    except MalformedError as error:
        verifier.log.blame("export", f"line {verifier.line}", str(error))
    report = verifier.finish()
    return AuditReport(**vars(report) | {"not_excluded": _not_excluded(verifier, trust)})


class _Verifier:
    """The state of one pass."""

    def __init__(
        self, header: ExportHeader, keys: Sequence[TrustedKey], outside: OutsideCheckpoints
    ) -> None:
        self.header = header
        self.log = LogCheck(keys=keys, origin=header.origin, start=header.start)
        self.line = 1
        self._money = MoneyRun()
        self._add_money = self._money.add
        self.outside = outside
        self._sealed: Iterator[bytes] = iter(())
        self._accounts: dict[str, Mapping[str, Any]] = {}
        self._holds: list[Mapping[str, Any]] = []
        self._end: ExportEnd | None = None
        outside.check(self.log)

    def read_all(self, lines: Sequence[bytes]) -> None:
        """Take the next lines.

        Raises:
            MalformedError: one of them is none of this format.
        """
        add, sha256, prefix_bytes = self._add, hashlib.sha256, len(RECORD_PREFIX)
        for line in lines:
            self.line += 1
            if line[:prefix_bytes] == RECORD_PREFIX:
                add(line, sha256(_LEAF_PREFIX + line).digest())
            else:
                self._read_other(line)

    def _add(self, line: bytes, computed: bytes) -> None:
        if self._end is not None:
            raise MalformedError("there is more after the end")
        try:
            value = read_json(line.decode())
            record, row = value["record"], value["fields"]
            record_id = row["id"]
        except (ValueError, KeyError, TypeError) as error:
            raise MalformedError(f"record {self.log.size} is none: {error}") from error
        self._seal(computed, record, record_id)
        self._add_money(record, row, self.log.size - 1)

    def _seal(self, computed: bytes | None, record: str, record_id: str) -> None:
        sealed = next(self._sealed, None)
        if sealed is None:
            raise MalformedError(f"record {self.log.size} has no sealed leaf")
        self.log.add(sealed, computed, record, record_id)
        if self.outside.next_size == self.log.size:
            self.outside.check(self.log)

    def _read_other(self, line: bytes) -> None:
        try:
            value = read_json(line.decode())
        except ValueError as error:
            raise MalformedError(f"it is no JSON: {error}") from error
        if not isinstance(value, dict) or not value or self._end is not None:
            raise MalformedError("it is no line of an export")
        kind = next(iter(value)) if len(value) == 1 else ""
        if kind == "leaves":
            self._take_leaves(value[kind])
        elif kind == "account":
            row = require_object(value[kind], ACCOUNT_KEYS, "an account")
            self._accounts[require_text(row["code"], "code")] = row
        elif kind == "hold":
            self._holds.append(require_object(value[kind], HOLD_KEYS, "a hold"))
        elif kind == "end":
            self._end = ExportEnd.from_json(value[kind])
        elif "checkpoint" in value:
            self._take_checkpoint(value)
        else:
            self._take_problem(value)

    def _take_leaves(self, value: Any) -> None:
        if next(self._sealed, None) is not None:
            raise MalformedError(f"a record is missing after record {self.log.size}")
        self._sealed = iter(read_leaves(value))

    def _take_checkpoint(self, value: Any) -> None:
        fields = require_object(value, ("checkpoint", "size"), "a checkpoint")
        size = require_count(fields["size"], "size")
        if size > self.log.size:
            self.log.blame("checkpoint", str(size), ahead_of(self.log))
            return
        try:
            self.log.check(Envelope.from_json(fields["checkpoint"]), name=str(size))
        except MalformedError:
            self.log.blame("checkpoint", str(size), "is no signed envelope")

    def _take_problem(self, value: Any) -> None:
        fields = require_object(value, ("problem", "record", "id"), "a problem")
        record = require_text(fields["record"], "record")
        record_id = require_text(fields["id"], "id")
        if fields["problem"] == ENTRY_MISSING:
            self.log.blame("log_entry", str(self.log.size), "is missing")
        elif fields["problem"] == RECORD_MISSING:
            self._seal(None, record, record_id)
        elif fields["problem"] == RECORD_UNREADABLE:
            self._seal(_UNREADABLE, record, record_id)
            self._money.add(record, {"id": record_id}, self.log.size - 1)
        else:
            raise MalformedError(f"{fields['problem']!r} is no problem of an export")

    def finish(self) -> AuditReport:
        """Compare the whole with the last line."""
        if self._end is None:
            self.log.blame("export", f"line {self.line}", "is the last, and not the end")
        elif self.log.size != self.header.size or next(self._sealed, None) is not None:
            self.log.blame("export", "end", f"not all {self.header.size} records are there")
        if self.header.is_whole:
            self.outside.blame_unreached(self.log, meaning=_ENDS_BEFORE)
        head = self._end.head if self._end else self.header.start
        log = self.log.finish(head, unsealed=self._end.unsealed if self._end else None)
        money: MoneyFindings | None = None
        if self.header.is_whole and not self.is_cut_short:
            money = self._money.finish(self._accounts.values(), self._holds)
        parts = ("balances", "identity", "fiat", "receipts")
        return AuditReport(log=log, **(vars(money) if money else dict.fromkeys(parts, UNCHECKED)))

    @property
    def is_cut_short(self) -> bool:
        """Whether reading stopped before the file's last line."""
        return self._end is None


def _not_excluded(verifier: _Verifier, trust: TrustRoot | None) -> tuple[str, ...]:
    """Say what this evidence cannot show."""
    found = unproven(verifier.log, verifier.outside, start=verifier.header.start.size)
    if trust is None:
        found.append(OWN_KEYS)
    if not verifier.header.is_whole:
        found.extend(unused(verifier.log, verifier.outside, start=verifier.header.start.size))
        found.append("anything about balances and money: this is a part of the log only")
    elif verifier.is_cut_short:
        found.append("anything about balances and money: the file could not be read to its end")
    return tuple(found)
