"""The one base of the service's errors.

Every room hangs a subtree of its own below this base, in its ``errors`` module:

    AemError
    |-- BadRequestError            what the caller sent is wrong; sending it again is too
    |-- NotAuthenticatedError      no principal could be found for the caller
    |-- NotAllowedError            the principal may not do this
    |-- NotFoundError              the thing named does not exist, or not for this principal
    |-- ConflictError              the thing is in a state that forbids it
    |-- PaymentRequiredError       a balance, budget or limit does not cover it
    |-- InfrastructureError        the service's own parts failed; the request may be sent again
    `-- InvariantViolatedError     something that must always hold does not: a defect or tampering

Errors know nothing of HTTP: ``api.errors`` maps these seven kinds to status codes, and ``reason``
tells errors of one kind apart, for machines and for good.
"""

from typing import Any, ClassVar


class AemError(Exception):
    """Base of all errors of the service.

    Attributes:
        reason: stable, machine-readable name of what went wrong.
        details: JSON values that say it in figures: a balance, a threshold, a path.
    """

    reason: ClassVar[str] = "internal"

    def __init__(self, message: str, **details: Any) -> None:
        """Say what happened, to which thing, and what to do next."""
        super().__init__(message)
        self.message = message
        self.details = details


class BadRequestError(AemError):
    """What the caller sent is wrong, and stays wrong when sent again."""

    reason = "bad_request"


class NotAuthenticatedError(AemError):
    """The caller showed no valid credential."""

    reason = "not_authenticated"


class NotAllowedError(AemError):
    """The principal is known and may not do this."""

    reason = "not_allowed"


class NotFoundError(AemError):
    """The thing named does not exist, or must not be seen by this principal."""

    reason = "not_found"


class ConflictError(AemError):
    """The state of the thing forbids this now."""

    reason = "conflict"


class PaymentRequiredError(AemError):
    """A wallet, an escrow or a budget does not cover it."""

    reason = "payment_required"


class InfrastructureError(AemError):
    """A part of the service failed; it says nothing about the artifact or the request."""

    reason = "infrastructure_failed"


class InvariantViolatedError(AemError):
    """A statement that must always hold is false: a defect of the service, or tampering."""

    reason = "invariant_violated"
