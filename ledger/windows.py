"""Which part of a window has data: when tokens first and last moved in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from core.money import Currency
from ledger.accounts import class_of
from ledger.store import summaries as store
from ledger.store import windows
from ledger.summaries import hour_of

ALWAYS = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
"""The window that has everything."""

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class DataSpan:
    """What of a window has data.

    Attributes:
        first_at: when tokens first moved in it.
        last_at: when they last did.
        hours: how many of its hours have records.
    """

    first_at: datetime
    last_at: datetime
    hours: int


def data_span(session: Session, start: datetime, end: datetime) -> DataSpan | None:
    """Return what of a window has data; None where no token moved in it."""
    known = store.folded(session)
    late = [at for at in _moves(session, known, None) if start <= at < end]
    first = next(_folded(session, start, end, is_newest_first=False), None)
    last = next(_folded(session, start, end, is_newest_first=True), None)
    found = [at for at in (first, last, *late) if at is not None]
    if not found:
        return None
    new = [
        hour
        for hour in {hour_of(at) for at in late}
        if not windows.hours(session, start=hour, end=hour + _HOUR)
    ]
    return DataSpan(
        first_at=min(found),
        last_at=max(found),
        hours=windows.hours(session, start=hour_of(start), end=end) + len(new),
    )


def _folded(
    session: Session, start: datetime, end: datetime, *, is_newest_first: bool
) -> Iterator[datetime]:
    """Yield the first, or last, instant at which tokens moved in each folded hour of a window."""
    choose = max if is_newest_first else min
    for hour, first, last in windows.stretches(
        session, start=hour_of(start), end=end, is_newest_first=is_newest_first
    ):
        instants = [
            at
            for at in _moves(session, first, last + 1)
            if start <= at < end and hour <= at < hour + _HOUR
        ]
        if instants:
            yield choose(instants)


def _moves(session: Session, first: int, last: int | None) -> Iterator[datetime]:
    """Yield when tokens moved in a stretch of the log."""
    for _, at, debit, _, _ in store.moved_between(session, first, last):
        if class_of(debit).currency is Currency.UTOK:
            yield at
