"""What can go wrong with an order before it is taken, or with its running.

AemError
|-- BadRequestError
|   |-- TraceFormatError          traces are no JSON Lines in the documented form
|   `-- SubmissionError           the bundle does not fit the order
|-- PaymentRequiredError
|   |-- BelowThresholdError       the wallet is below C_dev
|   `-- EscrowNotCoveredError     the wallet does not hold what the escrow takes
|-- ConflictError
|   `-- NearDuplicateError        the artifact is a copy of another owner's version
|-- NotFoundError
|   `-- OrderNotFoundError
`-- InfrastructureError
    |-- ModelOverbilledError      a provider bills more than a call can cost
    `-- WorkGivenUpError          another worker has taken the order over
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


class EscrowNotCoveredError(PaymentRequiredError):
    """The wallet does not hold what the escrow would take."""

    reason = "escrow_not_covered"


class NearDuplicateError(ConflictError):
    """The submitted artifact is a near-duplicate of another owner's version, which is older."""

    reason = "near_duplicate"


class OrderNotFoundError(NotFoundError):
    """No such order, or none that this principal may see."""

    reason = "order_not_found"


class ModelOverbilledError(InfrastructureError):
    """A model's provider bills more than the proven bound of a call: the operator's loss."""

    reason = "model_overbilled"


class WorkGivenUpError(InfrastructureError):
    """The work was slow enough to be taken for dead, and is another worker's now."""

    reason = "work_given_up"
