"""Channel pointers: the signed word on which version a channel serves."""

from dataclasses import dataclass
from datetime import datetime

from aem.proof.canonical import canonical_json, require_digest
from aem.proof.instant import format_instant, parse_instant
from aem.proof.payload import parse_json, require_count, require_object, require_text

_KEYS = ("artifact", "channel", "digest", "number", "generation", "issued_at", "expires_at")


@dataclass(frozen=True, kw_only=True)
class ChannelPointer:
    """Which version a channel of an artifact serves.

    Attributes:
        artifact: ``namespace/name``.
        channel: such as ``production``.
        digest: of the version's content.
        number: of the version, for people.
        generation: grows by every move of the channel, rollbacks included: the lower one is old.
        issued_at: when the service signed it.
        expires_at: from when on the service must be asked again.
    """

    artifact: str
    channel: str
    digest: str
    number: int
    generation: int
    issued_at: datetime
    expires_at: datetime

    def to_payload(self) -> bytes:
        """Return the canonical bytes to sign as `POINTER_PAYLOAD_TYPE`."""
        return canonical_json(
            {
                "artifact": self.artifact,
                "channel": self.channel,
                "digest": require_digest(self.digest),
                "number": self.number,
                "generation": self.generation,
                "issued_at": format_instant(self.issued_at),
                "expires_at": format_instant(self.expires_at),
            }
        )

    @classmethod
    def from_payload(cls, payload: bytes) -> "ChannelPointer":
        """Read the payload of a verified envelope.

        Raises:
            MalformedError: it is no channel pointer.
        """
        fields = require_object(parse_json(payload), _KEYS, "a channel pointer")
        return cls(
            artifact=require_text(fields["artifact"], "artifact"),
            channel=require_text(fields["channel"], "channel"),
            digest=require_digest(fields["digest"]),
            number=require_count(fields["number"], "number"),
            generation=require_count(fields["generation"], "generation"),
            issued_at=parse_instant(fields["issued_at"]),
            expires_at=parse_instant(fields["expires_at"]),
        )
