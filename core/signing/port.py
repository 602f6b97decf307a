"""The port that rooms sign through."""

from collections.abc import Sequence
from typing import Protocol

from aem.proof import Envelope, KeyPurpose, Signature, TrustedKey


class Signer(Protocol):
    """Signs bytes under the key of a purpose (Ed25519, RFC 8032)."""

    def sign(self, purpose: KeyPurpose, message: bytes) -> Signature:
        """Sign the message with the key of the purpose that is in use now.

        Raises:
            SigningKeyError: the purpose's key cannot be used.
            SignerUnavailableError: the signer gives no answer; nothing was signed.
        """
        ...

    def trust(self) -> Envelope:
        """Return the trust root in force, signed by the root key.

        Raises:
            SigningKeyError: it cannot be read.
            SignerUnavailableError: the signer gives no answer.
        """
        ...

    def public_keys(self) -> Sequence[TrustedKey]:
        """Return the trust root's keys, retired ones too: what they signed stays valid.

        Raises:
            SigningKeyError: it cannot be read.
            SignerUnavailableError: the signer gives no answer.
        """
        ...
