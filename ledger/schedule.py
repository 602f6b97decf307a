"""When the service audits itself, who of several processes does, and what was found.

Between two audits of the whole ledger come shorter ones, of what followed the last checkpoint that
an audit found to fit. What they find is kept, so that operators see when the last one was; it is
no evidence.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.engine import RowMapping
from sqlalchemy.orm import Session

from aem.proof.audit import AuditReport
from core.clock import Clock
from ledger.alerts import Alerts
from ledger.audit import AuditRun
from ledger.cursors import number_of
from ledger.domain import Page
from ledger.store import audits as store

PAGE_LIMIT_ROWS = 500

LEASE = timedelta(minutes=10)
"""How long nothing may be heard of an audit before another process begins one anew: longer than
any of its pieces takes."""


@dataclass(frozen=True, kw_only=True)
class ScheduledAudit:
    """An audit that the service carried out by itself, or is at.

    Attributes:
        number: grows by one with each.
        is_full: whether it is of the whole ledger; else of the log behind `start`.
        start: number of its first record.
        size: records that the log had at its end; None before that.
        verified: whether all statements hold; None before the end, and where those that were
            checked hold: one that is not full checks the log alone.
        first_bad: the first record that is wrong.
        ended_at: None while it goes on, and for good where its process ended before it.
    """

    number: int
    is_full: bool
    start: int
    size: int | None
    verified: bool | None
    first_bad: Mapping[str, Any] | None
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class AuditState:
    """Where the service's own audits stand.

    Attributes:
        last: the last one that came to its end, and `last_full` of the whole ledger.
        next_at: when the next one is due; None where none is scheduled.
    """

    last: ScheduledAudit | None
    last_full: ScheduledAudit | None
    next_at: datetime | None


class AuditSchedule:
    """Says when an audit is due, and keeps what was found, in callers' transactions."""

    def __init__(
        self, *, clock: Clock, alerts: Alerts, interval_s: int, full_interval_s: int
    ) -> None:
        """Keep the collaborators; no I/O.

        Args:
            clock: what audits are dated by.
            alerts: hears of what does not hold.
            interval_s: between the beginnings of two audits; 0 for none at all.
            full_interval_s: between the beginnings of two of the whole ledger, at least.
        """
        self._clock = clock
        self._alerts = alerts
        self._interval = timedelta(seconds=interval_s)
        self._full_interval = timedelta(seconds=full_interval_s)

    @property
    def is_on(self) -> bool:
        """Whether there are audits at all."""
        return bool(self._interval)

    @property
    def interval_s(self) -> float:
        """Between the beginnings of two audits."""
        return self._interval.total_seconds()

    def seconds_to_next(self, session: Session) -> float:
        """Return how long it is until an audit is due, below zero where it was; inf for never."""
        due_at = self._due_at(_newest(session))
        return math.inf if due_at is None else (due_at - self._clock.now()).total_seconds()

    def is_due(self, session: Session) -> bool:
        """Whether an audit is to begin now."""
        due_at = self._due_at(_newest(session))
        return due_at is not None and due_at <= self._clock.now()

    def claim(self, session: Session) -> ScheduledAudit | None:
        """Begin an audit that is due; None if none is, or another process was quicker."""
        newest = _newest(session)  # once: the number that is claimed is that of what was looked at
        due_at = self._due_at(newest)
        now = self._clock.now()
        if due_at is None or due_at > now:
            return None
        start = self._start(session)
        row = {
            "number": newest["number"] + 1 if newest else 1,
            "is_full": start is None,
            "start": start or 0,
            "size": None,
            "signed_size": None,
            "verified": None,
            "report": None,
            "started_at": now,
            "renewed_at": now,
            "ended_at": None,
        }
        return _audit(row) if store.add(session, row) else None

    def renew(self, session: Session, audit: ScheduledAudit) -> None:
        """Say that an audit goes on, so that no other process begins one."""
        store.renew(session, audit.number, at=self._clock.now())

    def finish(
        self, session: Session, audit: ScheduledAudit, run: AuditRun, report: AuditReport
    ) -> None:
        """Keep what an audit found, and raise an alert if a statement does not hold."""
        store.end(
            session,
            audit.number,
            size=run.size,
            signed_size=run.signed_size,
            verified=report.verified,
            report=report.to_json(),
            ended_at=self._clock.now(),
        )
        if report.verified is False:
            self._alerts.audit_failed(session, report)

    def state(self, session: Session) -> AuditState:
        """Return what the last audits found, and when the next one is due."""
        last = store.last_ended(session)
        last_full = store.last_ended(session, is_full=True)
        return AuditState(
            last=None if last is None else _audit(last),
            last_full=None if last_full is None else _audit(last_full),
            next_at=self._due_at(_newest(session)),
        )

    def page(
        self, session: Session, *, after: str = "", limit: int = PAGE_LIMIT_ROWS
    ) -> Page[ScheduledAudit]:
        """Return audits, the newest first.

        Raises:
            BatchError: `after` is no cursor of this list.
        """
        limit = max(1, min(limit, PAGE_LIMIT_ROWS))
        rows = store.newest(session, before=number_of(after), limit=limit)
        return Page(
            items=tuple(_audit(row) for row in rows),
            next_cursor=str(rows[-1]["number"]) if len(rows) == limit else None,
        )

    def _due_at(self, newest: RowMapping | None) -> datetime | None:
        """Return when the audit after the newest one is due; None for never."""
        if not self.is_on:
            return None
        if newest is None:
            return self._clock.now()
        is_ended = newest["ended_at"] is not None
        due_at: datetime = (
            newest["started_at"] + self._interval if is_ended else newest["renewed_at"] + LEASE
        )
        return due_at

    def _start(self, session: Session) -> int | None:
        """Return where the next audit begins; None for one of the whole ledger.

        That is due after its interval, and after an audit that found something: it says more.
        """
        last = store.last_ended(session)
        last_full = store.last_ended(session, is_full=True)
        if last is None or last_full is None or last["verified"] is False:
            return None
        if last_full["started_at"] + self._full_interval <= self._clock.now():
            return None
        return int(last["signed_size"]) or None


def _newest(session: Session) -> RowMapping | None:
    return next(iter(store.newest(session)), None)


def _audit(row: RowMapping | dict[str, Any]) -> ScheduledAudit:
    report = row["report"]
    fields = {
        name: row[name] for name in ScheduledAudit.__dataclass_fields__ if name != "first_bad"
    }
    return ScheduledAudit(**fields, first_bad=report["first_bad"] if report else None)
