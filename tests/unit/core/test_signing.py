import stat
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature

from aem.proof import KeyPurpose
from core.signing import KeyFileSigner, SigningKeyError


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


@pytest.mark.parametrize("content", [None, b"", b"short"])
def test_a_key_that_is_missing_or_damaged_is_named(folder: Path, content: bytes | None) -> None:
    path = folder / "checkpoint.ed25519"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SigningKeyError, match="checkpoint"):
        KeyFileSigner(folder).sign(KeyPurpose.CHECKPOINT, b"message")
