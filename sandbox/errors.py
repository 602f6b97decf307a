"""What can go wrong in a sandbox that is not the candidate's doing.

    InfrastructureError
    |-- SandboxUnavailableError    no engine answers here, and nothing else isolates
    `-- SandboxFailedError         the engine or the image failed under a session
    BadRequestError
    |-- SandboxLimitsError         limits under which nothing can run
    `-- VariantNotLoadedError      a case on a variant that is not loaded
    ConflictError
    `-- SessionExpiredError        the session's deadline has passed, or it is closed

A candidate that fails, hangs or is killed is none of these: that is a `CaseRun`.
"""

from core.errors import BadRequestError, ConflictError, InfrastructureError


class SandboxUnavailableError(InfrastructureError):
    """No isolation works on this machine; the message says what to install or start."""

    reason = "sandbox_unavailable"


class SandboxFailedError(InfrastructureError):
    """The engine went away, the image is missing, or a container was taken from outside."""

    reason = "sandbox_failed"


class SandboxLimitsError(BadRequestError):
    """Nothing can run under these limits."""

    reason = "sandbox_limits_invalid"


class VariantNotLoadedError(BadRequestError):
    """A case was sent to a variant that this session did not load."""

    reason = "variant_not_loaded"


class SessionExpiredError(ConflictError):
    """The session's deadline has passed, or it was closed: open another one."""

    reason = "sandbox_session_expired"
