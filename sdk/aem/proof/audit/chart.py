"""The chart of accounts: what an account's code says of its currency and its floor.

A code is a class prefix and as many names as the class has, joined by colons: ``wallet:acme.bot``,
``fiat-budget:acme:2026-01-05``, ``mint``. An account's balance is its credits less its debits.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class Currency(StrEnum):
    """The unit in which an account counts."""

    UTOK = "utok"
    NUSD = "nusd"


@dataclass(frozen=True, kw_only=True)
class AccountKind:
    """A kind of account (design, section 3).

    Attributes:
        prefix: first part of its codes.
        currency: what its accounts count in.
        names: how many names follow the prefix.
        is_contra: whether it is the other side of issuance, burning or lending, and so no part of
            the money.
        is_lender: whether it lends what its payers lack, in observe-only mode alone.
        floor: lowest balance less held debits, kept by the database; None where there is none.
    """

    prefix: str
    currency: Currency
    names: int = 1
    is_contra: bool = False
    is_lender: bool = False
    floor: int | None = 0

    @property
    def is_money(self) -> bool:
        """Whether its balances are tokens in circulation, held or not."""
        return self.currency is Currency.UTOK and not self.is_contra


def _tokens(prefix: str) -> AccountKind:
    return AccountKind(prefix=prefix, currency=Currency.UTOK)


def _contra(prefix: str, currency: Currency) -> AccountKind:
    return AccountKind(prefix=prefix, currency=currency, names=0, is_contra=True, floor=None)


def _lender(prefix: str, currency: Currency, names: int) -> AccountKind:
    return AccountKind(
        prefix=prefix, currency=currency, names=names, is_contra=True, is_lender=True, floor=None
    )


CHART: Mapping[str, AccountKind] = {
    kind.prefix: kind
    for kind in (
        _contra("mint", Currency.UTOK),
        _contra("burn", Currency.UTOK),
        _lender("overdraft", Currency.UTOK, 1),
        _tokens("treasury"),
        _tokens("reserve"),
        _tokens("reward-pool"),
        _tokens("wallet"),
        _tokens("escrow"),
        _tokens("bond"),
        _contra("fiat-authority", Currency.NUSD),
        _lender("fiat-overrun", Currency.NUSD, 2),
        AccountKind(prefix="fiat-budget", currency=Currency.NUSD, names=2),
        AccountKind(prefix="fiat-spent", currency=Currency.NUSD),
        AccountKind(prefix="suspense", currency=Currency.NUSD),
        AccountKind(prefix="operator-loss", currency=Currency.NUSD, names=0, floor=None),
    )
}
"""The kinds by their prefixes."""


def kind_of(code: str) -> AccountKind | None:
    """Return the kind that a code belongs to; None if it is no account's."""
    prefix, *names = code.split(":")
    kind = CHART.get(prefix)
    if kind is None or len(names) != kind.names or not all(map(_NAME.fullmatch, names)):
        return None
    return kind
