"""The trust root: which keys speak for a service, signed by its offline root key."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aem.proof.canonical import canonical_json
from aem.proof.dsse import TRUST_PAYLOAD_TYPE, Envelope, sign_envelope, verify_envelope
from aem.proof.errors import MalformedError, UntrustedError
from aem.proof.keys import KeyPurpose, Signature, TrustedKey
from aem.proof.payload import parse_json, require_count, require_object

MAX_KEYS = 64
"""More keys than any rotation leaves in force."""


@dataclass(frozen=True, kw_only=True)
class TrustRoot:
    """The keys that a service speaks with.

    Attributes:
        keys: public keys, each with its one purpose; at least one of purpose `root`.
        version: grows with every change of the keys.
    """

    keys: tuple[TrustedKey, ...]
    version: int = 1

    def keys_for(self, purpose: KeyPurpose) -> tuple[TrustedKey, ...]:
        """Return the keys that may sign for this purpose."""
        return tuple(key for key in self.keys if key.purpose is purpose)

    def to_json(self) -> dict[str, Any]:
        """Write version and keys as JSON."""
        return {"version": self.version, "keys": [key.to_json() for key in self.keys]}

    @classmethod
    def from_json(cls, value: Any) -> "TrustRoot":
        """Read what `to_json` wrote.

        Raises:
            MalformedError: it is anything else.
        """
        fields = require_object(value, ("version", "keys"), "a trust root")
        keys = fields["keys"]
        if not isinstance(keys, list) or not 1 <= len(keys) <= MAX_KEYS:
            raise MalformedError(f"a trust root has 1 to {MAX_KEYS} keys")
        return cls(
            keys=tuple(TrustedKey.from_json(key) for key in keys),
            version=require_count(fields["version"], "version"),
        )

    def sign(self, sign: Callable[[bytes], Signature]) -> Envelope:
        """Sign the trust root; `sign` is bound to the root key."""
        return sign_envelope(
            payload_type=TRUST_PAYLOAD_TYPE, payload=canonical_json(self.to_json()), sign=sign
        )

    @classmethod
    def from_envelope(cls, envelope: Envelope, pinned: "TrustRoot | None" = None) -> "TrustRoot":
        """Read a signed trust root.

        Args:
            envelope: as the service publishes it.
            pinned: the trust root that is believed so far. Without one, the new root need only be
                signed by a root key of its own: trust on first use.

        Raises:
            MalformedError: it is no trust root.
            UntrustedError: no believed root key signed it, or it is older than the pinned one.
            WrongSignatureError: the root key's signature does not fit.
        """
        root = cls.from_json(parse_json(envelope.payload))
        verify_envelope(envelope, (pinned or root).keys, KeyPurpose.ROOT)
        if pinned is not None and root != pinned and root.version <= pinned.version:
            raise UntrustedError(
                f"the trust root has version {root.version}, and version {pinned.version} with"
                " other keys is pinned: it is an old one"
            )
        return root
