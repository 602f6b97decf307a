"""Receipts: what the holder of one transfer keeps, and anybody can verify without the service.

Both kinds of proof are canonical JSON, so that not one byte of a file can differ unseen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aem.proof.audit.lines import read_json
from aem.proof.canonical import canonical_json
from aem.proof.checkpoint import Checkpoint
from aem.proof.dsse import Envelope
from aem.proof.errors import MalformedError, NotConsistentError
from aem.proof.keys import KeyPurpose, TrustedKey
from aem.proof.merkle import HASH_SIZE_BYTES, leaf_hash, verify_consistency, verify_inclusion
from aem.proof.payload import (
    decode_base64,
    encode_base64,
    parse_json,
    require_count,
    require_object,
    require_text,
)
from aem.proof.trust import TrustRoot

RECEIPT_FORMAT = "aem-receipt-v1"
CONSISTENCY_FORMAT = "aem-consistency-v1"

MAX_PROOF_HASHES = 64
"""Levels of a tree whose size fits into 64 bits."""


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """That a record is in the log: its bytes, its place, and the path to a signed root.

    Attributes:
        record: the record's canonical bytes.
        number: its place in the log, from 0.
        proof: audit path (RFC 6962, 2.1.1).
        checkpoint: signed; covers the record.
        trust: the service's signed trust root, whose checkpoint key signed.
    """

    record: bytes
    number: int
    proof: tuple[bytes, ...]
    checkpoint: Envelope
    trust: Envelope

    def to_bytes(self) -> bytes:
        """Write the receipt as a file."""
        return canonical_json(
            {
                "format": RECEIPT_FORMAT,
                "record": self.record.decode(),
                "number": self.number,
                "proof": [encode_base64(node) for node in self.proof],
                "checkpoint": self.checkpoint.to_json(),
                "trust": self.trust.to_json(),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "Receipt":
        """Read a file that `to_bytes` wrote.

        Raises:
            MalformedError: it is anything else, to the byte.
        """
        keys = ("format", "record", "number", "proof", "checkpoint", "trust")
        fields = _read(data, RECEIPT_FORMAT, keys)
        return cls(
            record=require_text(fields["record"], "record").encode(),
            number=require_count(fields["number"], "number"),
            proof=_read_proof(fields["proof"]),
            checkpoint=Envelope.from_json(fields["checkpoint"]),
            trust=Envelope.from_json(fields["trust"]),
        )

    def verify(self, pinned: TrustRoot | None = None) -> dict[str, Any]:
        """Return the record's fields, if the checkpoint commits to them.

        Args:
            pinned: the trust root that was pinned before; without it, the receipt's own counts.

        Raises:
            ProofError: it does not, or the checkpoint is not signed by a trusted key.
        """
        keys = _checkpoint_keys(self.trust, pinned)
        checkpoint = Checkpoint.from_envelope(self.checkpoint, keys)
        verify_inclusion(
            leaf=leaf_hash(self.record),
            index=self.number,
            size=checkpoint.size,
            proof=self.proof,
            root=checkpoint.root,
        )
        value = require_object(parse_json(self.record), ("record", "fields"), "a record")
        return {"record": value["record"], **value["fields"]}


@dataclass(frozen=True, kw_only=True)
class ConsistencyProof:
    """That the log only grew from one signed checkpoint to another.

    Attributes:
        old: the earlier checkpoint, signed.
        new: the later one, signed.
        proof: consistency proof (RFC 6962, 2.1.2).
        trust: the service's signed trust root.
    """

    old: Envelope
    new: Envelope
    proof: tuple[bytes, ...]
    trust: Envelope

    def to_bytes(self) -> bytes:
        """Write the proof as a file."""
        return canonical_json(
            {
                "format": CONSISTENCY_FORMAT,
                "old": self.old.to_json(),
                "new": self.new.to_json(),
                "proof": [encode_base64(node) for node in self.proof],
                "trust": self.trust.to_json(),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "ConsistencyProof":
        """Read a file that `to_bytes` wrote.

        Raises:
            MalformedError: it is anything else, to the byte.
        """
        fields = _read(data, CONSISTENCY_FORMAT, ("format", "old", "new", "proof", "trust"))
        return cls(
            old=Envelope.from_json(fields["old"]),
            new=Envelope.from_json(fields["new"]),
            proof=_read_proof(fields["proof"]),
            trust=Envelope.from_json(fields["trust"]),
        )

    def verify(self, pinned: TrustRoot | None = None) -> tuple[Checkpoint, Checkpoint]:
        """Return both checkpoints, if the later one only appended to the earlier one.

        Args:
            pinned: the trust root that was pinned before; without it, the proof's own counts.

        Raises:
            ProofError: it did not, or one is not signed by a trusted key.
        """
        keys = _checkpoint_keys(self.trust, pinned)
        old, new = (Checkpoint.from_envelope(envelope, keys) for envelope in (self.old, self.new))
        if old.origin != new.origin:
            raise NotConsistentError(f"they are of two logs, {old.origin} and {new.origin}")
        verify_consistency(
            old_size=old.size,
            old_root=old.root,
            new_size=new.size,
            new_root=new.root,
            proof=self.proof,
        )
        return old, new


def format_of(data: bytes) -> str | None:
    """Return the format that a JSON file names; None if it names none."""
    try:
        value = read_json(data.decode())
    except (ValueError, RecursionError):
        return None
    found = value.get("format") if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def require_same(kept: Sequence[Envelope], proven: Sequence[Checkpoint]) -> None:
    """Check that what was kept elsewhere is what a proof speaks of.

    Raises:
        NotConsistentError: a kept checkpoint has another root, or none of the proof's sizes.
    """
    for envelope in kept:
        if not is_about([envelope], proven):
            size = Checkpoint.from_payload(envelope.payload).size
            raise NotConsistentError(f"the proof is not about the kept checkpoint of size {size}")


def is_about(kept: Sequence[Envelope], proven: Sequence[Checkpoint]) -> bool:
    """Whether a proof speaks of any of these checkpoints, which were kept elsewhere.

    Where it does not, it shows nothing about them: neither that the log grew, nor the contrary.

    Raises:
        NotConsistentError: one has another root than the proof's of its size.
    """
    roots = {checkpoint.size: checkpoint.root for checkpoint in proven}
    checkpoints = [Checkpoint.from_payload(envelope.payload) for envelope in kept]
    for checkpoint in checkpoints:
        if roots.get(checkpoint.size, checkpoint.root) != checkpoint.root:
            raise NotConsistentError(
                f"the kept checkpoint of size {checkpoint.size} has another root than the proof's:"
                " the log was rewritten, or they are of two logs"
            )
    return any(checkpoint.size in roots for checkpoint in checkpoints)


def believed(trust: Envelope, pinned: TrustRoot | None) -> TrustRoot:
    """Return the newer of a pinned root and one that came along, for which it must vouch.

    Raises:
        MalformedError, UntrustedError, WrongSignatureError: it does not, or that is no trust root.
    """
    own = TrustRoot.from_envelope(trust)
    if pinned is None:
        return own
    return pinned if own.version <= pinned.version else TrustRoot.from_envelope(trust, pinned)


def _checkpoint_keys(trust: Envelope, pinned: TrustRoot | None) -> tuple[TrustedKey, ...]:
    return believed(trust, pinned).keys_for(KeyPurpose.CHECKPOINT)


def _read(data: bytes, name: str, keys: tuple[str, ...]) -> dict[str, Any]:
    fields = require_object(parse_json(data), keys, "a proof")
    if fields["format"] != name:
        raise MalformedError(f"the file is no {name}, but {fields['format']!r}")
    if canonical_json(fields) != data:
        raise MalformedError("the file is not in its one canonical form")
    return fields


def _read_proof(value: Any) -> tuple[bytes, ...]:
    if not isinstance(value, list) or len(value) > MAX_PROOF_HASHES:
        raise MalformedError(f"a proof has at most {MAX_PROOF_HASHES} hashes")
    nodes = tuple(decode_base64(node, "a hash") for node in value)
    if any(len(node) != HASH_SIZE_BYTES for node in nodes):
        raise MalformedError(f"a hash has {HASH_SIZE_BYTES} bytes")
    return nodes
