"""What the model of the ledger keeps: accounts, holds, transfers and attempts in dictionaries."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ledger import AttemptRequest, RejectionReason

ROOT = "acme"
NUSD = 10**9
LARGEST = 2**63 - 1
REUSED = "idempotency_key_reused"
CLOSED = "attempt_closed"
TOKENS = ("treasury", "reserve", "reward-pool", "wallet", "escrow", "bond")
CONTRA = ("mint", "burn", "overdraft")
FIAT = (
    *("fiat-authority", "fiat-overrun", "fiat-budget", "fiat-spent"),
    *("suspense", "operator-loss"),
)
WITHOUT_FLOOR = (*CONTRA, "fiat-authority", "fiat-overrun", "operator-loss")

Refusals = tuple[RejectionReason | None, ...]


def kind(code: str) -> str:
    return code.split(":", maxsplit=1)[0]


def is_known(code: str) -> bool:
    return kind(code) in (*TOKENS, *FIAT, *CONTRA)


@dataclass
class Sums:
    """What was posted to an account, and what open holds will post."""

    credits: int = 0
    debits: int = 0
    outgoing: int = 0
    incoming: int = 0

    @property
    def balance(self) -> int:
        return self.credits - self.debits

    @property
    def available(self) -> int:
        return self.balance - self.outgoing


@dataclass
class HeldMoney:
    debit: str
    credit: str
    amount: int
    expires_at: datetime | None = None
    status: str = "open"


@dataclass
class Moved:
    debit: str
    credit: str
    amount: int
    is_movement: bool = True
    is_reversed: bool = False

    @property
    def is_reversible(self) -> bool:
        is_open = self.is_movement and not self.is_reversed
        return is_open and kind(self.debit) in TOKENS and kind(self.credit) in TOKENS


@dataclass
class Try:
    request: AttemptRequest
    day: str
    kappa: int
    liability_nusd: int
    overdraft_utok: int = 0
    holds: tuple[str, ...] = ()  # of fiat and of tokens
    ended: Any = None


class RefusedError(Exception):
    """A service refuses; nothing of what it did stays."""


@dataclass
class Books:
    """All that a refused chain or a refused call must leave as it was."""

    accounts: dict[str, Sums] = field(default_factory=lambda: defaultdict(Sums))
    holds: dict[str, HeldMoney] = field(default_factory=dict)
    transfers: dict[str, Moved] = field(default_factory=dict)
    tries: dict[str, Try] = field(default_factory=dict)
    handed_over: set[str] = field(default_factory=set)
    days: dict[str, tuple[int, int]] = field(default_factory=dict)  # limit and kappa
    settings: dict[str, list[tuple[str, int, int, int]]] = field(default_factory=dict)
    issued: int = 0
