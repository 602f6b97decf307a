"""Public keys with the one purpose that each may serve (Ed25519, RFC 8032)."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from aem.proof.errors import MalformedError
from aem.proof.instant import format_instant, parse_instant
from aem.proof.payload import decode_base64, encode_base64, require_object

_KEY_ID_CHARACTERS = 32
_PUBLIC_KEY_SIZE_BYTES = 32
_KEYS = ("key_id", "purpose", "public_key", "valid_from", "valid_until")


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
        valid_from: from when on it may sign; None for a first key.
        valid_until: from when on it may sign no more; what it signed before stays valid. None
            while it is in use.
    """

    key_id: str
    purpose: KeyPurpose
    public_bytes: bytes
    valid_from: datetime | None = None
    valid_until: datetime | None = None

    @classmethod
    def from_public_key(
        cls,
        purpose: KeyPurpose,
        key: Ed25519PublicKey,
        *,
        valid_from: datetime | None = None,
    ) -> "TrustedKey":
        """Name a public key after its own hash."""
        raw = key.public_bytes_raw()
        return cls(key_id=_key_id(raw), purpose=purpose, public_bytes=raw, valid_from=valid_from)

    def is_valid_at(self, instant: datetime) -> bool:
        """Whether the key was in force at an instant."""
        began = self.valid_from is None or self.valid_from <= instant
        return began and (self.valid_until is None or instant < self.valid_until)

    @property
    def public_key(self) -> Ed25519PublicKey:
        """The key, ready to verify."""
        return Ed25519PublicKey.from_public_bytes(self.public_bytes)

    def to_json(self) -> dict[str, Any]:
        """Write the key as JSON; its raw bytes in base64."""
        return {
            "key_id": self.key_id,
            "purpose": self.purpose.value,
            "public_key": encode_base64(self.public_bytes),
            "valid_from": _write_instant(self.valid_from),
            "valid_until": _write_instant(self.valid_until),
        }

    @classmethod
    def from_json(cls, value: Any) -> "TrustedKey":
        """Read what `to_json` wrote.

        Raises:
            MalformedError: it is anything else, or the key does not have the name of its hash.
        """
        fields = require_object(value, _KEYS, "a trusted key")
        raw = decode_base64(fields["public_key"], "public_key")
        if len(raw) != _PUBLIC_KEY_SIZE_BYTES or fields["key_id"] != _key_id(raw):
            raise MalformedError(
                f"the key {fields['key_id']!r} is not the one that it is named for"
            )
        if fields["purpose"] not in set(KeyPurpose):
            raise MalformedError(f"{fields['purpose']!r} is no purpose of a key")
        return cls(
            key_id=fields["key_id"],
            purpose=KeyPurpose(fields["purpose"]),
            public_bytes=raw,
            valid_from=_read_instant(fields["valid_from"]),
            valid_until=_read_instant(fields["valid_until"]),
        )


def _key_id(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:_KEY_ID_CHARACTERS]


def _write_instant(instant: datetime | None) -> str | None:
    return None if instant is None else format_instant(instant)


def _read_instant(value: Any) -> datetime | None:
    return None if value is None else parse_instant(value)
