"""Invoices that were settled by, and what became of each lost attempt's bound."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKey, String, Table, Text, func, insert, select
from sqlalchemy.engine import RowMapping
from sqlalchemy.orm import Session

from core.database import UtcDateTime, metadata
from ledger.attempts import AttemptStatus
from ledger.store.tables import ID, NAME, REFERENCE, accounts, attempts, usage

_PAGE_IDS = 1_000

reconciliations = Table(
    "ledger_reconciliations",
    metadata,
    Column("id", ID, primary_key=True),
    Column("provider", NAME, nullable=False),
    Column("invoice_digest", String(71), nullable=False),
    Column("report", Text, nullable=False),
    Column("actor", REFERENCE, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    sqlite_with_rowid=False,
)

suspense_settlements = Table(
    "ledger_suspense_settlements",
    metadata,
    Column("attempt_id", ID, ForeignKey(attempts.c.id), primary_key=True),
    Column("reconciliation_id", ID, ForeignKey(reconciliations.c.id), nullable=False),
    Column("billed_nusd", BigInteger, nullable=False),
    Column("released_nusd", BigInteger, nullable=False),
    Column("loss_nusd", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)


def newest(
    session: Session, *, provider: str | None, after: tuple[datetime, str] | None, limit: int
) -> Sequence[RowMapping]:
    """Return reconciliations that were carried out, the newest first."""
    at, name = reconciliations.c.at, reconciliations.c.id
    query = select(reconciliations).order_by(at.desc(), name.desc()).limit(limit)
    if provider is not None:
        query = query.where(reconciliations.c.provider == provider)
    if after is not None:
        query = query.where((at < after[0]) | ((at == after[0]) & (name < after[1])))
    return session.execute(query).mappings().all()


def one(session: Session, reconciliation_id: str) -> RowMapping | None:
    """Return a reconciliation that was carried out."""
    query = select(reconciliations).where(reconciliations.c.id == reconciliation_id)
    return session.execute(query).mappings().first()


def report(session: Session, reconciliation_id: str) -> str | None:
    """Return what a reconciliation found when it was carried out."""
    query = select(reconciliations.c.report).where(reconciliations.c.id == reconciliation_id)
    return session.execute(query).scalar()


def add(session: Session, row: dict[str, Any], settled: list[dict[str, Any]]) -> None:
    """Append a reconciliation with what it settled."""
    session.execute(insert(reconciliations), [row])
    if settled:
        session.execute(insert(suspense_settlements), settled)


def has_accounts(session: Session, codes: Sequence[str]) -> bool:
    """Whether any of the accounts exists."""
    query = select(func.count()).where(accounts.c.code.in_(codes))
    return bool(session.execute(query).scalar())


def usage_of_attempts(
    session: Session, provider: str, attempt_ids: Iterable[str]
) -> Iterable[RowMapping]:
    """Yield a provider's usage records of attempts."""
    for ids in _pages(attempt_ids):
        query = select(usage).where(usage.c.attempt_id.in_(ids), usage.c.provider == provider)
        yield from session.execute(query).mappings()


def lost_bounds(session: Session, attempt_ids: Iterable[str]) -> dict[str, int]:
    """Return the bounds of those of the attempts that were lost."""
    found: dict[str, int] = {}
    for ids in _pages(attempt_ids):
        query = select(attempts.c.id, attempts.c.bound_nusd).where(
            attempts.c.id.in_(ids), attempts.c.status == AttemptStatus.LOST.value
        )
        found |= {row.id: row.bound_nusd for row in session.execute(query)}
    return found


def settled_of(session: Session, attempt_ids: Iterable[str]) -> dict[str, int]:
    """Return what invoices billed of those of the attempts that they settled, in nano-dollars."""
    settled = suspense_settlements.c
    found: dict[str, int] = {}
    for ids in _pages(attempt_ids):
        billed_nusd = (settled.billed_nusd + settled.loss_nusd).label("billed_nusd")
        query = select(settled.attempt_id, billed_nusd).where(settled.attempt_id.in_(ids))
        found |= {row.attempt_id: row.billed_nusd for row in session.execute(query)}
    return found


def _pages(ids: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(ids)
    while page := list(islice(rest, _PAGE_IDS)):
        yield page
