"""The tamper-evident log: every record becomes a leaf in the transaction that writes it.

Records are collected while a transaction runs and sealed right before it commits, so that the
head, which all posting transactions share, is locked last and for the shortest time, however many
batches a transaction posts. What a rolled-back savepoint wrote is forgotten with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

from aem.proof import GrowingTree
from ledger.records import record_hash
from ledger.store import log

_WAITING = "ledger_unsealed"


@dataclass(frozen=True, kw_only=True)
class _Waiting:
    """Records of one kind that were written together."""

    record: str
    leaf_hashes: Mapping[str, bytes]  # by the records' identifiers, in the order of writing
    transaction: SessionTransaction | None


def enqueue(session: Session, record: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Seal these freshly inserted rows when the session commits."""
    enqueue_hashes(session, record, {row["id"]: record_hash(record, row) for row in rows})


def enqueue_hashes(session: Session, record: str, leaf_hashes: Mapping[str, bytes]) -> None:
    """Seal freshly inserted records, given by their identifiers, when the session commits."""
    if _WAITING not in session.info:
        session.info[_WAITING] = []
        event.listen(session, "before_commit", _before_commit)
        event.listen(session, "after_soft_rollback", _after_rollback)
    transaction = session.get_nested_transaction() or session.get_transaction()
    session.info[_WAITING].append(
        _Waiting(record=record, leaf_hashes=leaf_hashes, transaction=transaction)
    )


def seal(session: Session) -> None:
    """Append what waits to the log now, and keep its head locked until the session ends."""
    waiting = _take(session)
    if not waiting:
        return
    tree = GrowingTree(log.lock_head(session))
    leaves = []
    for item in waiting:
        for record_id, leaf_hash in item.leaf_hashes.items():
            leaves.append(log.Leaf(tree.size, item.record, record_id, leaf_hash))
            tree.append(leaf_hash)
    log.append(session, leaves, tree.frontier())


def _take(session: Session) -> list[_Waiting]:
    """Return what waits in the current transaction; leftovers of closed ones are dropped."""
    waiting = session.info.get(_WAITING, [])
    session.info[_WAITING] = []
    current = session.get_transaction()
    return [item for item in waiting if _belongs(item, current)]


def _before_commit(session: Session) -> None:
    if not session.in_nested_transaction():
        seal(session)


def _after_rollback(session: Session, previous: SessionTransaction) -> None:
    session.info[_WAITING] = [
        item for item in session.info[_WAITING] if not _belongs(item, previous)
    ]


def _belongs(item: _Waiting, transaction: SessionTransaction | None) -> bool:
    """Whether the item was written in this transaction or in a savepoint within it."""
    written_in = item.transaction
    while written_in is not None and written_in is not transaction:
        written_in = written_in.parent
    return written_in is not None
