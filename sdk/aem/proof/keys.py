"""Public keys with the one purpose that each may serve (Ed25519, RFC 8032)."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_KEY_ID_CHARACTERS = 32


class KeyPurpose(StrEnum):
    """What a key may sign; a signature under another purpose's key counts for nothing."""

    ROOT = "root"
    ATTESTATION = "attestation"
    POINTER = "pointer"
    CHECKPOINT = "checkpoint"


@dataclass(frozen=True, kw_only=True)
class Signature:
    """A signature and the identifier of the key that made it."""

    key_id: str
    value: bytes


@dataclass(frozen=True, kw_only=True)
class TrustedKey:
    """A public key and its purpose.

    Attributes:
        key_id: first 128 bits of SHA-256 over the raw public key, in hex.
        purpose: what it may sign.
        public_bytes: the 32 raw bytes.
    """

    key_id: str
    purpose: KeyPurpose
    public_bytes: bytes

    @classmethod
    def from_public_key(cls, purpose: KeyPurpose, key: Ed25519PublicKey) -> "TrustedKey":
        """Name a public key after its own hash."""
        raw = key.public_bytes_raw()
        key_id = hashlib.sha256(raw).hexdigest()[:_KEY_ID_CHARACTERS]
        return cls(key_id=key_id, purpose=purpose, public_bytes=raw)

    @property
    def public_key(self) -> Ed25519PublicKey:
        """The key, ready to verify."""
        return Ed25519PublicKey.from_public_bytes(self.public_bytes)
