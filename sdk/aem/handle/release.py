"""Releases: a version with all that proves that a channel serves it and gold accepted it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aem.artifact import Bundle
from aem.handle.errors import (
    DigestMismatchError,
    NotAttestedError,
    PointerExpiredError,
    WrongPointerError,
)
from aem.proof import (
    GOLD_REPORT_PREDICATE_TYPE,
    ChannelPointer,
    Envelope,
    KeyPurpose,
    MalformedError,
    ProofError,
    Statement,
    TrustRoot,
    verify_envelope,
)

MAX_ATTESTATIONS = 100
"""How many of a version's statements are looked at: each costs a signature check."""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What the service says a channel serves; nothing of it is verified.

    Attributes:
        pointer: the signed pointer.
        claimed: what it says, for telling the service which offer is refused.
        attestations: signed statements about the version, as JSON.
    """

    pointer: Envelope
    claimed: ChannelPointer
    attestations: Sequence[Any]

    @classmethod
    def from_json(cls, value: Any) -> "Offer":
        """Read the service's answer about a channel.

        Raises:
            MalformedError: there is no pointer or no list of attestations in it.
        """
        if not isinstance(value, dict) or not isinstance(value.get("attestations"), list):
            raise MalformedError("the channel's answer has no list of attestations")
        pointer = Envelope.from_json(value.get("pointer"))
        return cls(
            pointer=pointer,
            claimed=ChannelPointer.from_payload(pointer.payload),
            attestations=value["attestations"],
        )


@dataclass(frozen=True, kw_only=True)
class Proof:
    """That a channel serves a version, and that gold accepted it; both verified.

    Attributes:
        pointer: which version the channel serves.
        pointer_envelope: the pointer as it was signed.
        attestation: the signed gold report that accepts the version.
    """

    pointer: ChannelPointer
    pointer_envelope: Envelope
    attestation: Envelope


@dataclass(frozen=True, kw_only=True)
class Release:
    """A version's files and the proof that they may run."""

    proof: Proof
    bundle: Bundle

    @property
    def pointer(self) -> ChannelPointer:
        """Which version of which channel it is."""
        return self.proof.pointer


def verify_offer(offer: Offer, trust: TrustRoot, *, artifact: str, channel: str) -> Proof:
    """Check the signatures of an offer and what they were given for; expiry is not judged.

    Raises:
        ProofError: the pointer is none, or not signed by a trusted pointer key in force then.
        WrongPointerError: it is of another artifact or channel.
        NotAttestedError: no trusted gold report accepts its version.
    """
    payload = verify_envelope(offer.pointer, trust.keys, KeyPurpose.POINTER)
    pointer = ChannelPointer.from_payload(payload)
    verify_envelope(offer.pointer, trust.keys, KeyPurpose.POINTER, at=pointer.issued_at)
    if (pointer.artifact, pointer.channel) != (artifact, channel):
        raise WrongPointerError(
            f"the pointer is of {pointer.artifact} {pointer.channel}, not of {artifact} {channel}"
        )
    attestation = _find_acceptance(offer.attestations, trust, pointer)
    return Proof(pointer=pointer, pointer_envelope=offer.pointer, attestation=attestation)


def require_current(pointer: ChannelPointer, now: datetime) -> None:
    """Let only pointers pass that the service still stands by.

    Raises:
        PointerExpiredError: the pointer's time is over.
    """
    if now >= pointer.expires_at:
        raise PointerExpiredError(
            f"the pointer of generation {pointer.generation} expired at {pointer.expires_at}: is"
            " the service's pointer renewal running, and this machine's clock right?"
        )


def require_content(bundle: Bundle, pointer: ChannelPointer) -> None:
    """Check that the files are those that the pointer names.

    Raises:
        ArtifactError: the files are no artifact.
        DigestMismatchError: they have another digest.
    """
    if bundle.digest != pointer.digest:
        raise DigestMismatchError(
            f"the files have digest {bundle.digest}, and the pointer names {pointer.digest}"
        )


def _find_acceptance(
    attestations: Sequence[Any], trust: TrustRoot, pointer: ChannelPointer
) -> Envelope:
    """Return the first trusted gold report that accepts the pointer's version."""
    problem = "there is no attestation"
    for value in attestations[:MAX_ATTESTATIONS]:
        try:
            envelope = Envelope.from_json(value)
            _require_acceptance(envelope, trust, pointer)
        except (ProofError, NotAttestedError) as error:
            problem = error.message
        else:
            return envelope
    raise NotAttestedError(f"no trusted gold report accepts {pointer.digest}: {problem}")


def _require_acceptance(envelope: Envelope, trust: TrustRoot, pointer: ChannelPointer) -> None:
    payload = verify_envelope(envelope, trust.keys, KeyPurpose.ATTESTATION)
    statement = Statement.from_payload(payload)
    subject = (statement.subject_name, statement.subject_digest)
    if subject != (pointer.artifact, pointer.digest):
        raise NotAttestedError(f"an attestation is about {subject[0]} {subject[1]}")
    if statement.predicate_type != GOLD_REPORT_PREDICATE_TYPE:
        raise NotAttestedError(f"an attestation is a {statement.predicate_type}, no gold report")
    if statement.predicate.get("accepted") is not True:
        raise NotAttestedError("a gold report does not accept the version")
