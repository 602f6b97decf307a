"""What goes wrong with signing keys.

InfrastructureError
|-- SigningKeyError         a key is missing, unreadable, or not served
`-- SignerUnavailableError  the signer's process gives no answer; ask again
ConflictError
`-- KeyRotationError        a key cannot be rotated so
"""

from core.errors import ConflictError, InfrastructureError


class SigningKeyError(InfrastructureError):
    """A signing key is missing, unreadable, no Ed25519 key, or not served."""

    reason = "signing_key_unusable"


class SignerUnavailableError(InfrastructureError):
    """The signer's process gives no answer; nothing was signed."""

    reason = "signer_unavailable"


class KeyRotationError(ConflictError):
    """A key cannot be rotated in this way."""

    reason = "key_rotation_refused"
