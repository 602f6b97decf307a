from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aem.proof import (
    EMPTY_ROOT,
    Frontier,
    MalformedError,
    NotConsistentError,
    NotIncludedError,
    consistency_proof,
    frontier_at,
    inclusion_proof,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# Published vectors of the Certificate Transparency reference implementation.
CT_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
CT_INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CT_CONSISTENCY = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
HASHES = [leaf_hash(leaf) for leaf in CT_LEAVES]


def roots_of(hashes: list[bytes]) -> Callable[[int, int], bytes]:
    """Read roots of perfect subtrees out of all the leaves."""
    return lambda level, position: root_of(hashes[position << level : (position + 1) << level])


def leaves(count: int) -> list[bytes]:
    return [leaf_hash(index.to_bytes(4)) for index in range(count)]


@pytest.mark.parametrize(("size", "root"), list(enumerate(CT_ROOTS)))
def test_published_roots(size: int, root: str) -> None:
    frontier = Frontier()
    for leaf in HASHES[:size]:
        frontier = frontier.append(leaf)
    assert (frontier.root().hex(), root_of(HASHES[:size]).hex()) == (root, root)
    assert frontier.size == size


@pytest.mark.parametrize(("place", "path"), list(CT_INCLUSION.items()), ids=str)
def test_published_inclusion_proofs(place: tuple[int, int], path: list[str]) -> None:
    assert [node.hex() for node in inclusion_proof(roots_of(HASHES), *place)] == path


@pytest.mark.parametrize(("sizes", "path"), list(CT_CONSISTENCY.items()), ids=str)
def test_published_consistency_proofs(sizes: tuple[int, int], path: list[str]) -> None:
    assert [node.hex() for node in consistency_proof(roots_of(HASHES), *sizes)] == path


@given(st.integers(0, 70))
def test_a_frontier_and_a_whole_tree_have_one_root(count: int) -> None:
    frontier = Frontier()
    for leaf in leaves(count):
        frontier = frontier.append(leaf)
    assert frontier.root() == root_of(leaves(count))
    assert frontier_at(roots_of(leaves(count)), count) == frontier
    assert Frontier.from_json(frontier.to_json()) == frontier


def test_every_leaf_of_every_small_tree_is_proven_and_nothing_else() -> None:
    hashes = leaves(20)
    for size in range(1, 21):
        root = root_of(hashes[:size])
        for index in range(size):
            proof = inclusion_proof(roots_of(hashes), index, size)
            verify_inclusion(leaf=hashes[index], index=index, size=size, proof=proof, root=root)
            for other in set(range(size)) - {index}:
                with pytest.raises(NotIncludedError):
                    verify_inclusion(
                        leaf=hashes[index], index=other, size=size, proof=proof, root=root
                    )


def test_every_two_sizes_of_a_log_are_proven_consistent() -> None:
    hashes = leaves(20)
    for new_size in range(21):
        for old_size in range(new_size + 1):
            verify_consistency(
                old_size=old_size,
                old_root=root_of(hashes[:old_size]),
                new_size=new_size,
                new_root=root_of(hashes[:new_size]),
                proof=consistency_proof(roots_of(hashes), old_size, new_size),
            )


def mutations(nodes: list[bytes]) -> list[list[bytes]]:
    """Every byte changed, every node dropped or doubled, a node too many, two swapped."""
    flipped = [
        [*nodes[:at], bytes([*node[:byte], node[byte] ^ 1, *node[byte + 1 :]]), *nodes[at + 1 :]]
        for at, node in enumerate(nodes)
        for byte in range(len(node))
    ]
    dropped = [nodes[:at] + nodes[at + 1 :] for at in range(len(nodes))]
    doubled = [nodes[: at + 1] + nodes[at:] for at in range(len(nodes))]
    return [*flipped, *dropped, *doubled, [*nodes, b"\0" * 32], nodes[::-1]]


def refusals(check: Callable[[list[bytes]], None], nodes: list[bytes]) -> list[bool]:
    refused = []
    for mutated in mutations(nodes):
        try:
            check(mutated)
        except (NotIncludedError, NotConsistentError):
            refused.append(True)
        else:
            refused.append(mutated == nodes)
    return refused


@pytest.mark.parametrize(("index", "size"), [(0, 8), (5, 8), (2, 3), (6, 7), (12, 13), (9, 20)])
def test_every_mutated_byte_of_an_inclusion_proof_is_refused(index: int, size: int) -> None:
    hashes = leaves(size)
    root = root_of(hashes)

    def check(proof: list[bytes]) -> None:
        verify_inclusion(leaf=hashes[index], index=index, size=size, proof=proof, root=root)

    proof = inclusion_proof(roots_of(hashes), index, size)
    check(proof)
    assert all(refusals(check, proof))
    for leaf in mutations([hashes[index]])[:32]:
        with pytest.raises(NotIncludedError):
            verify_inclusion(leaf=leaf[0], index=index, size=size, proof=proof, root=root)


@pytest.mark.parametrize("sizes", [(1, 8), (4, 8), (6, 8), (3, 7), (12, 13), (9, 20)])
def test_every_mutated_byte_of_a_consistency_proof_is_refused(sizes: tuple[int, int]) -> None:
    old_size, new_size = sizes
    hashes = leaves(new_size)
    roots = [root_of(hashes[:old_size]), root_of(hashes)]

    def check(proof: list[bytes], roots: list[bytes] = roots) -> None:
        verify_consistency(
            old_size=old_size,
            old_root=roots[0],
            new_size=new_size,
            new_root=roots[1],
            proof=proof,
        )

    proof = consistency_proof(roots_of(hashes), old_size, new_size)
    check(proof)
    assert all(refusals(check, proof))
    for changed in mutations(roots)[:64]:
        with pytest.raises(NotConsistentError):
            check(proof, changed)


def test_a_rewritten_past_is_not_consistent() -> None:
    honest, rewritten = leaves(9), [leaf_hash(b"other"), *leaves(9)[1:]]
    with pytest.raises(NotConsistentError):
        verify_consistency(
            old_size=5,
            old_root=root_of(honest[:5]),
            new_size=9,
            new_root=root_of(rewritten),
            proof=consistency_proof(roots_of(rewritten), 5, 9),
        )


@pytest.mark.parametrize(("old_size", "new_size"), [(3, 2), (-1, 2)])
def test_sizes_out_of_order_are_refused(old_size: int, new_size: int) -> None:
    with pytest.raises(NotConsistentError):
        consistency_proof(roots_of(leaves(4)), old_size, new_size)
    with pytest.raises(NotConsistentError):
        verify_consistency(
            old_size=old_size, old_root=EMPTY_ROOT, new_size=new_size, new_root=b"", proof=[]
        )


def test_an_unchanged_tree_must_have_an_unchanged_root() -> None:
    root = root_of(leaves(3))
    with pytest.raises(NotConsistentError):
        verify_consistency(old_size=3, old_root=b"\0" * 32, new_size=3, new_root=root, proof=[])
    with pytest.raises(NotConsistentError):
        verify_consistency(old_size=0, old_root=root, new_size=3, new_root=root, proof=[])


@pytest.mark.parametrize(("index", "size"), [(3, 3), (-1, 3), (0, 0), (9, 3)])
def test_a_leaf_outside_the_tree_is_refused(index: int, size: int) -> None:
    with pytest.raises(NotIncludedError):
        inclusion_proof(roots_of(leaves(3)), index, size)


@pytest.mark.parametrize(
    "value",
    [
        None,
        {"size": 1},
        {"size": -1, "peaks": []},
        {"size": True, "peaks": ["00" * 32]},
        {"size": 3, "peaks": ["00" * 32]},
        {"size": 1, "peaks": ["00" * 31]},
        {"size": 1, "peaks": ["zz" * 32]},
        {"size": 1, "peaks": "00"},
    ],
)
def test_what_is_no_frontier_is_refused(value: object) -> None:
    with pytest.raises(MalformedError):
        Frontier.from_json(value)
