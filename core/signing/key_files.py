"""Signing keys in files of one folder, with the trust root that vouches for them.

``trust.json`` names the keys and is replaced as a whole; the private half of a first key is in
``<purpose>.ed25519``, that of a later one in ``<purpose>.<key id>.ed25519``.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aem.proof import (
    MAX_KEYS,
    Envelope,
    KeyPurpose,
    ProofError,
    Signature,
    TrustedKey,
    TrustRoot,
    canonical_json,
)
from core.signing.errors import KeyRotationError, SigningKeyError

ROTATION_MARGIN = timedelta(minutes=1)
"""How long around a rotation both keys count, so that whoever signs at that moment is right."""

_KEY_MODE = 0o600
_FOLDER_MODE = 0o700
_TRUST_FILE = "trust.json"
_LOCK_FILE = "rotation.lock"

_Stamp = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class _State:
    """The trust root as read last, and the private keys in use under it."""

    stamp: _Stamp
    envelope: Envelope
    root: TrustRoot
    private: dict[KeyPurpose, Ed25519PrivateKey] = field(default_factory=dict)

    def in_use(self, purpose: KeyPurpose) -> TrustedKey | None:
        """Return the purpose's key that is not retired."""
        keys = (key for key in self.root.keys_for(purpose) if key.valid_until is None)
        return next(keys, None)


class KeyFileSigner:
    """Keys readable by the service's user alone. Safe to share among threads and processes."""

    def __init__(self, folder: Path) -> None:
        """Remember the folder; keys are read when they are first used."""
        self._folder = folder
        self._state: _State | None = None

    def create_missing(self) -> None:
        """Make a key for every purpose and the trust root over them, where there is none yet."""
        self._folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        if self._trust_path.exists():
            return
        for purpose in KeyPurpose:
            if not self._first_path(purpose).exists():
                private = Ed25519PrivateKey.generate()
                _write_once(self._first_path(purpose), private.private_bytes_raw())
        keys = tuple(
            TrustedKey.from_public_key(
                purpose, _read_private(self._first_path(purpose)).public_key()
            )
            for purpose in KeyPurpose
        )
        root_key = _read_private(self._first_path(KeyPurpose.ROOT))
        _write_once(self._trust_path, _signed(TrustRoot(keys=keys), root_key))

    def sign(self, purpose: KeyPurpose, message: bytes) -> Signature:
        """Sign the message with the purpose's key; see `Signer`."""
        state = self._read()
        key = state.in_use(purpose)
        if key is None:
            raise SigningKeyError(f"{self._trust_path} names no {purpose.value} key in use")
        if purpose not in state.private:
            state.private[purpose] = self._private(key)
        return Signature(key_id=key.key_id, value=state.private[purpose].sign(message))

    def trust(self) -> Envelope:
        """Return the signed trust root; see `Signer`."""
        return self._read().envelope

    def public_keys(self) -> Sequence[TrustedKey]:
        """Return the trust root's keys; see `Signer`."""
        return self._read().root.keys

    def rotate(
        self, purpose: KeyPurpose, *, at: datetime, root_key: Path | None = None
    ) -> TrustedKey:
        """Put a new key into use for a purpose, and retire the one before it.

        What the old key signed stays valid; its private half is destroyed. Whoever signs through
        this folder goes on with the new key by itself.

        Args:
            purpose: whose key; not the root's, which clients have pinned.
            at: now.
            root_key: the root's private key, where it is not kept in the folder.

        Raises:
            KeyRotationError: the root cannot be rotated, or the trust root is full.
            SigningKeyError: the root key, or the trust root, cannot be read.
        """
        if purpose is KeyPurpose.ROOT:
            raise KeyRotationError(
                "the root key is what clients have pinned: set the service up anew to change it"
            )
        with self._locked():
            state = self._read()
            old, signing = state.in_use(purpose), self._root_key(state, root_key)
            private = Ed25519PrivateKey.generate()
            new = TrustedKey.from_public_key(
                purpose, private.public_key(), valid_from=at - ROTATION_MARGIN
            )
            _write_once(self._later_path(new), private.private_bytes_raw())
            _replace(self._trust_path, _signed(_succeeding(state.root, old, new, at), signing))
            if old is not None:
                self._path_of(old).unlink(missing_ok=True)
        return new

    def _root_key(self, state: _State, path: Path | None) -> Ed25519PrivateKey:
        key = state.in_use(KeyPurpose.ROOT)
        private = _read_private(path or self._first_path(KeyPurpose.ROOT))
        found = TrustedKey.from_public_key(KeyPurpose.ROOT, private.public_key())
        if key is None or key.key_id != found.key_id:
            raise SigningKeyError("the root key is not the one that signed this trust root")
        return private

    def _read(self) -> _State:
        """Return the state of the folder; read anew after a rotation by whatever process."""
        try:
            found = self._trust_path.stat()
            stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
            if self._state is None or self._state.stamp != stamp:
                envelope = Envelope.from_json(json.loads(self._trust_path.read_bytes()))
                root = TrustRoot.from_envelope(envelope)
                self._state = _State(stamp=stamp, envelope=envelope, root=root)
        except (OSError, ValueError, ProofError) as error:
            raise SigningKeyError(
                f"the trust root {self._trust_path} cannot be read: {error}; restore it from its"
                " backup"
            ) from error
        return self._state

    def _private(self, key: TrustedKey) -> Ed25519PrivateKey:
        path = self._path_of(key)
        private = _read_private(path)
        found = TrustedKey.from_public_key(key.purpose, private.public_key())
        if found.key_id != key.key_id:
            raise SigningKeyError(
                f"the {key.purpose.value} signing key {path} is not the one that"
                f" {self._trust_path} names: restore both from one backup"
            )
        return private

    def _path_of(self, key: TrustedKey) -> Path:
        later = self._later_path(key)
        return later if later.exists() else self._first_path(key.purpose)

    def _first_path(self, purpose: KeyPurpose) -> Path:
        return self._folder / f"{purpose.value}.ed25519"

    def _later_path(self, key: TrustedKey) -> Path:
        return self._folder / f"{key.purpose.value}.{key.key_id}.ed25519"

    @property
    def _trust_path(self) -> Path:
        return self._folder / _TRUST_FILE

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process rotate at a time.

        Raises:
            SigningKeyError: there is no such folder, or it may not be written.
        """
        try:
            file = (self._folder / _LOCK_FILE).open("w")
        except OSError as error:
            raise SigningKeyError(
                f"there are no keys to rotate in {self._folder}: {error.strerror}; name the folder"
                " that has them"
            ) from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _succeeding(
    root: TrustRoot, old: TrustedKey | None, new: TrustedKey, at: datetime
) -> TrustRoot:
    if len(root.keys) >= MAX_KEYS:
        raise KeyRotationError(f"the trust root has {MAX_KEYS} keys, and that is the limit")
    kept = tuple(
        replace(key, valid_until=at + ROTATION_MARGIN) if key == old else key for key in root.keys
    )
    return TrustRoot(keys=(*kept, new), version=root.version + 1)


def _signed(root: TrustRoot, private: Ed25519PrivateKey) -> bytes:
    key_id = TrustedKey.from_public_key(KeyPurpose.ROOT, private.public_key()).key_id
    envelope = root.sign(lambda message: Signature(key_id=key_id, value=private.sign(message)))
    return canonical_json(envelope.to_json())


def _read_private(path: Path) -> Ed25519PrivateKey:
    try:
        return Ed25519PrivateKey.from_private_bytes(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SigningKeyError(
            f"the signing key {path} cannot be read: {error}; restore it from its backup"
        ) from error


def _write_once(path: Path, content: bytes) -> None:
    """Write a whole new file or none, and never over an existing one."""
    temporary = _write_temporary(path, content)
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass  # another process made the file first: that one counts
    finally:
        temporary.unlink()


def _replace(path: Path, content: bytes) -> None:
    """Put a whole new file in the place of the old one."""
    _write_temporary(path, content).replace(path)


def _write_temporary(path: Path, content: bytes) -> Path:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _KEY_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return temporary
