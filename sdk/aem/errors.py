"""The one base of the SDK's errors.

SdkError
|-- ProofError            (aem.proof.errors) evidence is refused
|-- ArtifactError         (aem.artifact.errors) a folder or an archive is no artifact
`-- ClientError
    |-- ApiError          the service answered with a problem (RFC 9457)
    |-- UnreachableError  no answer came
    |-- BadAnswerError    what answered does not speak as the service does
    `-- BadHeaderError    a key that was given cannot be sent
"""

from typing import Any, ClassVar


class SdkError(Exception):
    """Base of what the SDK raises.

    Attributes:
        reason: stable, machine-readable name of what went wrong.
        details: JSON values that say it in figures: a path, a limit, a key.
    """

    reason: ClassVar[str] = "sdk_error"

    def __init__(self, message: str, /, **details: Any) -> None:
        """Say what happened, to which thing, and what to do next."""
        super().__init__(message)
        self.message = message
        self.details = details


class ClientError(SdkError):
    """Base of what talking with the service raises."""

    reason = "client_error"


class ApiError(ClientError):
    """The service answered with a problem.

    Attributes:
        status: HTTP status.
        reason: the service's own name for what went wrong.
        detail: what happened and what to do next, for people.
    """

    def __init__(self, *, status: int, reason: str, detail: str, details: dict[str, Any]) -> None:
        """Take over what the problem says (RFC 9457); `details` are its further members."""
        super().__init__(detail, **details)
        self.status = status
        self.reason = reason  # type: ignore[misc]  # this error speaks for the service
        self.detail = detail


class UnreachableError(ClientError):
    """The service gave no whole answer, however often it was asked; it may have acted or not."""

    reason = "unreachable"


class BadHeaderError(ClientError):
    """A key that was given cannot be sent: nothing was."""

    reason = "bad_header"


class BadAnswerError(ClientError):
    """What answered does not speak as the service does: no JSON, or past every limit."""

    reason = "bad_answer"
