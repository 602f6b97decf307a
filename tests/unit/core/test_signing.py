import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature

from aem.proof import (
    CHECKPOINT_PAYLOAD_TYPE,
    MAX_KEYS,
    KeyPurpose,
    TrustRoot,
    UntrustedError,
    sign_envelope,
    verify_envelope,
)
from core.signing import KeyFileSigner, KeyRotationError, SigningKeyError
from tests.fakes.clock import FakeClock

NOW = FakeClock().now()
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    KeyFileSigner(tmp_path / "keys").create_missing()
    return tmp_path / "keys"


def test_each_purpose_has_a_key_of_its_own(folder: Path) -> None:
    keys = KeyFileSigner(folder).public_keys()
    assert {key.purpose for key in keys} == set(KeyPurpose)
    assert len({key.public_bytes for key in keys}) == len(keys)


def test_a_signature_verifies_under_its_purpose_alone(folder: Path) -> None:
    signer = KeyFileSigner(folder)
    signature = signer.sign(KeyPurpose.POINTER, b"message")
    for key in signer.public_keys():
        if key.purpose is KeyPurpose.POINTER:
            assert key.key_id == signature.key_id
            key.public_key.verify(signature.value, b"message")
        else:
            with pytest.raises(InvalidSignature):
                key.public_key.verify(signature.value, b"message")


def test_keys_are_kept_and_are_for_the_owner_alone(folder: Path) -> None:
    before = KeyFileSigner(folder).public_keys()
    KeyFileSigner(folder).create_missing()
    assert KeyFileSigner(folder).public_keys() == before
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("content", [None, b"", b"short", b"another key, of thirty-two bytes"])
def test_a_key_that_is_missing_or_damaged_is_named(folder: Path, content: bytes | None) -> None:
    path = folder / "checkpoint.ed25519"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SigningKeyError, match="checkpoint"):
        KeyFileSigner(folder).sign(KeyPurpose.CHECKPOINT, b"message")


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[]"])
def test_a_trust_root_that_is_missing_or_damaged_is_named(
    folder: Path, content: bytes | None
) -> None:
    path = folder / "trust.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SigningKeyError, match=r"trust\.json"):
        KeyFileSigner(folder).trust()


def test_keys_from_before_there_was_a_trust_root_are_taken_over(folder: Path) -> None:
    before = KeyFileSigner(folder).public_keys()
    (folder / "trust.json").unlink()
    KeyFileSigner(folder).create_missing()
    assert KeyFileSigner(folder).public_keys() == before


class TestRotation:
    def test_the_new_key_signs_and_what_the_old_one_signed_stays_valid(self, folder: Path) -> None:
        signer = KeyFileSigner(folder)
        pinned = TrustRoot.from_envelope(signer.trust())

        def signed() -> tuple[str, bytes]:
            signature = signer.sign(KeyPurpose.CHECKPOINT, b"message")
            return signature.key_id, signature.value

        old_id, old_value = signed()
        new = KeyFileSigner(folder).rotate(KeyPurpose.CHECKPOINT, at=NOW)
        assert signed()[0] == new.key_id != old_id
        root = TrustRoot.from_envelope(signer.trust(), pinned)
        assert root.version == 2
        keys = {key.key_id: key for key in root.keys_for(KeyPurpose.CHECKPOINT)}
        assert keys.keys() == {old_id, new.key_id}
        keys[old_id].public_key.verify(old_value, b"message")
        assert (keys[old_id].is_valid_at(NOW), keys[old_id].is_valid_at(LATER)) == (True, False)
        assert (keys[new.key_id].is_valid_at(NOW), keys[new.key_id].is_valid_at(LATER)) == (
            True,
            True,
        )
        assert not keys[new.key_id].is_valid_at(NOW - timedelta(hours=1))

    def test_a_retired_key_counts_for_the_time_before_alone(self, folder: Path) -> None:
        signer = KeyFileSigner(folder)
        envelope = sign_envelope(
            payload_type=CHECKPOINT_PAYLOAD_TYPE,
            payload=b"payload",
            sign=lambda message: signer.sign(KeyPurpose.CHECKPOINT, message),
        )
        signer.rotate(KeyPurpose.CHECKPOINT, at=NOW)
        keys = signer.public_keys()
        verify_envelope(envelope, keys, KeyPurpose.CHECKPOINT, at=NOW)
        with pytest.raises(UntrustedError, match="in force"):
            verify_envelope(envelope, keys, KeyPurpose.CHECKPOINT, at=LATER)
        with pytest.raises(UntrustedError):
            verify_envelope(
                sign_envelope(
                    payload_type=CHECKPOINT_PAYLOAD_TYPE,
                    payload=b"payload",
                    sign=lambda message: signer.sign(KeyPurpose.POINTER, message),
                ),
                keys,
                KeyPurpose.CHECKPOINT,
            )

    def test_other_purposes_keep_their_keys(self, folder: Path) -> None:
        before = KeyFileSigner(folder).public_keys()
        KeyFileSigner(folder).rotate(KeyPurpose.POINTER, at=NOW)
        after = KeyFileSigner(folder).public_keys()
        assert [k for k in before if k.purpose is not KeyPurpose.POINTER] == [
            k for k in after if k.purpose is not KeyPurpose.POINTER
        ]

    def test_the_old_private_half_is_destroyed(self, folder: Path) -> None:
        signer = KeyFileSigner(folder)
        first = signer.rotate(KeyPurpose.POINTER, at=NOW)
        second = signer.rotate(KeyPurpose.POINTER, at=LATER)
        assert sorted(path.name for path in folder.glob("pointer*")) == [
            f"pointer.{second.key_id}.ed25519"
        ]
        assert first.key_id != second.key_id
        assert signer.sign(KeyPurpose.POINTER, b"m").key_id == second.key_id

    def test_a_root_key_kept_elsewhere_is_given(self, folder: Path, tmp_path: Path) -> None:
        away = (folder / "root.ed25519").rename(tmp_path / "root.ed25519")
        with pytest.raises(SigningKeyError, match="root"):
            KeyFileSigner(folder).rotate(KeyPurpose.POINTER, at=NOW)
        (tmp_path / "other.ed25519").write_bytes(b"1" * 32)
        with pytest.raises(SigningKeyError, match="not the one"):
            KeyFileSigner(folder).rotate(
                KeyPurpose.POINTER, at=NOW, root_key=tmp_path / "other.ed25519"
            )
        assert TrustRoot.from_envelope(KeyFileSigner(folder).trust()).version == 1
        KeyFileSigner(folder).rotate(KeyPurpose.POINTER, at=NOW, root_key=away)
        assert TrustRoot.from_envelope(KeyFileSigner(folder).trust()).version == 2

    def test_a_folder_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(SigningKeyError, match=r"no keys to rotate in .*nowhere"):
            KeyFileSigner(tmp_path / "nowhere").rotate(KeyPurpose.POINTER, at=NOW)
        assert not (tmp_path / "nowhere").exists()

    def test_the_root_is_not_rotated(self, folder: Path) -> None:
        with pytest.raises(KeyRotationError, match="pinned"):
            KeyFileSigner(folder).rotate(KeyPurpose.ROOT, at=NOW)

    def test_a_trust_root_has_room_for_so_many_keys(self, folder: Path) -> None:
        signer = KeyFileSigner(folder)
        for _ in range(MAX_KEYS - len(KeyPurpose)):
            signer.rotate(KeyPurpose.POINTER, at=NOW)
        with pytest.raises(KeyRotationError, match="limit"):
            signer.rotate(KeyPurpose.POINTER, at=NOW)
        signer.sign(KeyPurpose.POINTER, b"message")

    def test_an_older_trust_root_is_refused_after_it(self, folder: Path) -> None:
        signer = KeyFileSigner(folder)
        old = signer.trust()
        signer.rotate(KeyPurpose.POINTER, at=NOW)
        pinned = TrustRoot.from_envelope(signer.trust(), TrustRoot.from_envelope(old))
        with pytest.raises(UntrustedError, match="old one"):
            TrustRoot.from_envelope(old, pinned)
