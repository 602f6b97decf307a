"""Roots of the log's perfect subtrees, read from the database."""

from sqlalchemy.orm import Session

from aem.proof import PerfectRoot, root_of
from ledger.store import log


def reader(session: Session) -> PerfectRoot:
    """Return a function that gives the root of a perfect subtree of the log."""

    def root_at(level: int, position: int) -> bytes:
        leaves = log.leaf_hashes(session, start=position << level, end=(position + 1) << level)
        return root_of(leaves)

    return root_at
