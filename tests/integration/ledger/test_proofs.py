import json

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from aem.proof import (
    Checkpoint,
    KeyPurpose,
    NotConsistentError,
    UntrustedError,
)
from aem.proof.audit import Receipt, require_same
from ledger import (
    CheckpointNotFoundError,
    CheckpointOrderError,
    LogDamagedError,
    TransferNotFoundError,
)
from tests.fakes.bank import TOKEN, Bank
from tests.fakes.intruder import unguarded
from tests.fakes.keys import FakeKeys


def all_transfers(bank: Bank) -> list[str]:
    with bank.database.reading() as session:
        return [transfer.id for transfer in bank.ledger.transfers(session).items]


def receipt_of(bank: Bank, transfer_id: str) -> Receipt:
    with bank.database.reading() as session:
        return bank.proofs.receipt(session, transfer_id)


def test_every_transfer_has_a_receipt_that_holds_without_the_service(used: Bank) -> None:
    used.checkpoint()
    found = all_transfers(used)
    assert len(found) > 10
    for transfer_id in found:
        receipt = Receipt.from_bytes(receipt_of(used, transfer_id).to_bytes())
        record = receipt.verify(used.trust)
        assert (record["record"], record["id"]) == ("transfer", transfer_id)
        assert receipt.verify() == record


def test_the_log_grew_from_every_checkpoint_to_every_later_one(used: Bank) -> None:
    used.checkpoint()
    with used.database.reading() as session:
        found = used.checkpoints.page(session).items
        for place, old in enumerate(found):
            for new in found[place:]:
                proof = used.proofs.consistency(session, old, new)
                old_checkpoint, new_checkpoint = proof.verify(used.trust)
                assert old_checkpoint.size <= new_checkpoint.size
                require_same([old, new], [old_checkpoint, new_checkpoint])
            with pytest.raises(NotConsistentError):
                require_same([found[0]], [Checkpoint.from_payload(found[-1].payload)])


def test_a_proof_from_the_later_to_the_earlier_is_no_damage(used: Bank) -> None:
    used.checkpoint()
    with used.database.reading() as session:
        found = used.checkpoints.page(session).items
        with pytest.raises(CheckpointOrderError, match="--from must be the smaller"):
            used.proofs.consistency(session, found[-1], found[0])


def test_a_stranger_s_root_makes_no_receipt_true(used: Bank) -> None:
    used.checkpoint()
    receipt = receipt_of(used, all_transfers(used)[0])
    with pytest.raises(UntrustedError):
        receipt.verify(FakeKeys("stranger", version=0).trust_root)
    with pytest.raises(UntrustedError):
        receipt.verify(FakeKeys("stranger").trust_root)


def test_a_receipt_outlives_the_key_that_signed_it(used: Bank) -> None:
    used.checkpoint()
    first = all_transfers(used)[0]
    before = receipt_of(used, first)
    pinned = used.trust
    used.signer.rotate(KeyPurpose.CHECKPOINT, at=used.clock.now())
    used.clock.advance(days=1)
    assert before.verify(used.trust)["id"] == first
    used.fund("wallet:acme.bot", TOKEN, key="after")
    used.checkpoint()
    after = receipt_of(used, all_transfers(used)[-1])
    assert after.verify(pinned)["kind"] == "allocation"
    assert used.verify().verified


def test_what_is_not_there_or_not_signed_is_told(funded: Bank) -> None:
    with pytest.raises(TransferNotFoundError):
        receipt_of(funded, "tra_unknown")
    with pytest.raises(CheckpointNotFoundError):
        receipt_of(funded, all_transfers(funded)[0])
    with funded.database.reading() as session:
        with pytest.raises(CheckpointNotFoundError):
            funded.checkpoints.latest(session)
        with pytest.raises(CheckpointNotFoundError):
            funded.checkpoints.of_size(session, 3)


def test_no_receipt_is_given_of_a_forged_record(used: Bank) -> None:
    used.checkpoint()
    target = all_transfers(used)[3]
    with Session(used.database.writing_engine) as session:
        with unguarded(session.connection()):
            session.execute(
                text("UPDATE ledger_transfers SET amount = amount + 1 WHERE id = :id"),
                {"id": target},
            )
        with pytest.raises(LogDamagedError, match="does not verify"):
            used.proofs.receipt(session, target)


def test_no_proof_is_given_of_a_forged_log(used: Bank) -> None:
    used.checkpoint()
    with Session(used.database.writing_engine) as session:
        with unguarded(session.connection()):
            session.execute(
                text("UPDATE ledger_log_entries SET leaf_hash = :leaf WHERE number = 1"),
                {"leaf": b"0" * 32},
            )
        found = used.checkpoints.page(session).items
        with pytest.raises(LogDamagedError):
            used.proofs.consistency(session, found[0], found[-1])


def test_a_checkpoint_is_signed_once_for_each_size(funded: Bank) -> None:
    first = funded.checkpoint()
    assert funded.checkpoint() == first
    with funded.database.reading() as session:
        assert funded.checkpoints.due(session) is None
    funded.fund("wallet:acme.bot", TOKEN, key="more")
    assert funded.checkpoint() != first
    with funded.database.reading() as session:
        assert len(funded.checkpoints.page(session).items) == 2
        page = funded.checkpoints.page(session, limit=1)
        assert page.items == (first,)
        rest = funded.checkpoints.page(session, after=str(page.next_cursor))
        assert [json.dumps(e.to_json()) for e in rest.items] != [json.dumps(first.to_json())]
