"""Signed statements about versions: what was tested, by which gold, in which isolation."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from aem.proof import (
    GOLD_REPORT_PREDICATE_TYPE,
    STATEMENT_PAYLOAD_TYPE,
    Envelope,
    KeyPurpose,
    ProofError,
    Statement,
    canonical_json,
    digest_of,
    sign_envelope,
    statement,
    verify_envelope,
)
from core.clock import Clock
from core.database import format_instant
from core.signing import Signer
from registry.domain import Attestation, GoldEvidence, Version
from registry.errors import AttestationMissingError, AttestationRefusedError
from registry.store import versions as store
from registry.versions import require_version

VERSION_LIMIT_ATTESTATIONS = 100
"""How many of a version's newest statements are read: each costs a signature check."""


class Attestations:
    """The statements about all versions. No method commits."""

    def __init__(self, *, clock: Clock, signer: Signer) -> None:
        """Keep the collaborators; no I/O."""
        self._clock = clock
        self._signer = signer

    def attest(self, session: Session, digest: str, evidence: GoldEvidence) -> Attestation:
        """Sign a gold report about a version and attach it (in-toto Statement v1 in DSSE).

        Raises:
            VersionNotFoundError: there is no such version.
            SigningKeyError: the attestation key cannot be used.
        """
        version = require_version(session, digest)
        content = statement(
            subject_name=version.artifact,
            subject_digest=version.digest,
            predicate_type=GOLD_REPORT_PREDICATE_TYPE,
            predicate=self._predicate(version, evidence),
        )
        envelope = sign_envelope(
            payload_type=STATEMENT_PAYLOAD_TYPE,
            payload=canonical_json(content),
            sign=partial(self._signer.sign, KeyPurpose.ATTESTATION),
        )
        return self.attach(session, digest, envelope.to_json())

    def attach(self, session: Session, digest: str, envelope_json: Any) -> Attestation:
        """Attach a statement that one of our attestation keys signed; again is a no-op.

        Raises:
            VersionNotFoundError: there is no such version.
            AttestationRefusedError: it is no such statement, or is about something else.
        """
        version = require_version(session, digest)
        try:
            envelope = Envelope.from_json(envelope_json)
            content = self._verify(envelope, version)
        except ProofError as error:
            raise AttestationRefusedError(
                f"the attestation of {digest} is refused: {error}", proof_reason=error.reason
            ) from error
        store.lock_artifact(session, version.artifact)
        created_at = self._clock.now()
        store.add_attestation(
            session,
            digest,
            envelope=envelope.to_json(),
            envelope_digest=digest_of(canonical_json(envelope.to_json())),
            created_at=created_at,
        )
        return Attestation(envelope=envelope, statement=content, created_at=created_at)

    def list(self, session: Session, digest: str) -> Sequence[Attestation]:
        """Return the version's statements that verify now, oldest first.

        At most `VERSION_LIMIT_ATTESTATIONS`, the newest. What does not verify (its key is not
        ours any more, or the row was tampered with) is as good as absent.

        Raises:
            VersionNotFoundError: there is no such version.
        """
        version = require_version(session, digest)
        verified = []
        stored = store.list_attestations(session, digest, VERSION_LIMIT_ATTESTATIONS)
        for envelope_json, created_at in stored:
            try:
                envelope = Envelope.from_json(envelope_json)
                content = self._verify(envelope, version)
            except ProofError:
                continue
            verified.append(
                Attestation(envelope=envelope, statement=content, created_at=created_at)
            )
        return verified

    def require_accepted(self, session: Session, version: Version) -> None:
        """Let only versions pass that a valid gold report accepts.

        One acceptance is enough: that a later comparison with a better incumbent failed does not
        make the bytes worse than they were.

        Raises:
            AttestationMissingError: there is no such report.
        """
        for found in self.list(session, version.digest):
            content = found.statement
            if content.predicate_type != GOLD_REPORT_PREDICATE_TYPE:
                continue
            if content.predicate.get("accepted") is True:
                return
        raise AttestationMissingError(
            f"{version.artifact} v{version.number} has no valid gold report that accepts it; have"
            " it judged by an order",
            digest=version.digest,
        )

    def _predicate(self, version: Version, evidence: GoldEvidence) -> dict[str, Any]:
        return {
            "accepted": evidence.accepted,
            "reason": evidence.reason,
            "gold": evidence.gold_digest,
            "incumbent": evidence.incumbent_digest,
            "order": evidence.order_id,
            "version": {"number": version.number, "kind": version.kind},
            "isolation": dict(evidence.isolation),
            "cost": dict(evidence.cost),
            "report": dict(evidence.report),
            "attested_at": format_instant(self._clock.now()),
        }

    def _verify(self, envelope: Envelope, version: Version) -> Statement:
        payload = verify_envelope(envelope, self._signer.public_keys(), KeyPurpose.ATTESTATION)
        content = Statement.from_payload(payload)
        subject = (content.subject_name, content.subject_digest)
        if subject != (version.artifact, version.digest):
            raise ProofError(f"it is about {content.subject_name} {content.subject_digest}")
        return content
