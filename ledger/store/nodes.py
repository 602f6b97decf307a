"""Roots of the log's perfect subtrees: kept on every eighth level, computed on the others.

A proof then reads some hundred hashes, whatever the length of the log. What is kept can be
computed again from the entries, and no proof is handed out that does not verify.
"""

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from aem.proof import PerfectRoot, root_of
from ledger.store import log
from ledger.store.tables import log_nodes

STEP_LEVELS = 8
"""Between two levels that are kept: a kept node stands for 256 of the level below."""

EXTENSION_NODES = 1_024
"""Computed at once: a quarter of a million leaves, some tenths of a second."""


def reader(session: Session) -> PerfectRoot:
    """Return a function that gives the root of a perfect subtree of the log."""
    return lambda level, position: _root_at(session, level, position)


def is_extensible(session: Session, size: int) -> bool:
    """Whether a log of this size has perfect subtrees whose roots are to be kept yet."""
    return _next_range(session, size) is not None


def extend(session: Session, size: int) -> None:
    """Keep the roots of some further subtrees of a log of this size.

    Several processes may do it at the same time.
    """
    found = _next_range(session, size)
    if found is None:
        return
    level, start, end = found
    rows = [
        {
            "level": level,
            "position": position,
            "hash": root_of(_row(session, level - STEP_LEVELS, *_below(position))),
        }
        for position in range(start, end)
    ]
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    insert = sqlite_insert if is_sqlite else postgresql_insert
    session.execute(insert(log_nodes).on_conflict_do_nothing(), rows)


def _next_range(session: Session, size: int) -> tuple[int, int, int] | None:
    """Return the lowest level that lacks nodes, and which of them come next."""
    for level in range(STEP_LEVELS, size.bit_length(), STEP_LEVELS):
        query = select(func.max(log_nodes.c.position)).where(log_nodes.c.level == level)
        last = session.execute(query).scalar()
        start = 0 if last is None else int(last) + 1
        end = min(size >> level, start + EXTENSION_NODES)
        if start < end:
            return level, start, end
    return None


def _root_at(session: Session, level: int, position: int) -> bytes:
    kept_level = level - level % STEP_LEVELS
    width = level - kept_level
    return root_of(_row(session, kept_level, position << width, (position + 1) << width))


def _row(session: Session, level: int, start: int, end: int) -> list[bytes]:
    """Return the nodes of a kept level from `start` up to `end`; what is not kept is computed."""
    if level == 0:
        return log.leaf_hashes(session, start=start, end=end)
    nodes = log_nodes.c
    query = (
        select(nodes.position, nodes.hash)
        .where(nodes.level == level, nodes.position >= start, nodes.position < end)
        .order_by(nodes.position)
    )
    kept = {row.position: row.hash for row in session.execute(query)}
    return [
        kept[position]
        if position in kept
        else root_of(_row(session, level - STEP_LEVELS, *_below(position)))
        for position in range(start, end)
    ]


def _below(position: int) -> tuple[int, int]:
    """Return the range of nodes, on the kept level below, that a node stands for."""
    return position << STEP_LEVELS, (position + 1) << STEP_LEVELS
