"""Alerts: what operators must hear of, written with what causes it and told afterwards.

An alert is a row of the transaction that causes it: it is there if and only if that happened, and
telling it never keeps money waiting. Whoever delivers claims what is due, tells it with no
transaction open, and writes how that went. A delivery may be repeated; its identifier tells.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.engine import RowMapping
from sqlalchemy.orm import Session

from aem.proof.audit import AuditReport
from core.clock import Clock
from core.ids import derived_id, new_id
from ledger.cursors import named_cursor, named_of
from ledger.domain import Page
from ledger.errors import BudgetExhaustedError
from ledger.loans import Enforcement
from ledger.policy import Budget
from ledger.store import alerts as store
from ledger.store import budgets as budget_store
from ledger.store import journal, log
from ledger.store import metering as metering_store

DEFAULT_THRESHOLDS_PERCENT = (50, 80, 100)

PAGE_LIMIT_ROWS = 500
CLAIM_LIMIT_ROWS = 20

LEASE_S = 120.0
"""How long a claimed delivery is left to who claimed it: longer than telling all of them takes."""

FIRST_PAUSE_S = 10.0
LAST_PAUSE_S = 3_600.0
MAX_TRIES = 30
"""About a day of trying; then the delivery is given up, and shown so."""

FORECAST_AFTER = timedelta(hours=2)
FORECAST_ATTEMPTS = 20
"""A day's pace says nothing before so much of it has passed, with so many attempts in it."""


_MICROSECOND = timedelta(microseconds=1)
_MICROSECONDS_PER_DAY = timedelta(days=1) // _MICROSECOND


class AlertKind(StrEnum):
    """What an alert is about."""

    BUDGET_THRESHOLD = "budget_threshold"  # so much of a day's fiat budget is taken
    BUDGET_EXHAUSTED = "budget_exhausted"  # work was refused: the day's budget does not cover it
    BUDGET_FORECAST = "budget_forecast"  # at its pace the day's budget ends before the day
    OPERATOR_LOSS = "operator_loss"  # a provider bills above a bound
    RESERVE_SHORTFALL = "reserve_shortfall"  # the reserve could not burn what was lost
    BUDGET_OVERRUN = "budget_overrun"  # observe-only mode let a budget's limit be passed
    OVERDRAFT = "overdraft"  # observe-only mode lent somebody tokens
    AUDIT_FAILED = "audit_failed"  # a statement of the audit does not hold
    TEST = "test"  # somebody asked for one


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """How far the telling of an alert got at one destination.

    Attributes:
        status: ``waiting``, ``delivered`` or ``given_up``.
        answer: what the last try came to, in a word: a status, or why there was none.
    """

    destination: str
    status: str
    tries: int
    next_at: datetime
    ended_at: datetime | None
    answer: str


@dataclass(frozen=True, kw_only=True)
class Alert:
    """Something that an operator must hear of.

    Attributes:
        subject: what it is about; an alert of one kind and subject is raised once.
        data: it in figures.
    """

    id: str
    kind: AlertKind
    subject: str
    data: Mapping[str, Any]
    at: datetime
    deliveries: tuple[Delivery, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DueDelivery:
    """An alert to be told now.

    Attributes:
        id: the same on every try: receivers know repetitions by it.
    """

    id: str
    destination: str
    tries: int
    alert: Alert


class Alerts:
    """Raises alerts in callers' transactions, and keeps track of their telling; never commits."""

    def __init__(
        self,
        *,
        clock: Clock,
        destinations: Sequence[str] = (),
        thresholds_percent: Sequence[int] = DEFAULT_THRESHOLDS_PERCENT,
        enforcement: Enforcement = Enforcement.ENFORCE,
    ) -> None:
        """Keep the collaborators; no I/O.

        Args:
            clock: what alerts are dated by.
            destinations: names of where alerts are told; where there are none, they are kept only.
            thresholds_percent: shares of a day's fiat budget that are told of.
            enforcement: whether work past a limit is refused, which a forecast says.
        """
        self._clock = clock
        self._destinations = tuple(destinations)
        self._thresholds = tuple(sorted(set(thresholds_percent)))
        self._enforcement = enforcement

    def raise_alert(
        self, session: Session, kind: AlertKind, subject: str, data: Mapping[str, Any]
    ) -> str:
        """Write an alert, unless one of its kind and subject is there; return its identifier.

        No other service gives the same one, whatever its budgets are called: the first leaf of
        the log is part of it.
        """
        now = self._clock.now()
        service = "".join(leaf.hex() for leaf in log.leaf_hashes(session, start=0, end=1))
        alert_id = derived_id("alr", service, kind.value, subject)
        row = {"id": alert_id, "kind": kind.value, "subject": subject, "data": data, "at": now}
        waiting = [
            {
                "id": derived_id("dlv", alert_id, destination),
                "alert_id": alert_id,
                "destination": destination,
                "status": "waiting",
                "tries": 0,
                "next_at": now,
                "ended_at": None,
                "answer": "",
            }
            for destination in self._destinations
        ]
        store.add(session, row, waiting)
        return alert_id

    def audit_failed(self, session: Session, report: AuditReport) -> str:
        """Tell of an audit that failed, once a day for the same statements."""
        broken = [name for name, found in report.statements.items() if found.holds is False]
        subject = f"{self._clock.now():%Y-%m-%d}:{','.join(broken)}"
        bad = report.first_bad
        first_bad = None if bad is None else bad.to_json()
        data = {"statements": broken, "first_bad": first_bad}
        return self.raise_alert(session, AlertKind.AUDIT_FAILED, subject, data)

    def test(self, session: Session, *, actor: str) -> Alert:
        """Raise an alert that says nothing but that alerts arrive."""
        alert_id = self.raise_alert(session, AlertKind.TEST, new_id("tst"), {"actor": actor})
        (alert,) = (found for found in self.page(session).items if found.id == alert_id)
        return alert

    def budget_taken(
        self, session: Session, *, budget: Budget, day: str, limit_nusd: int, added_nusd: int
    ) -> None:
        """Tell if the last `added_nusd` took the root's day to a threshold or past it.

        Taken is what is posted or held, as in Lemma 1, and beyond the limit what was lent. The
        day's account is locked by the caller.
        """
        codes = (budget.fiat_account(day), budget.overrun_account(day))
        accounts = journal.accounts_by_code(session, codes).values()
        taken_nusd = limit_nusd - sum(account.available for account in accounts)
        self.limit_taken(
            session,
            budget=budget.root,
            day=day,
            limit_nusd=limit_nusd,
            taken_nusd=taken_nusd,
            added_nusd=added_nusd,
        )

    def limit_taken(
        self,
        session: Session,
        *,
        budget: str,
        day: str,
        limit_nusd: int,
        taken_nusd: int,
        added_nusd: int,
    ) -> None:
        """Tell if the last `added_nusd` of what is taken took a budget to a threshold."""
        for percent in self._thresholds:
            if (taken_nusd - added_nusd) * 100 < percent * limit_nusd <= taken_nusd * 100:
                data = {
                    "budget": budget,
                    "day": day,
                    "percent": percent,
                    "taken_nusd": taken_nusd,
                    "limit_nusd": limit_nusd,
                }
                subject = f"{budget}:{day}:{percent}"
                self.raise_alert(session, AlertKind.BUDGET_THRESHOLD, subject, data)

    def budget_exhausted(self, session: Session, refusal: BudgetExhaustedError) -> None:
        """Tell once a day that work was refused because a budget does not cover it.

        The refusal's own transaction is rolled back: call it in another.
        """
        data = {"budget": refusal.budget, "day": refusal.day}
        subject = f"{refusal.budget}:{refusal.day}"
        self.raise_alert(session, AlertKind.BUDGET_EXHAUSTED, subject, data)

    def forecast(self, session: Session) -> None:
        """Tell once a day if, at the day's pace so far, its fiat budget ends before the day.

        The pace is linear: what is spent, over the part of the day that has passed. It is not
        looked at before `FORECAST_AFTER`, nor with fewer than `FORECAST_ATTEMPTS` attempts.
        """
        name = budget_store.root_name(session)
        root = budget_store.budget(session, name) if name else None
        if root is None:
            return
        now = self._clock.now().astimezone(ZoneInfo(root.time_zone))
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        passed = now.astimezone(UTC) - midnight.astimezone(UTC)
        day = root.day_at(now)
        decision = budget_store.decision(session, name=root.name, day=day)
        if decision is None or passed < FORECAST_AFTER:
            return
        if metering_store.attempts_of_day(session, day=day) < FORECAST_ATTEMPTS:
            return
        codes = (root.fiat_account(day), root.overrun_account(day))
        accounts = journal.accounts_by_code(session, codes).values()
        spent_nusd = decision.daily_limit_nusd - sum(account.balance for account in accounts)
        forecast_nusd = spent_nusd * _MICROSECONDS_PER_DAY // (passed // _MICROSECOND)
        if forecast_nusd > decision.daily_limit_nusd:
            data = {
                "budget": root.name,
                "day": day,
                "spent_nusd": spent_nusd,
                "forecast_nusd": forecast_nusd,
                "limit_nusd": decision.daily_limit_nusd,
                "enforcement": self._enforcement.value,
            }
            self.raise_alert(session, AlertKind.BUDGET_FORECAST, f"{root.name}:{day}", data)

    def page(
        self, session: Session, *, after: str = "", limit: int = PAGE_LIMIT_ROWS
    ) -> Page[Alert]:
        """Return alerts with their deliveries, the newest first."""
        limit = max(1, min(limit, PAGE_LIMIT_ROWS))
        rows = store.newest(session, after=named_of(after), limit=limit)
        deliveries: dict[str, list[Delivery]] = defaultdict(list)
        for row in store.deliveries_of(session, [row["id"] for row in rows]):
            fields = {name: row[name] for name in Delivery.__dataclass_fields__}
            deliveries[row["alert_id"]].append(Delivery(**fields))
        items = tuple(_alert(row, tuple(deliveries[row["id"]])) for row in rows)
        cursor = named_cursor(items[-1].at, items[-1].id) if len(items) == limit else None
        return Page(items=items, next_cursor=cursor)

    def is_due(self, session: Session) -> bool:
        """Whether anything is to be told now."""
        return bool(self._destinations) and store.is_due(
            session, destinations=self._destinations, now=self._clock.now()
        )

    def claim(self, session: Session) -> list[DueDelivery]:
        """Take what is due; commit before anything is told."""
        now = self._clock.now()
        rows = store.claim(
            session,
            destinations=self._destinations,
            now=now,
            until=now + timedelta(seconds=LEASE_S),
            limit=CLAIM_LIMIT_ROWS,
        )
        return [
            DueDelivery(
                id=row["delivery_id"],
                destination=row["destination"],
                tries=row["tries"],
                alert=_alert(row),
            )
            for row in rows
        ]

    def finish(
        self, session: Session, due: DueDelivery, *, is_delivered: bool, answer: str
    ) -> None:
        """Write how a try went; a failed one waits longer each time, and the last is given up."""
        now = self._clock.now()
        is_over = is_delivered or due.tries >= MAX_TRIES
        pause_s = min(FIRST_PAUSE_S * 2 ** (due.tries - 1), LAST_PAUSE_S)
        status = "delivered" if is_delivered else "given_up" if is_over else "waiting"
        store.save(
            session,
            due.id,
            status=status,
            next_at=now + timedelta(seconds=pause_s),
            ended_at=now if is_over else None,
            answer=answer[:100],
        )


def _alert(row: RowMapping, deliveries: tuple[Delivery, ...] = ()) -> Alert:
    return Alert(
        id=row["id"],
        kind=AlertKind(row["kind"]),
        subject=row["subject"],
        data=row["data"],
        at=row["at"],
        deliveries=deliveries,
    )
