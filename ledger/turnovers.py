"""What accounts were debited and credited before an instant, exactly.

Whole days and hours come from the folded sums; the rest of the hour, and whatever is not folded in
yet, from the transfers themselves.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from sqlalchemy.orm import Session

from ledger.accounts import BURN, MINT, OVERDRAFT
from ledger.store import summaries as store
from ledger.store import windows
from ledger.summaries import day_of, hour_of

EXACT_WINDOW = timedelta(days=7)
"""Longest window whose mean is made of single transfers: bounds how many are read."""

_HOUR = timedelta(hours=1)
_ISSUED = (MINT.code(), BURN.code())

Movement = tuple[str, str, int]
"""Debit, credit and amount."""


@dataclass(frozen=True, kw_only=True)
class Turnover:
    """What was taken from an account and what it was given, in its smallest unit."""

    debits: int = 0
    credits: int = 0

    @property
    def balance(self) -> int:
        """Credits less debits."""
        return self.credits - self.debits

    def plus(self, debits: int, credits_: int) -> "Turnover":
        """Return the sum with more."""
        return Turnover(debits=self.debits + debits, credits=self.credits + credits_)

    def less(self, earlier: "Turnover") -> "Turnover":
        """Return what came after an earlier state of the same account."""
        return Turnover(
            debits=self.debits - earlier.debits, credits=self.credits - earlier.credits
        )


def turnovers(
    session: Session,
    at: datetime | None,
    *,
    codes: Sequence[str] | None = None,
    prefixes: Sequence[str] | None = None,
) -> dict[str, Turnover]:
    """Return what accounts were debited and credited by all that is dated before an instant.

    Accounts that nothing touched are left out.

    Args:
        session: sees one state of the database.
        at: the instant; None is after all that is committed.
        codes: of the accounts that are asked for; None for all.
        prefixes: of their classes; None for all.
    """
    known = store.folded(session)
    day, hour = (None, None) if at is None else (day_of(at), hour_of(at))
    sums: dict[str, Turnover] = defaultdict(Turnover)
    rows = store.spans(session, day=day, hour=hour, codes=codes, prefixes=prefixes)
    for code, debits, credits_ in rows:
        sums[code] = sums[code].plus(int(debits), int(credits_))
    wanted = None if codes is None else set(codes)
    for debit, credit, amount in _single(session, at, hour, known, codes):
        for code, debits, credits_ in ((debit, amount, 0), (credit, 0, amount)):
            is_named = wanted is None or code in wanted
            if is_named and (prefixes is None or code.partition(":")[0] in prefixes):
                sums[code] = sums[code].plus(debits, credits_)
    return dict(sums)


def class_turnovers(session: Session, at: datetime | None) -> dict[str, Turnover]:
    """Return the same of all accounts of a class together, by the prefixes of their codes."""
    day, hour = (None, None) if at is None else (day_of(at), hour_of(at))
    sums: dict[str, Turnover] = defaultdict(Turnover)
    for prefix, debits, credits_ in store.spans(session, day=day, hour=hour, by_class=True):
        sums[prefix] = sums[prefix].plus(int(debits), int(credits_))
    for debit, credit, amount in _single(session, at, hour, store.folded(session), None):
        for code, debits, credits_ in ((debit, amount, 0), (credit, 0, amount)):
            prefix = code.partition(":")[0]
            sums[prefix] = sums[prefix].plus(debits, credits_)
    return dict(sums)


def _single(
    session: Session,
    at: datetime | None,
    hour: datetime | None,
    known: int,
    codes: Sequence[str] | None,
) -> Iterable[Movement]:
    """Yield what the folded hours before an instant do not hold."""
    for _, dated, debit, credit, amount in store.moved_between(session, known, None):
        if hour is None or dated < hour:
            yield debit, credit, amount
    if at is None or hour is None or at == hour:
        return
    if codes is not None:
        yield from store.moved_of(session, codes=codes, start=hour, end=at)
    else:
        yield from store.moved_in_hour(session, hour=hour, end=at, known=known)


def money_utok(session: Session, at: datetime | None) -> int:
    """Return M at an instant: all tokens outside the contra accounts, held ones too."""
    codes = _contra_codes(session)
    return -sum(found.balance for found in turnovers(session, at, codes=codes).values())


def lent_utok(session: Session, at: datetime | None) -> int:
    """Return O at an instant: what observe-only mode lent and has not been given back."""
    lenders = turnovers(session, at, codes=store.codes_of_class(session, OVERDRAFT.prefix))
    return -sum(found.balance for found in lenders.values())


def mean_money_utok(session: Session, start: datetime, end: datetime) -> Fraction:
    """Return the mean of M over a window that is not empty, weighted by time.

    Exact over at most `EXACT_WINDOW`. Over a longer one, what was burned or lent in an hour that
    is whole in it counts from the middle of that hour, which is off by half an hour at most.
    """
    area = Fraction(money_utok(session, start) * _microseconds(end - start))
    for at, change in _changes(session, start, end):
        area += change * _microseconds(end - at)
    return area / _microseconds(end - start)


def _changes(session: Session, start: datetime, end: datetime) -> Iterator[tuple[datetime, int]]:
    """Yield when M changed in a window, and by how much."""
    codes = _contra_codes(session)
    if end - start <= EXACT_WINDOW:
        yield from windows.changes(session, codes=codes, start=start, end=end)
        return
    issued, others = [MINT.code()], [code for code in codes if code != MINT.code()]
    yield from windows.changes(session, codes=issued, start=start, end=end)
    first, last = hour_of(start) + _HOUR, hour_of(end)
    yield from windows.changes(session, codes=others, start=start, end=first)
    for hour, change in _hourly_changes(session, others, first, last).items():
        yield hour + _HOUR / 2, change
    yield from windows.changes(session, codes=others, start=last, end=end)


def _hourly_changes(
    session: Session, codes: Sequence[str], start: datetime, end: datetime
) -> dict[datetime, int]:
    """Return what accounts lost in each hour of a window of whole ones."""
    changes: dict[datetime, int] = defaultdict(int)
    for hour, debits, credits_ in store.hourly(session, codes=codes, start=start, end=end):
        changes[hour] += int(debits) - int(credits_)
    named = frozenset(codes)
    for _, at, debit, credit, amount in store.moved_between(session, store.folded(session), None):
        if start <= at < end:
            changes[hour_of(at)] += ((debit in named) - (credit in named)) * amount
    return changes


def _contra_codes(session: Session) -> list[str]:
    """Return the token accounts that are no money: named, since sums are found by their codes."""
    return [*_ISSUED, *store.codes_of_class(session, OVERDRAFT.prefix)]


def _microseconds(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)
