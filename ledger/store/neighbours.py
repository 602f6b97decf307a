"""Codes of accounts near one that is not there."""

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from ledger.store.tables import accounts


def exists(session: Session, code: str) -> bool:
    """Whether an account came into being."""
    query = select(accounts.c.code).where(accounts.c.code == code)
    return session.execute(query).scalar() is not None


def near(session: Session, code: str, *, prefix: str, limit: int) -> Iterator[str]:
    """Yield codes that begin with `prefix`: those next to a code in their order, on both sides."""
    is_of_class = accounts.c.code.startswith(prefix, autoescape=True)
    query = select(accounts.c.code).where(is_of_class).limit(limit)
    yield from session.execute(
        query.where(accounts.c.code < code).order_by(accounts.c.code.desc())
    ).scalars()
    yield from session.execute(
        query.where(accounts.c.code >= code).order_by(accounts.c.code)
    ).scalars()
