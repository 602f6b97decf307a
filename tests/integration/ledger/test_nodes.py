"""Kept subtree roots: the same proofs with them as without."""

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from aem.proof import (
    Frontier,
    GrowingTree,
    consistency_proof,
    frontier_at,
    inclusion_proof,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from core.database import Database
from ledger.store import nodes
from ledger.store.tables import log_entries, log_nodes

SIZE = 70_000  # two levels are kept: 273 nodes, and one above them


@pytest.fixture
def leaves(database: Database) -> list[bytes]:
    hashes = [leaf_hash(number.to_bytes(4)) for number in range(SIZE)]
    rows = [
        {"number": number, "record": "transfer", "record_id": str(number), "leaf_hash": leaf}
        for number, leaf in enumerate(hashes)
    ]
    with database.transaction() as session:
        for start in range(0, SIZE, 10_000):
            session.execute(insert(log_entries), rows[start : start + 10_000])
    return hashes


def kept(session: Session) -> dict[tuple[int, int], bytes]:
    return {(row.level, row.position): row.hash for row in session.execute(select(log_nodes))}


def test_proofs_read_little_and_are_those_of_the_whole_tree(
    database: Database, leaves: list[bytes]
) -> None:
    def whole(level: int, position: int) -> bytes:
        return root_of(leaves[position << level : (position + 1) << level])

    turns = 0
    while True:
        with database.transaction() as session:
            if not nodes.is_extensible(session, SIZE):
                break
            nodes.extend(session, SIZE)
            turns += 1
    assert turns == 2
    with database.reading() as session:
        found = kept(session)
        assert {level for level, _ in found} == {8, 16}
        assert len(found) == (SIZE >> 8) + (SIZE >> 16)
        assert all(whole(level, position) == root for (level, position), root in found.items())
        root = root_of(leaves)
        for index in (0, 255, 256, 65_535, 65_536, SIZE - 1):
            proof = inclusion_proof(nodes.reader(session), index, SIZE)
            assert proof == inclusion_proof(whole, index, SIZE)
            verify_inclusion(leaf=leaves[index], index=index, size=SIZE, proof=proof, root=root)
        for old in (1, 255, 256, 65_536, 66_000):
            grown = consistency_proof(nodes.reader(session), old, SIZE)
            assert grown == consistency_proof(whole, old, SIZE)
            verify_consistency(
                old_size=old,
                old_root=root_of(leaves[:old]),
                new_size=SIZE,
                new_root=root,
                proof=grown,
            )
        tree = GrowingTree(Frontier())
        for leaf in leaves[:66_001]:
            tree.append(leaf)
        assert frontier_at(nodes.reader(session), 66_001) == tree.frontier()


def test_what_is_not_kept_yet_is_computed(database: Database, leaves: list[bytes]) -> None:
    with database.transaction() as session:
        nodes.extend(session, 1_000)
        assert set(kept(session)) == {(8, 0), (8, 1), (8, 2)}
        assert nodes.reader(session)(9, 1) == root_of(leaves[512:1024])
        session.execute(text("DELETE FROM ledger_log_nodes"))
        assert nodes.reader(session)(9, 1) == root_of(leaves[512:1024])


def test_two_processes_keep_the_same_nodes(database: Database, leaves: list[bytes]) -> None:
    with database.transaction() as session:
        nodes.extend(session, 512)
    with database.transaction() as session:
        nodes.extend(session, 512)
        session.execute(text("DELETE FROM ledger_log_nodes WHERE position = 0"))
        nodes.extend(session, 800)
        assert set(kept(session)) == {(8, 1), (8, 2)}
