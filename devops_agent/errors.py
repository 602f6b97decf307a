"""What can go wrong with an order before it is taken, or with its running.

AemError
|-- BadRequestError
|   |-- TraceFormatError          traces are no JSON Lines in the documented form
|   `-- SubmissionError           the bundle does not fit the order
|-- PaymentRequiredError
|   |-- BelowThresholdError       the wallet is below C_dev
|   `-- EscrowNotCoveredError     the wallet does not hold what the escrow takes
`-- NotFoundError
    `-- OrderNotFoundError
"""

from core.errors import (
    BadRequestError,
    NotFoundError,
    PaymentRequiredError,
)


class TraceFormatError(BadRequestError):
    """The traces are no JSON Lines in the documented form; `line` counts from 1."""

    reason = "bad_traces"


class SubmissionError(BadRequestError):
    """The parts of a submission do not fit together."""

    reason = "bad_submission"


class BelowThresholdError(PaymentRequiredError):
    """The wallet has not reached the upgrade threshold C_dev (paper, section 7.1)."""

    reason = "wallet_below_threshold"


class EscrowNotCoveredError(PaymentRequiredError):
    """The wallet does not hold what the escrow would take."""

    reason = "escrow_not_covered"


class OrderNotFoundError(NotFoundError):
    """No such order, or none that this principal may see."""

    reason = "order_not_found"
