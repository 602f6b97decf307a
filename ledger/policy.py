"""Budgets, their settings, and how much a day may issue (paper, section 4.3)."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.money import MAX_AMOUNT, ExchangeRate
from ledger.accounts import FIAT_BUDGET, FIAT_OVERRUN, RESERVE, TREASURY
from ledger.errors import BudgetSettingError

PPM = 1_000_000

DEFAULT_RESERVE_SHARE_PPM = 50_000
"""The reserve is filled up to 5 % of a day's tokens: it bears work that was lost or refunded."""

MAX_DEPTH_LEVELS = 8
"""Levels of a budget tree, the root included: each is looked at on admission."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}(\.[a-z0-9][a-z0-9-]{0,62})?")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """A node of the budget tree.

    Attributes:
        path: names from the root to this one, joined by slashes.
        time_zone: the operator's, IANA name; a day begins at its midnight.
    """

    name: str
    parent: str | None
    path: str
    time_zone: str
    at: datetime

    @property
    def root(self) -> str:
        """Name of the tree's root, which holds the fiat side and the reserve."""
        return self.path.split("/")[0]

    @property
    def lineage(self) -> tuple[tuple[str, str], ...]:
        """Name and path of every budget from the root down to this one."""
        names = self.path.split("/")
        return tuple((name, "/".join(names[: i + 1])) for i, name in enumerate(names))

    @property
    def treasury(self) -> str:
        """Code of the account that holds its tokens."""
        return TREASURY.code(self.name)

    @property
    def reserve(self) -> str:
        """Code of the account that bears lost and refunded work: the root's."""
        return RESERVE.code(self.root)

    def day_at(self, instant: datetime) -> str:
        """Return the operator's calendar day at an instant, as ``2026-01-05``."""
        return instant.astimezone(ZoneInfo(self.time_zone)).date().isoformat()

    def fiat_account(self, day: str) -> str:
        """Return the code of the account that holds a day's fiat budget."""
        return FIAT_BUDGET.code(self.root, day)

    def overrun_account(self, day: str) -> str:
        """Return the code of the account that lends what a day's fiat budget lacks."""
        return FIAT_OVERRUN.code(self.root, day)


@dataclass(frozen=True, kw_only=True)
class BudgetAmounts:
    """What can be set of a budget; None is not set.

    Attributes:
        daily_limit_nusd: the root's B$; below the root, the most that attempts of the budget and
            all below it may take of B$ in a day.
        utok_per_usd: kappa; on the root alone.
        reserve_share_ppm: how much of kappa B$ the reserve is filled up to, in millionths; on the
            root alone.
    """

    daily_limit_nusd: int | None = None
    utok_per_usd: int | None = None
    reserve_share_ppm: int | None = None

    def __post_init__(self) -> None:
        """Refuse amounts that make no sense or that an account could not hold."""
        limit_nusd = self.daily_limit_nusd or 0
        if not 0 <= limit_nusd <= MAX_AMOUNT:
            raise BudgetSettingError(f"a daily limit of {limit_nusd} nusd is out of range")
        if not 0 <= (self.reserve_share_ppm or 0) <= PPM:
            raise BudgetSettingError(
                f"a reserve of {self.reserve_share_ppm} ppm is out of 0..{PPM}"
            )
        if self.utok_per_usd is not None:
            rate = ExchangeRate(utok_per_usd=self.utok_per_usd)
            if max(rate.utok_ceil(limit_nusd), rate.utok_per_usd) > MAX_AMOUNT:
                raise BudgetSettingError("kappa times the daily limit is more than can be issued")

    def or_else(self, other: "BudgetAmounts") -> "BudgetAmounts":
        """Return these amounts, with the other's where nothing is set."""
        return BudgetAmounts(
            **{
                name: vars(other)[name] if value is None else value
                for name, value in vars(self).items()
            }
        )


@dataclass(frozen=True, kw_only=True)
class BudgetSetting:
    """What an operator set, and from which day on it is in force.

    Attributes:
        number: 1 for a budget's first.
        daily_limit_nusd: see `BudgetAmounts`, like the next two.
        actor: who set it.
    """

    id: str
    budget: str
    number: int
    effective_day: str
    daily_limit_nusd: int
    utok_per_usd: int | None
    reserve_share_ppm: int | None
    actor: str
    at: datetime

    @property
    def amounts(self) -> BudgetAmounts:
        """What was set."""
        return BudgetAmounts(
            daily_limit_nusd=self.daily_limit_nusd,
            utok_per_usd=self.utok_per_usd,
            reserve_share_ppm=self.reserve_share_ppm,
        )


@dataclass(frozen=True, kw_only=True)
class IssuanceDecision:
    """What one day was opened with, and why: E(t) and its cap.

    Attributes:
        circulating_utok: all tokens outside the contra accounts before it, held ones included.
        issued_utok: E = max(0, kappa B$ - circulating).
        reserve_utok: the part of E that went to the reserve; the rest went to the root's treasury.
        transfers: what carried it out.
    """

    id: str
    budget: str
    day: str
    daily_limit_nusd: int
    utok_per_usd: int
    circulating_utok: int
    issued_utok: int
    reserve_utok: int
    transfers: tuple[str, ...]
    at: datetime

    @property
    def rate(self) -> ExchangeRate:
        """Kappa of the day."""
        return ExchangeRate(utok_per_usd=self.utok_per_usd)


@dataclass(frozen=True, kw_only=True)
class Issuance:
    """How many tokens a day issues, and how many of them go to the reserve."""

    issued_utok: int
    reserve_utok: int


def issuance(
    *,
    daily_limit_nusd: int,
    rate: ExchangeRate,
    reserve_share_ppm: int,
    circulating_utok: int,
    reserve_balance_utok: int,
) -> Issuance:
    """Return E = max(0, kappa B$ - circulating), and the part that fills the reserve up.

    The reserve is filled up to its share of kappa B$, not given that share every day: otherwise a
    reserve that is rarely drawn on would gather all tokens in time.
    """
    mass_utok = rate.utok_floor(daily_limit_nusd)
    issued_utok = max(0, mass_utok - circulating_utok)
    wanted_utok = max(0, mass_utok * reserve_share_ppm // PPM - reserve_balance_utok)
    return Issuance(issued_utok=issued_utok, reserve_utok=min(issued_utok, wanted_utok))


def next_day(day: str) -> str:
    """Return the calendar day after a day."""
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def check_budget_name(name: str) -> None:
    """Refuse a name that is no ``team`` or ``team.agent``.

    Raises:
        BudgetSettingError: it has other characters.
    """
    if not _NAME.fullmatch(name):
        raise BudgetSettingError(
            f"{name[:80]!r} is no budget's name: write a-z, 0-9 and -, as in team or team.agent"
        )


def check_time_zone(time_zone: str) -> None:
    """Refuse a time zone that nobody knows.

    Raises:
        BudgetSettingError: it is no IANA name.
    """
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BudgetSettingError(
            f"{time_zone[:80]!r} is no time zone: write an IANA name such as Europe/Madrid"
        ) from error
