"""What a format is given: the accounts and transfers of a period, streamed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from core.money import NUSD_PER_USD, UTOK_PER_TOKEN, Currency
from ledger.domain import Transfer

COMMODITIES = {Currency.UTOK: ("TOK", UTOK_PER_TOKEN), Currency.NUSD: ("USD", NUSD_PER_USD)}
"""Names that both tools take, and how many of our units make one."""


@dataclass(frozen=True, kw_only=True)
class JournalAccount:
    """An account with what it had before the period and at its end, in its smallest unit."""

    code: str
    currency: Currency
    opening: int
    closing: int


@dataclass(frozen=True, kw_only=True)
class JournalEntry:
    """A transfer and its record's number in the log."""

    number: int
    transfer: Transfer


@dataclass(frozen=True, kw_only=True)
class Journal:
    """A period of the ledger. Its parts can be read again and again, a page at a time.

    Attributes:
        start: None where it is all from the first transfer on.
        accounts: all accounts, in the order of their codes.
        entries: pages of the period's transfers, in the order of the log.
    """

    start: datetime | None
    accounts: Callable[[], Iterator[JournalAccount]]
    entries: Callable[[], Iterator[Sequence[JournalEntry]]]


class Format(Protocol):
    """Writes journals in one format."""

    media_type: str
    suffix: str

    def write(self, journal: Journal) -> Iterator[bytes]:
        """Yield the file's bytes; memory does not grow with the journal."""
        ...


class LastDay:
    """The newest calendar day (UTC) of what passes by: closing balances stand a day later."""

    def __init__(self, start: datetime | None) -> None:
        """Begin with the period's first day."""
        self._day = date(1970, 1, 1) if start is None else start.date()

    def see(self, instant: datetime) -> None:
        """Take the next entry's instant; they need not come in order."""
        self._day = max(self._day, instant.date())

    @property
    def after(self) -> date:
        """The day after the newest one."""
        return self._day + timedelta(days=1)


def amount_text(amount: int, currency: Currency) -> str:
    """Write an amount exactly, with all decimals of its unit: ``-12.500000 TOK``."""
    name, units = COMMODITIES[currency]
    whole, rest = divmod(abs(amount), units)
    sign = "-" if amount < 0 else ""
    return f"{sign}{whole}.{rest:0{len(str(units)) - 1}d} {name}"
