import pytest
from sqlalchemy import text

from aem.proof import (
    GOLD_REPORT_PREDICATE_TYPE,
    STATEMENT_PAYLOAD_TYPE,
    Envelope,
    KeyPurpose,
    canonical_json,
    sign_envelope,
    statement,
    verify_envelope,
)
from registry import AttestationMissingError, AttestationRefusedError, VersionNotFoundError
from tests.fakes.keys import FakeKeys
from tests.fakes.registry import (
    ARTIFACT,
    GOLD_DIGEST,
    RegistryHouse,
    bundle,
    evidence,
    switch_guards_off,
)


def test_a_gold_report_is_signed_about_the_version(house: RegistryHouse) -> None:
    version = house.publish(bundle("one"))
    with house.database.transaction() as session:
        house.registry.attestations.attest(session, version.digest, evidence(accepted=True))
    with house.database.reading() as session:
        (found,) = house.registry.attestations.list(session, version.digest)
    verify_envelope(found.envelope, house.signer.public_keys(), KeyPurpose.ATTESTATION)
    assert found.statement.subject_name == ARTIFACT
    assert found.statement.subject_digest == version.digest
    assert found.statement.predicate_type == GOLD_REPORT_PREDICATE_TYPE
    assert found.statement.predicate == {
        "accepted": True,
        "reason": "accepted",
        "gold": GOLD_DIGEST,
        "incumbent": None,
        "order": "ord_1",
        "version": {"number": 1, "kind": "python"},
        "isolation": {"engine": "docker", "network": "none"},
        "cost": {"sandbox_ms": 1200, "price_utok": 3_000_000},
        "report": {"axes": {"strict_structure": {"passed": True}}},
        "attested_at": "2026-01-05T09:00:00.000000Z",
    }


def test_attaching_the_same_envelope_again_changes_nothing(house: RegistryHouse) -> None:
    version = house.publish(bundle("one"))
    attestations = house.registry.attestations
    for _ in range(2):
        with house.database.transaction() as session:
            attestations.attest(session, version.digest, evidence(accepted=True))
    house.clock.advance(seconds=1)
    with house.database.transaction() as session:
        attestations.attest(session, version.digest, evidence(accepted=False))
    with house.database.reading() as session:
        found = attestations.list(session, version.digest)
    assert [entry.statement.predicate["accepted"] for entry in found] == [True, False]


@pytest.mark.parametrize(
    ("subject", "purpose", "keys"),
    [
        ("other", KeyPurpose.ATTESTATION, "own"),
        ("own", KeyPurpose.ATTESTATION, "foreign"),
        ("own", KeyPurpose.POINTER, "own"),
    ],
)
def test_envelopes_of_others_or_about_others_are_refused(
    sqlite_house: RegistryHouse, subject: str, purpose: KeyPurpose, keys: str
) -> None:
    house = sqlite_house
    version, other = house.publish(bundle("one")), house.publish(bundle("two"))
    content = statement(
        subject_name=ARTIFACT,
        subject_digest=version.digest if subject == "own" else other.digest,
        predicate_type=GOLD_REPORT_PREDICATE_TYPE,
        predicate={"accepted": True},
    )
    envelope = sign_envelope(
        payload_type=STATEMENT_PAYLOAD_TYPE,
        payload=canonical_json(content),
        sign=FakeKeys("foreign").signer(purpose)
        if keys == "foreign"
        else lambda message: house.signer.sign(purpose, message),
    )
    with house.database.transaction() as session, pytest.raises(AttestationRefusedError):
        house.registry.attestations.attach(session, version.digest, envelope.to_json())


def test_what_is_no_envelope_or_no_version_is_refused(sqlite_house: RegistryHouse) -> None:
    house = sqlite_house
    version = house.publish(bundle("one"))
    with house.database.transaction() as session:
        with pytest.raises(AttestationRefusedError):
            house.registry.attestations.attach(session, version.digest, {"payload": "x"})
        with pytest.raises(VersionNotFoundError):
            house.registry.attestations.attach(session, "sha256:" + "0" * 64, {})


def test_one_acceptance_is_enough_and_a_rejection_is_none(house: RegistryHouse) -> None:
    version = house.publish(bundle("one"))
    attestations = house.registry.attestations
    with house.database.transaction() as session:
        attestations.attest(session, version.digest, evidence(accepted=False))
        with pytest.raises(AttestationMissingError):
            attestations.require_accepted(session, version)
        attestations.attest(session, version.digest, evidence(accepted=True))
        house.clock.advance(seconds=1)
        attestations.attest(session, version.digest, evidence(accepted=False))
        attestations.require_accepted(session, version)


def test_a_tampered_attestation_counts_for_nothing(house: RegistryHouse) -> None:
    version = house.publish(bundle("one"))
    with house.database.transaction() as session:
        found = house.registry.attestations.attest(
            session, version.digest, evidence(accepted=False)
        )
    payload = found.envelope.payload.replace(b'"accepted":false', b'"accepted":true')
    forged = Envelope(
        payload_type=found.envelope.payload_type,
        payload=payload,
        signatures=found.envelope.signatures,
    )
    with house.database.engine.begin() as connection:
        switch_guards_off(connection)
        connection.execute(
            text("UPDATE attestations SET envelope = :envelope"),
            {"envelope": canonical_json(forged.to_json()).decode()},
        )
    with house.database.reading() as session:
        assert house.registry.attestations.list(session, version.digest) == []
        with pytest.raises(AttestationMissingError):
            house.registry.attestations.require_accepted(session, version)
