"""Signing keys in memory: one Ed25519 key for each purpose, the same for the same seed."""

import hashlib
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aem.proof import KeyPurpose, Signature, TrustedKey, TrustRoot


class FakeKeys:
    """A service's keys."""

    def __init__(
        self,
        seed: str = "service",
        *,
        version: int = 1,
        root_seed: str | None = None,
        retired: tuple[TrustedKey, ...] = (),
    ) -> None:
        seeds = dict.fromkeys(KeyPurpose, seed) | {KeyPurpose.ROOT: root_seed or seed}
        self._private = {
            purpose: Ed25519PrivateKey.from_private_bytes(
                hashlib.sha256(f"{seeds[purpose]}/{purpose.value}".encode()).digest()
            )
            for purpose in KeyPurpose
        }
        self._version = version
        self._retired = retired

    def signer(self, purpose: KeyPurpose) -> Callable[[bytes], Signature]:
        """Return a function that signs with the purpose's key."""
        private = self._private[purpose]
        key_id = self.trusted(purpose).key_id
        return lambda message: Signature(key_id=key_id, value=private.sign(message))

    def trusted(self, purpose: KeyPurpose) -> TrustedKey:
        """Return the public half of the purpose's key."""
        return TrustedKey.from_public_key(purpose, self._private[purpose].public_key())

    @property
    def trust_root(self) -> TrustRoot:
        """All public halves, and those of keys that are in use no more."""
        keys = tuple(self.trusted(purpose) for purpose in KeyPurpose)
        return TrustRoot(keys=(*keys, *self._retired), version=self._version)
