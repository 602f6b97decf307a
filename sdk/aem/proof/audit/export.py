"""The export of a ledger: one gzip file of JSON Lines that holds all that an auditor needs.

The first line is the header, the last the end. Between them, in the order of the log:

- ``{"leaves": base64}``: the hashes that were sealed for the next records, 32 bytes each;
- a record's canonical bytes as they are: ``{"fields": {...}, "record": "transfer"}``. Its leaf is
  the hash of this line, so nothing has to be written anew to be checked;
- ``{"problem": ..., "record": ..., "id": ...}`` in the place of a record that is not there
  (``record_missing``) or has no bytes (``record_unreadable``), or ``entry_missing`` of the log;
- ``{"checkpoint": envelope, "size": n}`` after the n records that it covers;

and, in an export of the whole log, ``{"account": row}`` and ``{"hold": row}`` as they are stored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aem.proof.canonical import canonical_json
from aem.proof.dsse import Envelope
from aem.proof.errors import MalformedError
from aem.proof.merkle import HASH_SIZE_BYTES, Frontier
from aem.proof.payload import (
    decode_base64,
    encode_base64,
    parse_json,
    require_count,
    require_object,
    require_text,
)

EXPORT_FORMAT = "aem-audit-v1"

RECORD_MISSING = "record_missing"
RECORD_UNREADABLE = "record_unreadable"
ENTRY_MISSING = "entry_missing"

RECORD_PREFIX = b'{"fields":'
"""How a record's canonical bytes begin, and no other line does."""

ACCOUNT_KEYS = (
    "code",
    "currency",
    "floor",
    "credits_posted",
    "debits_posted",
    "debits_held",
    "credits_held",
)
HOLD_KEYS = ("id", "debit", "credit", "amount")


@dataclass(frozen=True, kw_only=True)
class ExportHeader:
    """What an export says of itself.

    Attributes:
        origin: name of the log.
        start: the log before the first exported record.
        size: number of the log's records up to the last exported one.
        is_whole: whether the log is exported from its beginning to its end, accounts included.
        trust: the service's signed trust root.
    """

    origin: str
    start: Frontier
    size: int
    is_whole: bool
    trust: Envelope

    def to_line(self) -> bytes:
        """Write the first line."""
        return canonical_json(
            {
                "format": EXPORT_FORMAT,
                "origin": self.origin,
                "start": self.start.to_json(),
                "size": self.size,
                "is_whole": self.is_whole,
                "trust": self.trust.to_json(),
            }
        )

    @classmethod
    def from_line(cls, line: bytes) -> "ExportHeader":
        """Read the first line.

        Raises:
            MalformedError: it is no header of this format.
        """
        keys = ("format", "origin", "start", "size", "is_whole", "trust")
        fields = require_object(parse_json(line), keys, "an export's header")
        if fields["format"] != EXPORT_FORMAT:
            raise MalformedError(f"the file is no {EXPORT_FORMAT}, but {fields['format']!r}")
        if not isinstance(fields["is_whole"], bool):
            raise MalformedError("is_whole must be true or false")
        return cls(
            origin=require_text(fields["origin"], "origin"),
            start=Frontier.from_json(fields["start"]),
            size=require_count(fields["size"], "size"),
            is_whole=fields["is_whole"],
            trust=Envelope.from_json(fields["trust"]),
        )


@dataclass(frozen=True, kw_only=True)
class ExportEnd:
    """The last line: the log's stored head, and a record that has no entry, if there is one."""

    head: Frontier
    unsealed: tuple[str, str] | None

    def to_line(self) -> bytes:
        """Write the last line."""
        unsealed = None if self.unsealed is None else list(self.unsealed)
        return canonical_json({"end": {"head": self.head.to_json(), "unsealed": unsealed}})

    @classmethod
    def from_json(cls, value: Any) -> "ExportEnd":
        """Read what stands under ``end``.

        Raises:
            MalformedError: it is anything else.
        """
        fields = require_object(value, ("head", "unsealed"), "an export's end")
        unsealed = fields["unsealed"]
        if unsealed is not None:
            record, record_id = require_list(unsealed, 2)
            unsealed = (require_text(record, "record"), require_text(record_id, "id"))
        return cls(head=Frontier.from_json(fields["head"]), unsealed=unsealed)


def leaves_line(hashes: Sequence[bytes]) -> bytes:
    """Write the sealed hashes of the next records."""
    return canonical_json({"leaves": encode_base64(b"".join(hashes))})


def read_leaves(value: Any) -> list[bytes]:
    """Read what stands under ``leaves``.

    Raises:
        MalformedError: it is no row of hashes.
    """
    data = decode_base64(value, "leaves")
    if len(data) % HASH_SIZE_BYTES:
        raise MalformedError(f"leaves are hashes of {HASH_SIZE_BYTES} bytes")
    return [data[at : at + HASH_SIZE_BYTES] for at in range(0, len(data), HASH_SIZE_BYTES)]


def problem_line(problem: str, *, record: str, record_id: str) -> bytes:
    """Write what stands in the place of a record that cannot be exported."""
    return canonical_json({"problem": problem, "record": record, "id": record_id})


def checkpoint_line(size: int, envelope: Any) -> bytes:
    """Write a stored checkpoint, after the records that it covers; None for a damaged one."""
    return canonical_json({"checkpoint": envelope, "size": size})


def state_line(kind: str, row: Mapping[str, Any]) -> bytes:
    """Write an ``account`` or an open ``hold`` as it is stored."""
    plain = {
        name: value if value is None or isinstance(value, str | int | float) else repr(value)
        for name, value in row.items()
    }
    return canonical_json({kind: plain})


def require_list(value: Any, length: int) -> list[Any]:
    """Return the value if it is a list of this length.

    Raises:
        MalformedError: it is anything else.
    """
    if not isinstance(value, list) or len(value) != length:
        raise MalformedError(f"{value!r} is no list of {length}")
    return value
