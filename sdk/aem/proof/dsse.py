"""Signed envelopes: DSSE v1 (Dead Simple Signing Envelope) with Ed25519."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature

from aem.proof.errors import MalformedError, UntrustedError, WrongSignatureError
from aem.proof.keys import KeyPurpose, Signature, TrustedKey
from aem.proof.payload import decode_base64, encode_base64, require_object, require_text

POINTER_PAYLOAD_TYPE = "application/vnd.aem.channel-pointer+json"
STATEMENT_PAYLOAD_TYPE = "application/vnd.in-toto+json"
CHECKPOINT_PAYLOAD_TYPE = "text/vnd.aem.checkpoint"
TRUST_PAYLOAD_TYPE = "application/vnd.aem.trust-root+json"

PAYLOAD_TYPES: Mapping[KeyPurpose, str] = {
    KeyPurpose.ROOT: TRUST_PAYLOAD_TYPE,
    KeyPurpose.ATTESTATION: STATEMENT_PAYLOAD_TYPE,
    KeyPurpose.POINTER: POINTER_PAYLOAD_TYPE,
    KeyPurpose.CHECKPOINT: CHECKPOINT_PAYLOAD_TYPE,
}
"""The one kind of payload that a purpose's key signs: nothing can be taken for something else."""

MAX_SIGNATURES = 16
"""More are refused before any is checked: each costs a verification."""


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """A payload, its type, and who signed both."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    def to_json(self) -> dict[str, Any]:
        """Write the envelope in DSSE's JSON form."""
        return {
            "payloadType": self.payload_type,
            "payload": encode_base64(self.payload),
            "signatures": [
                {"keyid": signature.key_id, "sig": encode_base64(signature.value)}
                for signature in self.signatures
            ],
        }

    @classmethod
    def from_json(cls, value: Any) -> "Envelope":
        """Read DSSE's JSON form, strictly: standard base64, no unknown keys.

        Raises:
            MalformedError: it is not that form.
        """
        fields = require_object(value, ("payloadType", "payload", "signatures"), "an envelope")
        signatures = fields["signatures"]
        if not isinstance(signatures, list) or not 1 <= len(signatures) <= MAX_SIGNATURES:
            raise MalformedError(f"an envelope carries 1 to {MAX_SIGNATURES} signatures")
        return cls(
            payload_type=require_text(fields["payloadType"], "payloadType"),
            payload=decode_base64(fields["payload"], "payload"),
            signatures=tuple(_read_signature(signature) for signature in signatures),
        )


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that are signed: type and payload, each with its length (DSSE, PAE)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign_envelope(
    *, payload_type: str, payload: bytes, sign: Callable[[bytes], Signature]
) -> Envelope:
    """Sign a payload together with its type.

    `sign` gets the pre-authentication encoding; bind it to a purpose's key.
    """
    signature = sign(pre_authentication_encoding(payload_type, payload))
    return Envelope(payload_type=payload_type, payload=payload, signatures=(signature,))


def verify_envelope(
    envelope: Envelope,
    keys: Sequence[TrustedKey],
    purpose: KeyPurpose,
    *,
    at: datetime | None = None,
) -> bytes:
    """Return the payload if a trusted key of this purpose signed it; further signatures may stand.

    Args:
        envelope: payload and signatures.
        keys: whom to trust; keys of other purposes count for nothing.
        purpose: what the payload is for.
        at: when it was signed by its own word: the key must have been in force then.

    Raises:
        MalformedError: the payload's type is not the one that keys of this purpose sign.
        UntrustedError: no signature names a trusted key of this purpose, in force at that time.
        WrongSignatureError: one does, and none of those fits.
    """
    expected = PAYLOAD_TYPES[purpose]
    if envelope.payload_type != expected:
        raise MalformedError(
            f"the envelope holds {envelope.payload_type!r}; {purpose.value} keys sign {expected!r}"
        )
    trusted = {key.key_id: key for key in keys if key.purpose is purpose}
    named = [entry for entry in envelope.signatures if entry.key_id in trusted]
    if not named:
        raise UntrustedError(f"no trusted {purpose.value} key signed the {expected} envelope")
    valid = [entry for entry in named if at is None or trusted[entry.key_id].is_valid_at(at)]
    if not valid:
        raise UntrustedError(
            f"the {purpose.value} key {named[0].key_id} was not in force at {at}, when it signed"
        )
    message = pre_authentication_encoding(envelope.payload_type, envelope.payload)
    if not any(_fits(trusted[entry.key_id], entry, message) for entry in valid):
        raise WrongSignatureError(
            f"the signature of {purpose.value} key {valid[0].key_id} does not fit the payload"
        )
    return envelope.payload


def _fits(key: TrustedKey, signature: Signature, message: bytes) -> bool:
    try:
        key.public_key.verify(signature.value, message)
    except InvalidSignature:
        return False
    return True


def _read_signature(value: Any) -> Signature:
    fields = require_object(value, ("keyid", "sig"), "a signature")
    return Signature(
        key_id=require_text(fields["keyid"], "keyid"),
        value=decode_base64(fields["sig"], "sig"),
    )
