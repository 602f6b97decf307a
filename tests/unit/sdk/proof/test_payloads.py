import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from aem.proof import (
    GOLD_REPORT_PREDICATE_TYPE,
    ChannelPointer,
    Checkpoint,
    KeyPurpose,
    MalformedError,
    Statement,
    TrustedKey,
    TrustRoot,
    UntrustedError,
    WrongSignatureError,
    canonical_json,
    digest_of,
    statement,
)
from tests.fakes.keys import FakeKeys

NOON = datetime(2030, 1, 2, 12, 0, 0, 250_000, tzinfo=UTC)
POINTER = ChannelPointer(
    artifact="acme/extractor",
    channel="production",
    digest=digest_of(b"v2"),
    number=2,
    generation=3,
    issued_at=NOON,
    expires_at=NOON + timedelta(days=7),
)
CHECKPOINT = Checkpoint(origin="aem.example/ledger", size=7, root=bytes(range(32)), at=NOON)
STATEMENT = statement(
    subject_name="acme/extractor",
    subject_digest=digest_of(b"v2"),
    predicate_type=GOLD_REPORT_PREDICATE_TYPE,
    predicate={"accepted": True},
)


def test_a_pointer_comes_back_from_its_payload() -> None:
    assert ChannelPointer.from_payload(POINTER.to_payload()) == POINTER


def test_one_instant_has_one_payload() -> None:
    elsewhere = replace(POINTER, issued_at=NOON.astimezone(timezone(timedelta(hours=5))))
    assert elsewhere.to_payload() == POINTER.to_payload()


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(MalformedError, match="no time zone"):
        replace(POINTER, issued_at=NOON.replace(tzinfo=None)).to_payload()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("digest", "sha256:1"),
        ("generation", -1),
        ("generation", 1.0),
        ("generation", True),
        ("number", "2"),
        ("artifact", None),
        ("issued_at", "yesterday"),
        ("issued_at", "2030-01-02T12:00:00.25Z"),
        ("expires_at", 7),
        ("unknown", 1),
    ],
)
def test_what_is_no_pointer_is_refused(key: str, value: Any) -> None:
    fields = json.loads(POINTER.to_payload()) | {key: value}
    with pytest.raises(MalformedError):
        ChannelPointer.from_payload(json.dumps(fields).encode())


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b"\xff", b'{"number":NaN}', b"[" * 100_000],
    ids=lambda payload: repr(payload[:20]),
)
def test_what_is_no_strict_json_is_refused(payload: bytes) -> None:
    with pytest.raises(MalformedError):
        ChannelPointer.from_payload(payload)


def test_a_key_twice_is_refused_though_all_keys_are_there() -> None:
    doubled = POINTER.to_payload().replace(b'{"artifact"', b'{"number":9,"artifact"')
    with pytest.raises(MalformedError, match="twice"):
        ChannelPointer.from_payload(doubled)


def test_a_checkpoint_has_the_body_of_c2sp_tlog_checkpoint() -> None:
    text = (
        "aem.example/ledger\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
        "2030-01-02T12:00:00.250000Z\n"  # an extension line, as C2SP allows
    )
    assert CHECKPOINT.to_payload() == text.encode()
    assert Checkpoint.from_payload(text.encode()) == CHECKPOINT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log\n7\n",
        "log\n07\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "log\n-7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "log\n\u0667\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "log\n7\nAAEC\n",
        "log\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "log\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\nmore\n",
        "\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "log\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\nyesterday\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        Checkpoint.from_payload(text.encode())
    with pytest.raises(MalformedError):
        Checkpoint.from_payload(f"{text}2030-01-02T12:00:00.250000Z\n".encode())


def test_bytes_that_are_no_text_are_no_checkpoint() -> None:
    with pytest.raises(MalformedError, match="UTF-8"):
        Checkpoint.from_payload(b"\xff")


def test_a_statement_has_the_form_of_in_toto_v1() -> None:
    assert {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {
                "name": "acme/extractor",
                "digest": {"sha256": digest_of(b"v2").removeprefix("sha256:")},
            }
        ],
        "predicateType": GOLD_REPORT_PREDICATE_TYPE,
        "predicate": {"accepted": True},
    } == STATEMENT
    read = Statement.from_payload(canonical_json(STATEMENT))
    assert (read.subject_digest, read.predicate) == (digest_of(b"v2"), {"accepted": True})


@pytest.mark.parametrize(
    "change",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"subject": []},
        {"subject": STATEMENT["subject"] * 2},
        {"subject": [{"name": "x", "digest": {"sha1": "00"}}]},
        {"subject": [{"name": "x", "digest": {"sha256": "00"}}]},
        {"predicateType": 1},
        {"predicate": None},
        {"more": 1},
    ],
    ids=str,
)
def test_what_is_no_statement_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        Statement.from_payload(canonical_json(STATEMENT | change))


def test_a_first_trust_root_is_believed_by_its_own_signature() -> None:
    keys = FakeKeys()
    signed = keys.trust_root.sign(keys.signer(KeyPurpose.ROOT))
    assert TrustRoot.from_envelope(signed) == keys.trust_root


def test_a_trust_root_that_its_root_key_did_not_sign_is_refused() -> None:
    keys = FakeKeys()
    signed = keys.trust_root.sign(keys.signer(KeyPurpose.POINTER))
    with pytest.raises(UntrustedError):
        TrustRoot.from_envelope(signed)
    forged = replace(
        keys.trust_root.sign(keys.signer(KeyPurpose.ROOT)),
        payload=canonical_json(replace(keys.trust_root, version=9).to_json()),
    )
    with pytest.raises(WrongSignatureError):
        TrustRoot.from_envelope(forged)


def test_keys_rotate_when_the_pinned_root_key_signs() -> None:
    old, new = FakeKeys("old"), FakeKeys("new", version=2)
    signed = new.trust_root.sign(old.signer(KeyPurpose.ROOT))
    assert TrustRoot.from_envelope(signed, old.trust_root) == new.trust_root


def test_keys_do_not_rotate_by_their_own_word() -> None:
    old, new = FakeKeys("old"), FakeKeys("new", version=2)
    signed = new.trust_root.sign(new.signer(KeyPurpose.ROOT))
    with pytest.raises(UntrustedError):
        TrustRoot.from_envelope(signed, old.trust_root)


def test_an_older_trust_root_is_not_believed_again() -> None:
    old, new = FakeKeys("same", version=1), FakeKeys("same", version=2)
    signed = old.trust_root.sign(old.signer(KeyPurpose.ROOT))
    with pytest.raises(UntrustedError, match="old one"):
        TrustRoot.from_envelope(signed, new.trust_root)


def test_keys_are_found_by_purpose() -> None:
    keys = FakeKeys()
    found = keys.trust_root.keys_for(KeyPurpose.POINTER)
    assert found == (keys.trusted(KeyPurpose.POINTER),)


@pytest.mark.parametrize(
    "change",
    [
        {"key_id": "00"},
        {"purpose": "all"},
        {"public_key": "YQ=="},
        {"valid_until": "tomorrow"},
        {"more": 1},
    ],
)
def test_what_is_no_trusted_key_is_refused(change: dict[str, Any]) -> None:
    value = FakeKeys().trusted(KeyPurpose.ROOT).to_json()
    assert TrustedKey.from_json(value) == FakeKeys().trusted(KeyPurpose.ROOT)
    with pytest.raises(MalformedError):
        TrustedKey.from_json(value | change)


@pytest.mark.parametrize("value", [None, {"version": 1, "keys": []}, {"version": 0.5, "keys": {}}])
def test_what_is_no_trust_root_is_refused(value: Any) -> None:
    with pytest.raises(MalformedError):
        TrustRoot.from_json(value)
