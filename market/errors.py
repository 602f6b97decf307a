"""The market's errors, below the kinds of ``core.errors``.

AemError
|-- BadRequestError
|   |-- BadMarketSettingsError     a price table or setting that no market can run on
|   |   `-- UnstableSettingsError  prices would oscillate within the operator's bounds
|   `-- BadQuantityError           a quantity, time to live or fee outside its limits
|-- NotFoundError
|   |-- UnknownResourceError       no such resource in the price table
|   |-- TickNotFoundError          no tick has this number
|   |-- QuoteNotFoundError         no quote has this identifier
|   `-- LeaseNotFoundError         no lease has this identifier
|-- ConflictError
|   |-- QuoteExpiredError          the quote's tick is over: ask for a new one
|   |-- LeaseHeldError             the holder has this resource in another quantity
|   `-- LeaseOverError             the lease was released or ran out
`-- PaymentRequiredError
    `-- MaxPriceBelowQuoteError    the buyer's limit is below the least that it will cost
"""

from core.errors import BadRequestError, ConflictError, NotFoundError, PaymentRequiredError


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
