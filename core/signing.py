"""Signatures: the port that rooms sign through, and its first implementation, key files.

Every purpose has a key of its own, so that one that leaks cannot speak for another.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aem.proof import KeyPurpose, Signature, TrustedKey
from core.errors import InfrastructureError

_KEY_MODE = 0o600
_FOLDER_MODE = 0o700


class SigningKeyError(InfrastructureError):
    """A signing key is missing, unreadable, or no Ed25519 key."""

    reason = "signing_key_unusable"


class Signer(Protocol):
    """Signs bytes under the key of a purpose (Ed25519, RFC 8032)."""

    def sign(self, purpose: KeyPurpose, message: bytes) -> Signature:
        """Sign the message.

        Raises:
            SigningKeyError: the purpose's key cannot be used.
        """
        ...

    def public_keys(self) -> Sequence[TrustedKey]:
        """Return the public half of every key, for the trust root."""
        ...


class KeyFileSigner:
    """Keys in files of one folder, readable by the service's user alone."""

    def __init__(self, folder: Path) -> None:
        """Remember the folder; keys are read when they are first used."""
        self._folder = folder
        self._keys: dict[KeyPurpose, Ed25519PrivateKey] = {}

    def create_missing(self) -> None:
        """Make a key for every purpose that has none yet."""
        self._folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        for purpose in KeyPurpose:
            path = self._path(purpose)
            if not path.exists():
                _write_once(path, Ed25519PrivateKey.generate().private_bytes_raw())

    def sign(self, purpose: KeyPurpose, message: bytes) -> Signature:
        """Sign the message with the purpose's key.

        Raises:
            SigningKeyError: the key file is missing or damaged.
        """
        key = self._key(purpose)
        trusted = TrustedKey.from_public_key(purpose, key.public_key())
        return Signature(key_id=trusted.key_id, value=key.sign(message))

    def public_keys(self) -> Sequence[TrustedKey]:
        """Return the public half of every purpose's key."""
        return [
            TrustedKey.from_public_key(purpose, self._key(purpose).public_key())
            for purpose in KeyPurpose
        ]

    def _key(self, purpose: KeyPurpose) -> Ed25519PrivateKey:
        if purpose not in self._keys:
            path = self._path(purpose)
            try:
                self._keys[purpose] = Ed25519PrivateKey.from_private_bytes(path.read_bytes())
            except (OSError, ValueError) as error:
                raise SigningKeyError(
                    f"the {purpose.value} signing key {path} cannot be read: {error}; restore it"
                    " from its backup"
                ) from error
        return self._keys[purpose]

    def _path(self, purpose: KeyPurpose) -> Path:
        return self._folder / f"{purpose.value}.ed25519"


def _write_once(path: Path, content: bytes) -> None:
    """Write a whole new file or none, and never over an existing one."""
    temporary = path.with_suffix(f".{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _KEY_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass  # another process made the key first: that one counts
    finally:
        temporary.unlink()
