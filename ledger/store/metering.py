"""Queries on attempts and usage records."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, func, insert, or_, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.orm import Session

from core.money import Currency
from ledger.attempts import Attempt, AttemptStatus
from ledger.loans import Cause
from ledger.store.bulk import Rows, insert_rows
from ledger.store.tables import attempts, budgets, loans, log_entries, row_of, usage
from ledger.usage import UsageRecord


def attempt(session: Session, attempt_id: str, *, for_update: bool = False) -> Attempt | None:
    """Return an attempt, locked until the session ends if it is to be changed."""
    mine = attempts.c.id == attempt_id
    if for_update:  # an update that changes nothing, for the reason given at `lock_budget`
        session.execute(update(attempts).where(mine).values(status=attempts.c.status))
    query = select(attempts).where(mine)
    found = session.execute(query).mappings().first()
    return None if found is None else _attempt(found)


def add_attempt(session: Session, added: Attempt) -> None:
    """Write a new attempt."""
    session.execute(insert(attempts).values(row_of(added)))


def save_attempt(session: Session, ended: Attempt) -> None:
    """Write how an attempt ended."""
    session.execute(update(attempts).where(attempts.c.id == ended.id).values(row_of(ended)))


def open_attempts(session: Session, *, reference: str, limit: int) -> list[Attempt]:
    """Return admitted attempts of an order that have not ended."""
    query = (
        select(attempts)
        .where(
            attempts.c.reference == reference,
            attempts.c.status == AttemptStatus.ADMITTED.value,
        )
        .order_by(attempts.c.admitted_at, attempts.c.id)
        .limit(limit)
    )
    return [_attempt(row) for row in session.execute(query).mappings()]


def liability_nusd(session: Session, *, day: str, path: str) -> int:
    """Return what a budget and all below it take of the day's fiat budget at most."""
    query = select(func.coalesce(func.sum(attempts.c.liability_nusd), 0)).where(
        attempts.c.day == day,
        or_(
            attempts.c.budget_path == path,
            attempts.c.budget_path.startswith(f"{path}/", autoescape=True),
        ),
    )
    return int(session.execute(query).scalar_one())


def attempts_of_day(session: Session, *, day: str) -> int:
    """Return how many attempts were admitted on a day."""
    query = select(func.count()).select_from(attempts).where(attempts.c.day == day)
    return session.execute(query).scalar_one()


def add_usage(session: Session, rows: list[dict[str, Any]]) -> None:
    """Append usage records."""
    insert_rows(session, usage, Rows.of(rows))


def add_loans(session: Session, rows: list[dict[str, Any]]) -> None:
    """Append loans and what was given back of them."""
    insert_rows(session, loans, Rows.of(rows))


def lent(session: Session, *, path: str, currency: Currency) -> int:
    """Return what was lent for a budget and all below it, and not given back."""
    query = (
        select(func.coalesce(func.sum(loans.c.amount), 0))
        .join(budgets, budgets.c.name == loans.c.budget)
        .where(
            loans.c.currency == currency.value,
            or_(budgets.c.path == path, budgets.c.path.startswith(f"{path}/", autoescape=True)),
        )
    )
    return int(session.execute(query).scalar_one())


def debts(session: Session, *, owner: str, reference: str) -> dict[str, int]:
    """Return what an owner owes in tokens for an order and its attempts, by their identifiers."""
    of_order = select(attempts.c.id).where(attempts.c.reference == reference)
    query = (
        select(loans.c.reference, func.sum(loans.c.amount))
        .where(
            loans.c.currency == Currency.UTOK.value,
            loans.c.owner == owner,
            or_(loans.c.reference == reference, loans.c.reference.in_(of_order)),
        )
        .group_by(loans.c.reference)
        .order_by(loans.c.reference)
    )
    return {name: int(utok) for name, utok in session.execute(query) if utok}


def owed(session: Session, cause: Cause) -> int:
    """Return what is owed in tokens for one attempt or order."""
    query = select(func.coalesce(func.sum(loans.c.amount), 0)).where(
        loans.c.currency == Currency.UTOK.value,
        loans.c.owner == cause.owner,
        loans.c.reference == cause.reference,
    )
    return int(session.execute(query).scalar_one())


def list_usage(
    session: Session, *, owner: str | None, reference: str | None, after: int | None, limit: int
) -> Sequence[tuple[int, UsageRecord]]:
    """Return committed usage records with their numbers in the log, in its order."""
    query: Select[Any] = (
        select(log_entries.c.number, usage)
        .join(usage, log_entries.c.record_id == usage.c.id)
        .where(log_entries.c.record == "usage")
        .order_by(log_entries.c.number)
        .limit(limit)
    )
    if after is not None:
        query = query.where(log_entries.c.number > after)
    if owner is not None:
        query = query.where(usage.c.owner == owner)
    if reference is not None:
        query = query.where(usage.c.reference == reference)
    return [(row["number"], usage_of(row)) for row in session.execute(query).mappings()]


def _attempt(row: RowMapping) -> Attempt:
    changed = {
        "status": AttemptStatus(row["status"]),
        "let_pass": tuple(row["let_pass"].split()),
    }
    return Attempt(**{**row, **changed})


def usage_of(row: RowMapping) -> UsageRecord:
    """Read a usage record's row."""
    fields: dict[str, Any] = {column.name: row[column.name] for column in usage.columns}
    return UsageRecord(**{**fields, "transfers": tuple(fields["transfers"].split())})
