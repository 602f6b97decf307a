"""Codes of accounts that were touched, and of those near one that never was."""

from collections.abc import Iterator

from sqlalchemy import Column, ColumnElement, or_, select
from sqlalchemy.orm import Session

from ledger.store.tables import accounts, transfers


def _has_transfer(side: Column[str]) -> ColumnElement[bool]:
    """Look for one; an ``EXISTS`` may be planned as a reading of the whole journal."""
    first = select(transfers.c.id).where(side == accounts.c.code).limit(1)
    return first.correlate(accounts).scalar_subquery().is_not(None)


IS_TOUCHED = or_(
    accounts.c.credits_posted > 0,
    accounts.c.debits_posted > 0,
    accounts.c.debits_held > 0,
    accounts.c.credits_held > 0,
    _has_transfer(transfers.c.debit),  # a hold that was voided
    _has_transfer(transfers.c.credit),
)
"""Whether a transfer or hold ever touched an account. Others have a row because a posting that was
refused, or had nothing for them, locked them."""


def was_touched(session: Session, code: str) -> bool:
    """Whether a transfer or hold ever touched an account."""
    query = select(accounts.c.code).where(accounts.c.code == code, IS_TOUCHED)
    return session.execute(query).scalar() is not None


def near(session: Session, code: str, *, prefix: str, limit: int) -> Iterator[str]:
    """Yield codes that begin with `prefix`: those next to a code in their order, on both sides."""
    is_of_class = accounts.c.code.startswith(prefix, autoescape=True)
    query = select(accounts.c.code).where(is_of_class, IS_TOUCHED).limit(limit)
    yield from session.execute(
        query.where(accounts.c.code < code).order_by(accounts.c.code.desc())
    ).scalars()
    yield from session.execute(
        query.where(accounts.c.code >= code).order_by(accounts.c.code)
    ).scalars()
