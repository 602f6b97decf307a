import json
from typing import Any

import pytest

from aem.proof import (
    POINTER_PAYLOAD_TYPE,
    STATEMENT_PAYLOAD_TYPE,
    Envelope,
    KeyPurpose,
    MalformedError,
    ProofError,
    UntrustedError,
    WrongSignatureError,
    canonical_json,
    pre_authentication_encoding,
    sign_envelope,
    verify_envelope,
)
from aem.proof.dsse import MAX_SIGNATURES
from tests.fakes.keys import FakeKeys

KEYS = FakeKeys()
TRUSTED = KEYS.trust_root.keys


def pointer_envelope(purpose: KeyPurpose = KeyPurpose.POINTER, keys: FakeKeys = KEYS) -> Envelope:
    return sign_envelope(
        payload_type=POINTER_PAYLOAD_TYPE, payload=b'{"a":1}', sign=keys.signer(purpose)
    )


def test_the_published_vector_of_dsse() -> None:
    # protocol.md of the DSSE specification, "Test vectors".
    encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_lengths_are_of_bytes_not_of_characters() -> None:
    assert pre_authentication_encoding("é", "ü".encode()) == "DSSEv1 2 é 2 ü".encode()


def test_a_signed_payload_comes_back_through_json() -> None:
    text = json.dumps(pointer_envelope().to_json())
    envelope = Envelope.from_json(json.loads(text))
    assert verify_envelope(envelope, TRUSTED, KeyPurpose.POINTER) == b'{"a":1}'


def test_every_mutated_byte_of_an_envelope_is_refused() -> None:
    original = canonical_json(pointer_envelope().to_json())
    accepted = []
    for index in range(len(original)):
        for flip in (0x01, 0x02, 0x20, 0x80):
            mutated = bytearray(original)
            mutated[index] ^= flip
            try:
                envelope = Envelope.from_json(json.loads(bytes(mutated)))
                verify_envelope(envelope, TRUSTED, KeyPurpose.POINTER)
            except (ProofError, ValueError):
                continue
            accepted.append((index, flip))
    assert accepted == []


@pytest.mark.parametrize("purpose", [p for p in KeyPurpose if p is not KeyPurpose.POINTER])
def test_a_key_of_another_purpose_counts_for_nothing(purpose: KeyPurpose) -> None:
    with pytest.raises(UntrustedError, match="no trusted pointer key"):
        verify_envelope(pointer_envelope(purpose), TRUSTED, KeyPurpose.POINTER)


def test_a_strangers_key_counts_for_nothing() -> None:
    with pytest.raises(UntrustedError):
        verify_envelope(pointer_envelope(keys=FakeKeys("stranger")), TRUSTED, KeyPurpose.POINTER)


def test_a_trusted_name_over_a_strangers_signature_is_refused() -> None:
    stranger = pointer_envelope(keys=FakeKeys("stranger")).to_json()
    stranger["signatures"][0]["keyid"] = KEYS.trusted(KeyPurpose.POINTER).key_id
    with pytest.raises(WrongSignatureError, match="does not fit"):
        verify_envelope(Envelope.from_json(stranger), TRUSTED, KeyPurpose.POINTER)


def test_a_strangers_signature_beside_a_trusted_one_does_no_harm() -> None:
    value = pointer_envelope(keys=FakeKeys("stranger")).to_json()
    value["signatures"] += pointer_envelope().to_json()["signatures"]
    assert verify_envelope(Envelope.from_json(value), TRUSTED, KeyPurpose.POINTER)


def test_a_payload_of_another_type_is_refused_though_signed() -> None:
    envelope = sign_envelope(
        payload_type=STATEMENT_PAYLOAD_TYPE, payload=b"{}", sign=KEYS.signer(KeyPurpose.POINTER)
    )
    with pytest.raises(MalformedError, match="pointer keys sign"):
        verify_envelope(envelope, TRUSTED, KeyPurpose.POINTER)


def with_change(**changes: Any) -> dict[str, Any]:
    return {**pointer_envelope().to_json(), **changes}


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        with_change(extra=1),
        with_change(payload=7),
        with_change(payload="!"),
        with_change(payload="YQ"),
        with_change(payload="YR=="),  # loose bits: the same byte as YQ==
        with_change(payload="Y Q=="),
        with_change(payloadType=None),
        with_change(signatures=[]),
        with_change(signatures={}),
        with_change(signatures=[{"sig": "YQ=="}]),
        with_change(signatures=pointer_envelope().to_json()["signatures"] * (MAX_SIGNATURES + 1)),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_what_is_no_envelope_is_refused(value: Any) -> None:
    with pytest.raises(MalformedError):
        Envelope.from_json(value)
