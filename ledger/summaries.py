"""Keeps the sums that reports are made of, behind the log and never ahead of it.

Posting knows nothing of them: a chore folds the log's newest records in, each exactly once, and
reports add what is not folded in yet. So a report is exact whether the chore runs or not, and fast
when it does.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from ledger.store import budgets, log
from ledger.store import summaries as store

FOLD_LIMIT_RECORDS = 10_000
"""Records folded in one transaction: bounds how long it keeps other writers waiting."""


def day_of(instant: datetime) -> datetime:
    """Return the beginning of an instant's day, in UTC."""
    return instant.replace(hour=0, minute=0, second=0, microsecond=0)


def hour_of(instant: datetime) -> datetime:
    """Return the beginning of an instant's hour, in UTC."""
    return instant.replace(minute=0, second=0, microsecond=0)


class Summaries:
    """Folds records into sums, in callers' transactions; never commits."""

    def advance(self, session: Session, *, limit: int = FOLD_LIMIT_RECORDS) -> int:
        """Fold the oldest records in that are not yet; return how many.

        Records are folded by their numbers in the log, which commit in order. A transfer that was
        dated in one hour and committed in the next is added to the hour of its date.
        """
        size = log.head(session).size
        if store.folded(session) >= size:
            return 0
        start = store.lock_progress(session)
        end = min(size, start + limit)
        if end <= start:  # another process was quicker
            return 0
        moved = store.moved_between(session, start, end)
        used = store.used_between(session, start, end)
        _fold_transfers(session, moved)
        _note_hours(session, sorted((row[0], row[1]) for row in (*moved, *used)))
        usage = usage_by_key(session, used)
        store.add_usage_sums(
            session,
            [
                dict(zip(store.USAGE_KEYS, key, strict=True))
                | dict(zip(store.USAGE_SUMS, sums, strict=True))
                for key, sums in sorted(usage.items())
            ],
        )
        store.save_progress(session, end)
        return end - start


def _fold_transfers(session: Session, moved: store.Rows) -> None:
    sums: dict[tuple[str, str, datetime], list[int]] = defaultdict(lambda: [0, 0])
    for _, at, debit, credit, amount in moved:
        hour, day = hour_of(at), day_of(at)
        for span, start in (("hour", hour), ("day", day)):
            sums[span, debit, start][0] += amount
            sums[span, credit, start][1] += amount
    store.add_account_sums(
        session,
        [
            {
                "span": span,
                "account": account,
                "start": start,
                "prefix": account.partition(":")[0],
                "debits": debits,
                "credits": credits_,
            }
            for (span, account, start), (debits, credits_) in sorted(sums.items())
        ],
    )


def _note_hours(session: Session, dated: Sequence[tuple[int, datetime]]) -> None:
    hours: dict[datetime, list[int]] = {}
    for number, at in dated:
        hours.setdefault(hour_of(at), [number, number])[1] = number
    store.widen_hours(
        session,
        [{"start": hour, "first": first, "last": last} for hour, (first, last) in hours.items()],
    )


def usage_by_key(session: Session, used: store.Rows) -> dict[tuple[str, ...], list[int]]:
    """Sum usage by `USAGE_KEYS`; its day is the operator's."""
    zone = operator_zone(session)
    keys = len(store.USAGE_KEYS) - 1
    sums: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0] * len(store.USAGE_SUMS))
    for _, at, *fields in used:
        day = at.astimezone(zone).date().isoformat()
        held = sums[(day, *fields[:keys])]
        for place, value in enumerate((1, *fields[keys:])):
            held[place] += value
    return sums


def operator_zone(session: Session) -> ZoneInfo:
    """Return the time zone of the budget tree; UTC before there is one."""
    root = budgets.root_name(session)
    found = budgets.budget(session, root) if root else None
    return ZoneInfo(found.time_zone if found else "UTC")
