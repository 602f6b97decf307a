"""What can go wrong with an order before it is taken, or with its running.

AemError
|-- BadRequestError
|   |-- TraceFormatError          traces are no JSON Lines in the documented form
|   `-- SubmissionError           the bundle does not fit the order
|-- PaymentRequiredError
|   |-- BelowThresholdError       the wallet is below C_dev
|   |-- MaxPriceTooLowError       the buyer's maximum is below the quoted minimum
|   `-- EscrowNotCoveredError     the wallet does not hold what the escrow takes
|-- NotFoundError
|   `-- OrderNotFoundError
|-- ConflictError
|   `-- OrderStateError           the order is in a state that forbids this
`-- InfrastructureError
    `-- WorkFailedError           a sandbox, Git or the like failed while the order ran
"""

from core.errors import (
    BadRequestError,
    ConflictError,
    InfrastructureError,
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


class MaxPriceTooLowError(PaymentRequiredError):
    """The buyer's maximum would not pay for the cheapest possible run of the order."""

    reason = "max_price_too_low"


class EscrowNotCoveredError(PaymentRequiredError):
    """The wallet does not hold what the escrow would take."""

    reason = "escrow_not_covered"


class OrderNotFoundError(NotFoundError):
    """No such order, or none that this principal may see."""

    reason = "order_not_found"


class OrderStateError(ConflictError):
    """The order is in a state that forbids this."""

    reason = "order_state"


class WorkFailedError(InfrastructureError):
    """A part of the service failed while the order ran; the artifact is not to blame."""

    reason = "work_failed"
