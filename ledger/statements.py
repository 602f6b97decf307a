"""What reports say: values, without a word on how they are found."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from core.money import Currency
from ledger.domain import Page, Transfer
from ledger.turnovers import Turnover
from ledger.windows import DataSpan


@dataclass(frozen=True, kw_only=True)
class AccountStatement:
    """An account over a period, in its smallest unit.

    Attributes:
        start: the first instant of the period; None from the beginning on.
        end: the first instant after it; None up to now.
        opening: balance before the period.
        closing: balance at its end: opening plus credits less debits.
        debits: what was taken in the period, on all pages together.
        lines: transfers that moved money, the oldest first; holds move none.
    """

    account: str
    currency: Currency
    start: datetime | None
    end: datetime | None
    opening: int
    debits: int
    credits: int
    closing: int
    lines: Page[Transfer]


@dataclass(frozen=True, kw_only=True)
class AccountBalance:
    """What an account had at a time, and all that was taken from it and given to it until then.

    Attributes:
        held: what of the balance open holds set aside now; None at an instant that was given.
    """

    account: str
    currency: Currency
    debits: int
    credits: int
    balance: int
    held: int | None


@dataclass(frozen=True, kw_only=True)
class TrialLine:
    """The accounts of one class together."""

    accounts: str
    currency: Currency
    debits: int
    credits: int
    balance: int


@dataclass(frozen=True, kw_only=True)
class TrialBalance:
    """The books at a time: in each currency, as much was debited as credited.

    Attributes:
        at: see the module; None is now.
        totals: by currency.
        is_balanced: whether debits are credits in every currency.
    """

    at: datetime | None
    lines: tuple[TrialLine, ...]
    totals: Mapping[str, Turnover]
    is_balanced: bool


@dataclass(frozen=True, kw_only=True)
class UsageSummary:
    """Usage of some days, summed by some of the keys.

    Attributes:
        keys: what it is summed by: the values of those, in the order that was asked for.
        quantity: in their unit; None where what is summed has several, since none adds up.
    """

    keys: Mapping[str, str]
    records: int
    quantity: int | None
    cost_nusd: int
    burn_utok: int
    charge_utok: int


@dataclass(frozen=True, kw_only=True)
class BudgetSpend:
    """What a budget spent in some days: its own, and with all below it."""

    budget: str
    path: str
    own: UsageSummary
    subtree: UsageSummary


@dataclass(frozen=True, kw_only=True)
class Indicators:
    """Concentration and velocity of a window; the formulas are in `ledger.indicators`.

    Attributes:
        data: what of the window has data; None where no token moved in it.
        gini: of all wallets' balances at the window's end; None where they are all empty.
        velocity: times that a token was paid out in the window; None where there was no money, or
            the window has no data.
        spent_utok: what wallets paid out.
        lent_utok: what observe-only mode had lent at the window's end and not got back.
        mean_money_utok: mean of all tokens outside the contra accounts, weighted by time (see
            `ledger.turnovers.mean_money_utok`).
    """

    start: datetime
    end: datetime
    data: DataSpan | None
    wallets: int
    gini: float | None
    velocity: float | None
    spent_utok: int
    money_utok: int
    lent_utok: int
    mean_money_utok: int
