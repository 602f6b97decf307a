"""The one base of the SDK's errors.

SdkError
|-- ProofError            (aem.proof.errors) evidence is refused
|-- ArtifactError         (aem.artifact.errors) a folder or an archive is no artifact
`-- ClientError
    |-- ApiError          the service answered with a problem (RFC 9457)
    `-- UnreachableError  no answer came
"""

from typing import Any, ClassVar


class SdkError(Exception):
    """Base of what the SDK raises.

    Attributes:
        reason: stable, machine-readable name of what went wrong.
        details: JSON values that say it in figures: a path, a limit, a key.
    """

    reason: ClassVar[str] = "sdk_error"

    def __init__(self, message: str, **details: Any) -> None:
        """Say what happened, to which thing, and what to do next."""
        super().__init__(message)
        self.message = message
        self.details = details


class ClientError(SdkError):
    """Base of what talking with the service raises."""

    reason = "client_error"
