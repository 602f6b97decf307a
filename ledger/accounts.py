"""The chart of accounts (`aem.proof.audit.chart`), with codes made and checked for posting."""

from dataclasses import dataclass
from functools import lru_cache

from aem.proof.audit import CHART, AccountKind, Currency, kind_of
from ledger.errors import AccountCodeError

MAX_CODE_CHARACTERS = 200

_CACHED_CODES = 16_384
"""A posting asks for each code several times; a few megabytes."""


@dataclass(frozen=True, kw_only=True)
class AccountClass(AccountKind):
    """A kind of account, as the ledger's rules see it."""

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


ACCOUNT_CLASSES = {prefix: AccountClass(**vars(kind)) for prefix, kind in CHART.items()}

MINT = ACCOUNT_CLASSES["mint"]
BURN = ACCOUNT_CLASSES["burn"]
OVERDRAFT = ACCOUNT_CLASSES["overdraft"]
TREASURY = ACCOUNT_CLASSES["treasury"]
RESERVE = ACCOUNT_CLASSES["reserve"]
REWARD_POOL = ACCOUNT_CLASSES["reward-pool"]
WALLET = ACCOUNT_CLASSES["wallet"]
ESCROW = ACCOUNT_CLASSES["escrow"]
BOND = ACCOUNT_CLASSES["bond"]
FIAT_AUTHORITY = ACCOUNT_CLASSES["fiat-authority"]
FIAT_OVERRUN = ACCOUNT_CLASSES["fiat-overrun"]
FIAT_BUDGET = ACCOUNT_CLASSES["fiat-budget"]
FIAT_SPENT = ACCOUNT_CLASSES["fiat-spent"]
SUSPENSE = ACCOUNT_CLASSES["suspense"]
OPERATOR_LOSS = ACCOUNT_CLASSES["operator-loss"]


@lru_cache(maxsize=_CACHED_CODES)
def class_of(code: str) -> AccountClass:
    """Return the class that a code belongs to.

    Raises:
        AccountCodeError: the code belongs to no class.
    """
    kind = kind_of(code)
    if kind is None:
        raise AccountCodeError(f"{code[:MAX_CODE_CHARACTERS]!r} is no account of this ledger")
    return ACCOUNT_CLASSES[kind.prefix]
