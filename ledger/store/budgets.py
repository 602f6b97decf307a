"""Queries on the budget tree: its settings, its days, and the money in circulation."""

from typing import Any

from sqlalchemy import func, insert, not_, or_, select, update
from sqlalchemy.orm import Session

from core.money import Currency
from ledger.accounts import ACCOUNT_CLASSES
from ledger.policy import Budget, BudgetSetting, IssuanceDecision
from ledger.store.bulk import Rows, insert_missing
from ledger.store.tables import (
    accounts,
    budget_settings,
    budgets,
    issuance_decisions,
    row_of,
)


def budget(session: Session, name: str) -> Budget | None:
    """Return a budget."""
    found = session.execute(select(budgets).where(budgets.c.name == name)).mappings().first()
    return None if found is None else Budget(**found)


def lock_budget(session: Session, name: str) -> None:
    """Lock a budget until the session ends: its settings, days and limits stay as they are.

    An update that changes nothing, and not ``FOR UPDATE``: it also takes the write lock of a
    SQLite connection that begins its transaction with its first write.
    """
    session.execute(
        update(budgets).where(budgets.c.name == name).values(time_zone=budgets.c.time_zone)
    )


def root_name(session: Session) -> str | None:
    """Return the root of the tree."""
    return session.execute(select(budgets.c.name).where(budgets.c.parent.is_(None))).scalar()


def list_budgets(session: Session, *, after: str, limit: int) -> list[Budget]:
    """Return budgets in the order of their paths, parents before children."""
    query = select(budgets).where(budgets.c.path > after).order_by(budgets.c.path).limit(limit)
    return [Budget(**row) for row in session.execute(query).mappings()]


def add_budget(session: Session, added: Budget) -> bool:
    """Write a new budget; return whether it was: not if it is there."""
    return bool(insert_missing(session, budgets, Rows.of([row_of(added)])))


def latest_setting(
    session: Session, name: str, *, effective_by: str | None = None
) -> BudgetSetting | None:
    """Return a budget's newest setting, or the newest that is in force on a day."""
    query = (
        select(budget_settings)
        .where(budget_settings.c.budget == name)
        .order_by(budget_settings.c.number.desc())
        .limit(1)
    )
    if effective_by is not None:
        query = query.where(budget_settings.c.effective_day <= effective_by)
    found = session.execute(query).mappings().first()
    return None if found is None else BudgetSetting(**found)


def add_setting(session: Session, row: dict[str, Any]) -> None:
    """Append a setting."""
    session.execute(insert(budget_settings), [row])


def decision(session: Session, *, name: str, day: str) -> IssuanceDecision | None:
    """Return what was issued for a day."""
    query = select(issuance_decisions).where(
        issuance_decisions.c.budget == name, issuance_decisions.c.day == day
    )
    found = session.execute(query).mappings().first()
    if found is None:
        return None
    return IssuanceDecision(**{**found, "transfers": tuple(found["transfers"].split())})


def add_decision(session: Session, row: dict[str, Any]) -> None:
    """Append a decision."""
    session.execute(insert(issuance_decisions), [row])


def circulating_utok(session: Session) -> int:
    """Return the sum of all token balances but the contra ones, each token counted once.

    What is held is part of the balance that it is held on.
    """
    contra = [
        accounts.c.code == kind.prefix
        if kind.names == 0
        else accounts.c.code.startswith(f"{kind.prefix}:", autoescape=True)
        for kind in ACCOUNT_CLASSES.values()
        if kind.is_contra
    ]
    query = select(
        func.coalesce(func.sum(accounts.c.credits_posted - accounts.c.debits_posted), 0)
    ).where(accounts.c.currency == Currency.UTOK.value, not_(or_(*contra)))
    return int(session.execute(query).scalar_one())
