"""Where in time the journal has records."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ledger.store.summaries import MOVED, log_hours
from ledger.store.tables import transfers


def hours(session: Session, *, start: datetime, end: datetime) -> int:
    """Return how many folded hours that begin in a window have records."""
    query = select(func.count()).where(log_hours.c.start >= start, log_hours.c.start < end)
    return session.execute(query).scalar_one()


def stretches(
    session: Session, *, start: datetime, end: datetime, is_newest_first: bool
) -> Iterator[tuple[datetime, int, int]]:
    """Yield folded hours of a window, each with the first and the last number of its records."""
    hour = log_hours.c.start
    query = select(log_hours).order_by(hour.desc() if is_newest_first else hour).limit(1)
    inside = [hour >= start, hour < end]
    while found := session.execute(query.where(*inside)).first():
        yield found.start, found.first, found.last
        inside.append(hour < found.start if is_newest_first else hour > found.start)


def changes(
    session: Session, *, codes: Sequence[str], start: datetime, end: datetime
) -> Iterator[tuple[datetime, int]]:
    """Yield when accounts lost something in a window, and how much; what they got is negative."""
    dated = [transfers.c.at >= start, transfers.c.at < end, transfers.c.phase.in_(MOVED)]
    for side, sign in ((transfers.c.debit, 1), (transfers.c.credit, -1)):
        query = select(transfers.c.at, transfers.c.amount).where(side.in_(codes), *dated)
        for at, amount in session.execute(query):
            yield at, sign * amount
