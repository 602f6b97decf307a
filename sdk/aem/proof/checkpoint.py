"""Checkpoints: a log's size and root as signable text (C2SP tlog-checkpoint, body only).

The fourth line is an extension, as that format allows: when it was signed, so that a reader can
tell whether the key was in force then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from aem.proof.dsse import Envelope, verify_envelope
from aem.proof.errors import MalformedError
from aem.proof.instant import format_instant, parse_instant
from aem.proof.keys import KeyPurpose, TrustedKey
from aem.proof.merkle import HASH_SIZE_BYTES
from aem.proof.payload import decode_base64, encode_base64

_LINES = 4


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a log commits to.

    Attributes:
        origin: name of the log; one line.
        size: number of leaves.
        root: Merkle root over them, 32 bytes.
        at: when it was signed.
    """

    origin: str
    size: int
    root: bytes
    at: datetime

    def to_payload(self) -> bytes:
        """Return the text to sign as `CHECKPOINT_PAYLOAD_TYPE`: four lines.

        Raises:
            MalformedError: the origin is not one line, the root is not 32 bytes, or the instant
                is naive.
        """
        if not self.origin or self.origin != "".join(self.origin.splitlines()):
            raise MalformedError(f"a checkpoint's origin must be one line, not {self.origin!r}")
        if self.size < 0 or len(self.root) != HASH_SIZE_BYTES:
            raise MalformedError("a checkpoint needs a size from 0 on and a root of 32 bytes")
        lines = (self.origin, str(self.size), encode_base64(self.root), format_instant(self.at))
        return "".join(f"{line}\n" for line in lines).encode()

    @classmethod
    def from_payload(cls, payload: bytes) -> "Checkpoint":
        """Read what `to_payload` wrote.

        Raises:
            MalformedError: it is anything else, an extra line or a leading zero included.
        """
        try:
            lines = payload.decode().split("\n")
        except UnicodeDecodeError as error:
            raise MalformedError("a checkpoint is not UTF-8") from error
        if len(lines) != _LINES + 1 or not lines[1].isdecimal() or not lines[1].isascii():
            raise MalformedError("a checkpoint is four lines: origin, size, root, instant")
        checkpoint = cls(
            origin=lines[0],
            size=int(lines[1]),
            root=decode_base64(lines[2], "the root"),
            at=parse_instant(lines[3]),
        )
        if checkpoint.to_payload() != payload:
            raise MalformedError("a checkpoint is not in its one canonical form")
        return checkpoint

    @classmethod
    def from_envelope(cls, envelope: Envelope, keys: Sequence[TrustedKey]) -> "Checkpoint":
        """Read a checkpoint that a trusted key signed while it was in force.

        Raises:
            MalformedError: it is no checkpoint.
            UntrustedError: no trusted checkpoint key, in force at its instant, signed it.
            WrongSignatureError: the signature does not fit.
        """
        verify_envelope(envelope, keys, KeyPurpose.CHECKPOINT)
        checkpoint = cls.from_payload(envelope.payload)
        verify_envelope(envelope, keys, KeyPurpose.CHECKPOINT, at=checkpoint.at)
        return checkpoint
