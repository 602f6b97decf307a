"""Codes of accounts that were touched, and of those near one that never was."""

from collections.abc import Iterator

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from ledger.store.tables import accounts, transfers

IS_TOUCHED = or_(
    accounts.c.credits_posted > 0,
    accounts.c.debits_posted > 0,
    accounts.c.debits_held > 0,
    accounts.c.credits_held > 0,
    exists().where(transfers.c.debit == accounts.c.code),  # a hold that was voided
    exists().where(transfers.c.credit == accounts.c.code),
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
