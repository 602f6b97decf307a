"""Money: integers of the smallest unit, never floats.

Units: ``utok`` is a millionth of a token, ``nusd`` a billionth of a US dollar, ``pusd`` a
thousandth of that (unit prices only, so that single LLM tokens have an exact price). The exchange
rate kappa is held as utok per USD, an integer (paper, section 4.3).
"""

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from aem.proof.audit import Currency as Currency  # noqa: PLC0414 - the unit, for rooms above
from core.errors import BadRequestError

UTOK_PER_TOKEN = 1_000_000
NUSD_PER_USD = 1_000_000_000
PUSD_PER_NUSD = 1_000
MAX_AMOUNT = 2**63 - 1
"""What a 64-bit column holds: 9.2e12 tokens, or 9.2e9 US dollars."""

_DECIMAL = re.compile(r"[0-9]{1,13}(\.[0-9]+)?")


class AmountError(BadRequestError):
    """A text is no amount of this currency, or is finer than its smallest unit."""

    reason = "bad_amount"


@dataclass(frozen=True, kw_only=True)
class ExchangeRate:
    """kappa of the paper's section 4.3: how many micro-tokens a US dollar issues."""

    utok_per_usd: int

    def __post_init__(self) -> None:
        """Refuse a rate that would issue nothing."""
        if self.utok_per_usd <= 0:
            raise AmountError(f"kappa must be positive, not {self.utok_per_usd} utok per USD")

    def utok_floor(self, nusd: int) -> int:
        """Tokens that `nusd` of budget may issue: rounded down, never above the budget."""
        return nusd * self.utok_per_usd // NUSD_PER_USD

    def utok_ceil(self, nusd: int) -> int:
        """Tokens that must be burned for `nusd` of spending: rounded up, never below it."""
        return ceil_div(nusd * self.utok_per_usd, NUSD_PER_USD)


def ceil_div(numerator: int, denominator: int) -> int:
    """Divide, rounding towards positive infinity."""
    return -(-numerator // denominator)


def parse_tokens(text: str) -> int:
    """Read an amount of tokens such as ``12.5`` as micro-tokens.

    Raises:
        AmountError: not a plain non-negative decimal number, too large, or more than six decimals.
    """
    return _parse(text, UTOK_PER_TOKEN, "tokens")


def parse_usd(text: str) -> int:
    """Read an amount of US dollars such as ``5`` or ``0.25`` as nano-dollars.

    Raises:
        AmountError: no plain non-negative decimal number, too large, over nine decimals.
    """
    return _parse(text, NUSD_PER_USD, "USD")


def format_tokens(utok: int) -> str:
    """Write micro-tokens as tokens with all that matters of six decimals: ``12.5``."""
    return _format(utok, UTOK_PER_TOKEN)


def format_usd(nusd: int) -> str:
    """Write nano-dollars as US dollars with all that matters of nine decimals: ``0.25``."""
    return _format(nusd, NUSD_PER_USD)


def _parse(text: str, units: int, name: str) -> int:
    if not _DECIMAL.fullmatch(text.strip()):
        raise AmountError(f"{text!r} is no amount of {name}: write a plain number such as 12.5")
    try:
        amount = Decimal(text.strip()) * units
    except InvalidOperation as error:
        raise AmountError(f"{text!r} has too many digits for an amount of {name}") from error
    if amount != int(amount):
        raise AmountError(f"{text!r} {name} is finer than the smallest unit, 1/{units}")
    if amount > MAX_AMOUNT:
        raise AmountError(f"{text!r} {name} is more than an account can hold")
    return int(amount)


def _format(amount: int, units: int) -> str:
    whole, rest = divmod(abs(amount), units)
    decimals = str(rest).rjust(len(str(units)) - 1, "0").rstrip("0")
    sign = "-" if amount < 0 else ""
    return f"{sign}{whole}.{decimals}" if decimals else f"{sign}{whole}"
