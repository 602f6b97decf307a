"""Receipts of transfers, and proofs that the log only grew."""

import json

from sqlalchemy.orm import Session

from aem.proof import (
    Checkpoint,
    Envelope,
    ProofError,
    consistency_proof,
    inclusion_proof,
)
from aem.proof.audit import ConsistencyProof, Receipt
from core.signing import Signer
from ledger.errors import (
    CheckpointNotFoundError,
    CheckpointOrderError,
    LogDamagedError,
    TransferNotFoundError,
)
from ledger.records import record_bytes
from ledger.store import log, nodes, signed


class Proofs:
    """Makes proofs out of the stored log, and hands none over that does not verify."""

    def __init__(self, *, signer: Signer) -> None:
        """Keep the signer, whose trust root goes with every proof; no I/O."""
        self._signer = signer

    def receipt(self, session: Session, transfer_id: str) -> Receipt:
        """Return the receipt of a transfer under the first checkpoint that covers it.

        Raises:
            TransferNotFoundError: there is no such transfer.
            CheckpointNotFoundError: no signed checkpoint covers it yet.
            LogDamagedError: the record, or the log, is not what was signed.
        """
        entry = log.entry_of(session, "transfer", transfer_id)
        if entry is None or entry.row is None:
            raise TransferNotFoundError(f"there is no transfer {transfer_id[:80]!r}")
        covering = signed.first_covering(session, entry.number + 1)
        if covering is None:
            raise CheckpointNotFoundError(
                f"no checkpoint covers transfer {transfer_id} yet: ask again in a second"
            )
        try:
            receipt = Receipt(
                record=record_bytes(entry.record, entry.row),
                number=entry.number,
                proof=tuple(inclusion_proof(nodes.reader(session), entry.number, covering.size)),
                checkpoint=Envelope.from_json(json.loads(covering.envelope)),
                trust=self._signer.trust(),
            )
            receipt.verify()
        except (ProofError, ValueError) as error:
            raise _damaged(f"the receipt of transfer {transfer_id}", error) from error
        return receipt

    def consistency(self, session: Session, old: Envelope, new: Envelope) -> ConsistencyProof:
        """Return the proof that the log only grew from one stored checkpoint to another.

        Raises:
            CheckpointOrderError: `new` is the smaller one.
            LogDamagedError: it did not, or the log is not what was signed.
        """
        try:
            sizes = [Checkpoint.from_payload(envelope.payload).size for envelope in (old, new)]
            if sizes != sorted(sizes):
                raise CheckpointOrderError(
                    f"--from must be the smaller: {sizes[0]} records are more than the"
                    f" {sizes[1]} of --to"
                )
            found = ConsistencyProof(
                old=old,
                new=new,
                proof=tuple(consistency_proof(nodes.reader(session), *sizes)),
                trust=self._signer.trust(),
            )
            found.verify()
        except ProofError as error:
            raise _damaged("the consistency proof", error) from error
        return found


def _damaged(what: str, error: Exception) -> LogDamagedError:
    return LogDamagedError(
        f"{what} does not verify ({error}): run `aem audit verify`, it names the first bad record"
    )
