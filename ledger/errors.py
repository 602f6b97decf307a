"""What the ledger refuses.

BadRequestError
|-- AccountCodeError           a text names no account
|-- BatchError                 a batch is empty, too long, or has a field out of its limits
|-- BudgetSettingError         a budget's setting makes no sense
|-- CheckpointError            what was kept elsewhere is no checkpoint
|-- CheckpointOrderError       a proof is asked for from a later checkpoint to an earlier one
|-- InvoiceError               an invoice cannot be read
|-- ReportError                a report is asked for in a way that gives none
|-- UnboundedCostError         an attempt's cost has no bound that covers it
`-- UsageError                 reported usage is negative or priced below its base
NotFoundError
|-- AccountNotFoundError       nothing ever touched the account (`close_matches` are like it)
|-- BudgetNotFoundError
|-- AttemptNotFoundError
|-- TransferNotFoundError
|-- ReconciliationNotFoundError
`-- CheckpointNotFoundError
ConflictError
|-- IdempotencyKeyReusedError  the key came before with another request
|-- TransferRejectedError      the ledger's rules refuse a transfer (its name in `rejection`)
|-- BudgetExistsError          the budget is there with other properties
|-- RootExistsError            there is one root budget already
|-- InvoiceRefusedError        an invoice has lines that cannot be compared
|-- BudgetNotSetError          the tree has no daily limit yet
`-- AttemptClosedError         the attempt ended in another way
PaymentRequiredError
|-- InsufficientFundsError     a token account does not cover it
`-- BudgetExhaustedError       the day's fiat budget does not cover it
InfrastructureError
|-- WriterBusyError            too much waits for the group-commit writer; nothing was done
|-- WriterClosedError          the group-commit writer does not run; nothing was done
`-- PostingUnknownError        nobody knows whether it was posted; the same key tells
InvariantViolatedError
`-- LogDamagedError            the log is not what was signed
"""

from core.errors import (
    BadRequestError,
    ConflictError,
    InfrastructureError,
    InvariantViolatedError,
    NotFoundError,
    PaymentRequiredError,
)


class AccountCodeError(BadRequestError):
    """A text names no account of the ledger."""

    reason = "bad_account"


class BatchError(BadRequestError):
    """A batch or one of its commands has a field out of its limits."""

    reason = "bad_batch"


class BudgetSettingError(BadRequestError):
    """A budget's definition or setting makes no sense."""

    reason = "bad_budget_setting"


class CheckpointError(BadRequestError):
    """What should be a checkpoint that was kept elsewhere is none."""

    reason = "bad_checkpoint"


class CheckpointOrderError(BadRequestError):
    """A consistency proof is asked for from a later checkpoint to an earlier one."""

    reason = "bad_checkpoint_order"


class InvoiceError(BadRequestError):
    """An invoice is no CSV with the documented columns; `details["line"]` says where."""

    reason = "bad_invoice"


class ReportError(BadRequestError):
    """A report is asked for over no period, by no key, or is too long."""

    reason = "bad_report"


class UnboundedCostError(BadRequestError):
    """An attempt has no upper bound on its cost, or a token bound that does not cover it."""

    reason = "unbounded_cost"


class UsageError(BadRequestError):
    """Reported usage is negative, empty, or priced below its base price."""

    reason = "bad_usage"


class AccountNotFoundError(NotFoundError):
    """Nothing ever touched the account; `details["close_matches"]` are codes like it."""

    reason = "account_not_found"


class BudgetNotFoundError(NotFoundError):
    """There is no budget of that name."""

    reason = "budget_not_found"


class AttemptNotFoundError(NotFoundError):
    """There is no attempt of that name."""

    reason = "attempt_not_found"


class TransferNotFoundError(NotFoundError):
    """There is no transfer of that name, or not for this principal."""

    reason = "transfer_not_found"


class ReconciliationNotFoundError(NotFoundError):
    """Nothing was settled under that identifier."""

    reason = "reconciliation_not_found"


class CheckpointNotFoundError(NotFoundError):
    """No checkpoint was signed at that size."""

    reason = "checkpoint_not_found"


class LogDamagedError(InvariantViolatedError):
    """The log, or a record of it, is not what a signed checkpoint says."""

    reason = "log_damaged"


class IdempotencyKeyReusedError(ConflictError):
    """The idempotency key came before, with another request."""

    reason = "idempotency_key_reused"


class TransferRejectedError(ConflictError):
    """The ledger's rules refuse a transfer; `details["rejection"]` names the rule."""

    reason = "transfer_rejected"


class BudgetExistsError(ConflictError):
    """The budget is there already, with another parent or time zone."""

    reason = "budget_exists"


class RootExistsError(ConflictError):
    """The tree has its root already: a ledger is anchored to one daily fiat budget."""

    reason = "root_exists"


class InvoiceRefusedError(ConflictError):
    """Nothing is settled by an invoice of which some lines cannot be compared."""

    reason = "invoice_not_comparable"


class BudgetNotSetError(ConflictError):
    """The tree's root has no daily limit or no exchange rate yet."""

    reason = "budget_not_set"


class AttemptClosedError(ConflictError):
    """The attempt ended already, in another way."""

    reason = "attempt_closed"


class InsufficientFundsError(PaymentRequiredError):
    """A token account does not cover the amount."""

    reason = "insufficient_funds"


class BudgetExhaustedError(PaymentRequiredError):
    """The day's fiat budget, or a limit inside its tree, does not cover the bound."""

    reason = "budget_exhausted"

    def __init__(self, *, budget: str, day: str, bound_nusd: int | None = None) -> None:
        """Name the budget and the day, and how much more was asked for, where that may be told."""
        more = "any more of this work" if bound_nusd is None else f"{bound_nusd} nusd more"
        details = {} if bound_nusd is None else {"bound_nusd": bound_nusd}
        super().__init__(
            f"the fiat budget of {budget} for {day} does not cover {more}: wait for the next day,"
            " or ask for a higher limit from then on",
            budget=budget,
            day=day,
            **details,
        )
        self.budget = budget
        self.day = day

    def without_bound(self) -> "BudgetExhaustedError":
        """Return the same for readers who must not learn how much was asked for."""
        return BudgetExhaustedError(budget=self.budget, day=self.day)


class WriterBusyError(InfrastructureError):
    """Too many commands wait for the group-commit writer; nothing was done."""

    reason = "writer_busy"


class WriterClosedError(InfrastructureError):
    """The group-commit writer does not run, or ended before the batch's turn; nothing was done."""

    reason = "writer_closed"


class PostingUnknownError(InfrastructureError):
    """The batch was or was not posted; sending it again under its key posts it once and tells."""

    reason = "posting_unknown"
