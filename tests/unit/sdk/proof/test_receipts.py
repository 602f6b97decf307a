import pytest

from aem.proof import (
    GrowingTree,
    KeyPurpose,
    ProofError,
    TrustRoot,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
)
from aem.proof.audit import (
    CONSISTENCY_FORMAT,
    RECEIPT_FORMAT,
    ConsistencyProof,
    Receipt,
    format_of,
)
from tests.fakes.exports import record_line, signed_checkpoint, transfer
from tests.fakes.keys import FakeKeys

KEYS = FakeKeys()
TRUST = KEYS.trust_root.sign(KEYS.signer(KeyPurpose.ROOT))
RECORDS = [record_line(transfer(number)) for number in range(11)]
LEAVES = [leaf_hash(record) for record in RECORDS]


def root_at(level: int, position: int) -> bytes:
    return root_of(LEAVES[position << level : (position + 1) << level])


def tree_of(size: int) -> GrowingTree:
    tree = GrowingTree()
    for leaf in LEAVES[:size]:
        tree.append(leaf)
    return tree


def receipt(number: int = 6) -> Receipt:
    return Receipt(
        record=RECORDS[number],
        number=number,
        proof=tuple(inclusion_proof(root_at, number, len(LEAVES))),
        checkpoint=signed_checkpoint(tree_of(len(LEAVES)), KEYS),
        trust=TRUST,
    )


def consistency(old: int = 5) -> ConsistencyProof:
    return ConsistencyProof(
        old=signed_checkpoint(tree_of(old), KEYS),
        new=signed_checkpoint(tree_of(len(LEAVES)), KEYS),
        proof=tuple(consistency_proof(root_at, old, len(LEAVES))),
        trust=TRUST,
    )


PROOFS: dict[str, tuple[type[Receipt | ConsistencyProof], bytes]] = {
    RECEIPT_FORMAT: (Receipt, receipt().to_bytes()),
    CONSISTENCY_FORMAT: (ConsistencyProof, consistency().to_bytes()),
}


def refused(
    kind: type[Receipt | ConsistencyProof], data: bytes, trust: TrustRoot | None = None
) -> bool:
    try:
        kind.from_bytes(data).verify(trust)
    except ProofError:
        return True
    return False


@pytest.mark.parametrize("number", range(11))
def test_a_receipt_of_every_record_holds(number: int) -> None:
    read = Receipt.from_bytes(receipt(number).to_bytes())
    assert read == receipt(number)
    assert read.verify(KEYS.trust_root) == {"record": "transfer", **transfer(number)}


@pytest.mark.parametrize("old", range(12))
def test_a_consistency_proof_from_every_size_holds(old: int) -> None:
    read = ConsistencyProof.from_bytes(consistency(old).to_bytes())
    assert [checkpoint.size for checkpoint in read.verify()] == [old, 11]


@pytest.mark.parametrize("name", PROOFS)
def test_every_mutated_byte_of_a_proof_is_refused(name: str) -> None:
    kind, data = PROOFS[name]
    assert format_of(data) == name
    assert not refused(kind, data)
    accepted = [
        (at, bit)
        for at in range(len(data))
        for bit in (0x01, 0x02, 0x20)
        if not refused(kind, data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
    ]
    assert accepted == []


@pytest.mark.parametrize("name", PROOFS)
def test_a_proof_cut_off_stretched_or_reordered_is_refused(name: str) -> None:
    kind, data = PROOFS[name]
    assert all(refused(kind, data[:size]) for size in range(len(data)))
    for longer in (data + b" ", data + b"\n", b" " + data, data.replace(b",", b", ", 1)):
        assert refused(kind, longer)
    first, rest = data[1:-1].split(b",", 1)
    assert refused(kind, b"{" + rest + b"," + first + b"}")


def test_one_proof_is_not_taken_for_the_other() -> None:
    assert refused(Receipt, PROOFS[CONSISTENCY_FORMAT][1])
    assert refused(ConsistencyProof, PROOFS[RECEIPT_FORMAT][1])
    assert format_of(b"\xff") is format_of(b"[]") is format_of(b'{"format":1}') is None


def test_a_receipt_does_not_speak_for_another_record() -> None:
    for number in set(range(11)) - {6}:
        swapped = Receipt(**vars(receipt()) | {"record": RECORDS[number]})
        assert refused(Receipt, swapped.to_bytes())
        moved = Receipt(**vars(receipt()) | {"number": number})
        assert refused(Receipt, moved.to_bytes())


def test_only_a_checkpoint_key_of_the_pinned_root_counts() -> None:
    stranger = FakeKeys("stranger")
    forged = Receipt(
        **vars(receipt())
        | {
            "checkpoint": signed_checkpoint(tree_of(11), stranger),
            "trust": stranger.trust_root.sign(stranger.signer(KeyPurpose.ROOT)),
        }
    )
    assert not refused(Receipt, forged.to_bytes())  # believed on first use, as nothing is pinned
    assert refused(Receipt, forged.to_bytes(), KEYS.trust_root)
    for purpose in set(KeyPurpose) - {KeyPurpose.CHECKPOINT}:
        wrong = signed_checkpoint(tree_of(11), KEYS, purpose=purpose)
        assert refused(Receipt, Receipt(**vars(receipt()) | {"checkpoint": wrong}).to_bytes())


def test_two_logs_are_not_consistent() -> None:
    other = signed_checkpoint(tree_of(5), KEYS, origin="other")
    assert refused(
        ConsistencyProof, ConsistencyProof(**vars(consistency()) | {"old": other}).to_bytes()
    )
