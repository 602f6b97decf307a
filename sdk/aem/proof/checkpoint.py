"""Checkpoints: a log's size and root as signable text (C2SP tlog-checkpoint, body only)."""

from dataclasses import dataclass

from aem.proof.errors import MalformedError
from aem.proof.merkle import HASH_SIZE_BYTES
from aem.proof.payload import decode_base64, encode_base64

_LINES = 3


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a log commits to.

    Attributes:
        origin: name of the log; one line.
        size: number of leaves.
        root: Merkle root over them, 32 bytes.
    """

    origin: str
    size: int
    root: bytes

    def to_payload(self) -> bytes:
        """Return the text to sign as `CHECKPOINT_PAYLOAD_TYPE`: three lines.

        Raises:
            MalformedError: the origin is not one line, or the root is not 32 bytes.
        """
        if not self.origin or self.origin != "".join(self.origin.splitlines()):
            raise MalformedError(f"a checkpoint's origin must be one line, not {self.origin!r}")
        if self.size < 0 or len(self.root) != HASH_SIZE_BYTES:
            raise MalformedError("a checkpoint needs a size from 0 on and a root of 32 bytes")
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n".encode()

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
            raise MalformedError("a checkpoint is three lines: origin, size, root")
        checkpoint = cls(
            origin=lines[0], size=int(lines[1]), root=decode_base64(lines[2], "the root")
        )
        if checkpoint.to_payload() != payload:
            raise MalformedError("a checkpoint is not in its one canonical form")
        return checkpoint
