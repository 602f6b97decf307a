"""The chart of accounts: what an account's code says of its currency and its floor.

A code is a class prefix and as many names as the class has, joined by colons: ``wallet:acme.bot``,
``fiat-budget:acme:2026-01-05``, ``mint``. An account's balance is its credits less its debits.
"""

import re
from dataclasses import dataclass

from core.money import Currency
from ledger.errors import AccountCodeError

MAX_CODE_CHARACTERS = 200
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, kw_only=True)
class AccountClass:
    """A kind of account (design, section 3).

    Attributes:
        prefix: first part of its codes.
        currency: what its accounts count in.
        names: how many names follow the prefix.
        is_contra: whether it is the other side of issuance, and so no part of the money.
        floor: lowest balance less held debits, kept by the database; None where there is none.
    """

    prefix: str
    currency: Currency
    names: int = 1
    is_contra: bool = False
    floor: int | None = 0

    @property
    def is_restricted(self) -> bool:
        """Whether only the ledger's own services post to it, together with their records.

        A burn without its usage record, or fiat without an attempt, would break the monetary
        identity or Lemma 1.
        """
        return self.is_contra or self.currency is Currency.NUSD

    def code(self, *names: str) -> str:
        """Return the code of the account with these names.

        Raises:
            AccountCodeError: another number of names, or a name with other characters.
        """
        code = ":".join((self.prefix, *names))
        if len(names) != self.names or class_of(code) is not self:
            raise AccountCodeError(f"{code!r} is no code of a {self.prefix} account")
        return code


MINT = AccountClass(prefix="mint", currency=Currency.UTOK, names=0, is_contra=True, floor=None)
BURN = AccountClass(prefix="burn", currency=Currency.UTOK, names=0, is_contra=True, floor=None)
TREASURY = AccountClass(prefix="treasury", currency=Currency.UTOK)
RESERVE = AccountClass(prefix="reserve", currency=Currency.UTOK)
REWARD_POOL = AccountClass(prefix="reward-pool", currency=Currency.UTOK)
WALLET = AccountClass(prefix="wallet", currency=Currency.UTOK)
ESCROW = AccountClass(prefix="escrow", currency=Currency.UTOK)
BOND = AccountClass(prefix="bond", currency=Currency.UTOK)
FIAT_AUTHORITY = AccountClass(
    prefix="fiat-authority", currency=Currency.NUSD, names=0, is_contra=True, floor=None
)
FIAT_BUDGET = AccountClass(prefix="fiat-budget", currency=Currency.NUSD, names=2)
FIAT_SPENT = AccountClass(prefix="fiat-spent", currency=Currency.NUSD)
SUSPENSE = AccountClass(prefix="suspense", currency=Currency.NUSD)
OPERATOR_LOSS = AccountClass(prefix="operator-loss", currency=Currency.NUSD, names=0, floor=None)

ACCOUNT_CLASSES = {
    account_class.prefix: account_class
    for account_class in (
        MINT,
        BURN,
        TREASURY,
        RESERVE,
        REWARD_POOL,
        WALLET,
        ESCROW,
        BOND,
        FIAT_AUTHORITY,
        FIAT_BUDGET,
        FIAT_SPENT,
        SUSPENSE,
        OPERATOR_LOSS,
    )
}


def class_of(code: str) -> AccountClass:
    """Return the class that a code belongs to.

    Raises:
        AccountCodeError: the code belongs to no class.
    """
    prefix, *names = code.split(":")
    account_class = ACCOUNT_CLASSES.get(prefix)
    if (
        account_class is None
        or len(names) != account_class.names
        or not all(_NAME.fullmatch(name) for name in names)
    ):
        raise AccountCodeError(f"{code[:MAX_CODE_CHARACTERS]!r} is no account of this ledger")
    return account_class
