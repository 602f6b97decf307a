"""The one base of the client's errors.

    ClientError
    |-- ApiError            the service answered with a problem (RFC 9457)
    `-- UnreachableError    no answer came
"""


class ClientError(Exception):
    """Base of what the client raises; `reason` is stable and machine-readable."""

    reason = "client_error"
