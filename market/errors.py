"""The market's errors, below the kinds of ``core.errors``.

AemError
|-- BadRequestError
|   |-- BadMarketSettingsError     a price table or setting that no market can run on
|   |   `-- UnstableSettingsError  prices would oscillate within the operator's bounds
|   |-- BadQuantityError           a quantity, time to live or fee outside its limits
|   |-- BadCatalogueError          the file of language models is wrong
|   `-- UncappedReplyError         a call of a model has no finite price
|-- NotFoundError
|   |-- UnknownResourceError       no such resource in the price table
|   |-- TickNotFoundError          no tick has this number
|   |-- QuoteNotFoundError         no quote has this identifier
|   |-- LeaseNotFoundError         no lease has this identifier
|   `-- ModelNotFoundError         the catalogue has no such model
|-- ConflictError
|   |-- QuoteExpiredError          the quote's tick is over: ask for a new one
|   |-- LeaseHeldError             the holder has this resource in another quantity
|   `-- LeaseOverError             the lease was released or ran out
|-- PaymentRequiredError
|   `-- MaxPriceBelowQuoteError    the buyer's limit is below the least that it will cost
`-- InfrastructureError
    `-- UpstreamError              a model's provider failed
        |-- UpstreamRefusedError   it answered with an error: nothing was billed
        |-- UpstreamUnreachableError  it was never reached: nothing was billed
        `-- UpstreamUnknownError   what it did is unknown: it may bill the call in full
            |-- UpstreamTimeoutError       no whole reply in time
            |-- UpstreamDisconnectedError  the connection broke
            |-- UpstreamReplyTooLargeError more bytes than any reply has
            `-- UpstreamReplyMalformedError  the reply is no chat completion
"""

from typing import Any

from core.errors import (
    BadRequestError,
    ConflictError,
    InfrastructureError,
    NotFoundError,
    PaymentRequiredError,
)


class BadMarketSettingsError(BadRequestError):
    """A resource or a setting of the market is outside its limits."""

    reason = "bad_market_settings"


class UnstableSettingsError(BadMarketSettingsError):
    """Prices and demand would oscillate within the operator's bounds.

    Details: ``condition``, ``load``, ``limit``, ``excess``, ``smoothing_below`` (decimal texts).
    """

    reason = "unstable_settings"


class BadQuantityError(BadRequestError):
    """A quantity, a time to live or a fee is outside its limits."""

    reason = "bad_quantity"


class UnknownResourceError(NotFoundError):
    """The price table has no such resource."""

    reason = "unknown_resource"


class TickNotFoundError(NotFoundError):
    """No tick has this number."""

    reason = "tick_not_found"


class QuoteNotFoundError(NotFoundError):
    """No quote has this identifier."""

    reason = "quote_not_found"


class LeaseNotFoundError(NotFoundError):
    """No lease has this identifier."""

    reason = "lease_not_found"


class QuoteExpiredError(ConflictError):
    """The quote's tick is over."""

    reason = "quote_expired"


class LeaseHeldError(ConflictError):
    """The holder already has a lease of this resource, of another quantity."""

    reason = "lease_held"


class LeaseOverError(ConflictError):
    """The lease was released or ran out, and its time cannot be prolonged any more."""

    reason = "lease_over"


class MaxPriceBelowQuoteError(PaymentRequiredError):
    """The buyer's limit is below the quoted minimum."""

    reason = "max_price_below_quote"


class BadCatalogueError(BadRequestError):
    """The file of language models cannot be read, or an entry of it is wrong."""

    reason = "bad_catalogue"


class UncappedReplyError(BadRequestError):
    """A call whose reply has no cap has no finite price: no hold could cover it."""

    reason = "uncapped_reply"


class ModelNotFoundError(NotFoundError):
    """The catalogue has no model of this name."""

    reason = "model_not_found"


class UpstreamError(InfrastructureError):
    """A model's provider failed; it says nothing about the artifact."""

    reason = "model_failed"


class UpstreamRefusedError(UpstreamError):
    """The provider answered with an HTTP error, whole: there is no completion, and no bill.

    Attributes:
        may_retry: whether the same call may succeed later.
        retry_after_s: when, if the provider said so.
    """

    reason = "model_refused"

    def __init__(
        self, message: str, *, may_retry: bool, retry_after_s: float | None, **details: Any
    ) -> None:
        """Keep what the provider said of a retry."""
        super().__init__(message, **details)
        self.may_retry = may_retry
        self.retry_after_s = retry_after_s

    def without_quotes(self) -> "UpstreamRefusedError":
        """Return the error without the provider's words, which may be the request's."""
        model, status = self.details.get("model"), self.details.get("status")
        return UpstreamRefusedError(
            f"{model} refused the call with status {status}",
            may_retry=self.may_retry,
            retry_after_s=self.retry_after_s,
            **self.details,
        )


class UpstreamUnreachableError(UpstreamError):
    """No connection came about: the provider never saw the call."""

    reason = "model_unreachable"


class UpstreamUnknownError(UpstreamError):
    """Nobody knows whether the provider did the work, and so whether it bills it."""

    reason = "model_outcome_unknown"


class UpstreamTimeoutError(UpstreamUnknownError):
    """There was no whole reply in time."""

    reason = "model_timeout"


class UpstreamDisconnectedError(UpstreamUnknownError):
    """The connection broke before the reply was whole."""

    reason = "model_disconnected"


class UpstreamReplyTooLargeError(UpstreamUnknownError):
    """The provider sent more bytes than any reply has."""

    reason = "model_reply_too_large"


class UpstreamReplyMalformedError(UpstreamUnknownError):
    """The provider answered with something that is no chat completion."""

    reason = "model_reply_malformed"
