"""The one write path of money."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from core.clock import Clock
from core.errors import InvariantViolatedError
from ledger import sealing
from ledger.accounts import class_of
from ledger.books import Books, apply_batch, transfer_id
from ledger.domain import (
    Batch,
    BatchResult,
    Command,
    ExpireHold,
    Hold,
    Move,
    Outcome,
    Phase,
    PostHold,
    RejectionReason,
    Reverse,
    Transfer,
    VoidHold,
)
from ledger.errors import AccountCodeError, IdempotencyKeyReusedError
from ledger.records import hash_of_fields, transfer_text
from ledger.store import journal

Answer = BatchResult | IdempotencyKeyReusedError
"""What becomes of a batch among others: its result, or why its key gives none."""


class Posting:
    """Posts batches in callers' transactions, restricted accounts included.

    The room's own services use it together with the records that they owe; everybody else posts
    through `ledger.Ledger`.
    """

    def __init__(self, *, clock: Clock, scope: str, is_privileged: bool = True) -> None:
        """Keep the collaborators; no I/O.

        Args:
            clock: what transfers are dated by.
            scope: keeps the idempotency keys of this poster apart from those of others.
            is_privileged: whether restricted accounts may be posted to.
        """
        self._clock = clock
        self._scope = scope
        self._is_privileged = is_privileged

    def post(self, session: Session, batch: Batch) -> BatchResult:
        """Post a batch; see `ledger.Ledger.post`."""
        (answer,) = self.post_all(session, [batch])
        if isinstance(answer, IdempotencyKeyReusedError):
            raise answer
        return answer

    def post_all(self, session: Session, batches: Sequence[Batch]) -> list[Answer]:
        """Post batches one after the other, with the statements of a single one.

        Each batch's answer is what it would be alone: its result, or the error that its key came
        before with another request.
        """
        now = self._clock.now()
        keys = [f"{self._scope}:{batch.key}" for batch in batches]
        first: dict[str, Batch] = {}
        for key, batch in zip(keys, batches, strict=True):
            first.setdefault(key, batch)
        hashes = {key: batch.request_hash for key, batch in first.items()}
        claimed = journal.claim_batches(session, hashes, at=now)
        fresh = {key: batch for key, batch in first.items() if key in claimed}
        posted = self._post_fresh(session, fresh, now) if fresh else {}
        repeated = [key for key in first if key not in claimed]
        stored = journal.batches_by_key(session, repeated) if repeated else {}
        answers: list[Answer] = []
        for key, batch in zip(keys, batches, strict=True):
            if key in stored:
                answers.append(_replay(session, key, batch, stored[key]))
            elif key in claimed:
                claimed.remove(key)
                answers.append(posted[key])
            else:
                answers.append(_repeat(batch, posted[key], hashes[key]))
        return answers

    def _post_fresh(
        self, session: Session, batches: Mapping[str, Batch], now: datetime
    ) -> dict[str, BatchResult]:
        """Apply batches, by their scoped keys, to the books in memory, then write it all."""
        commands = [command for batch in batches.values() for command in batch.commands]
        books = self._open_books(session, commands, now)
        results = {
            key: BatchResult(key=batch.key, outcomes=apply_batch(batch, books, batch_key=key))
            for key, batch in batches.items()
        }
        transfers = [transfer for result in results.values() for transfer in result.transfers]
        if transfers:
            _write(session, transfers, books)
        refused = {
            key: [_outcome_json(outcome) for outcome in result.outcomes]
            for key, result in results.items()
            if result.first_rejection
        }
        if refused:
            journal.save_outcomes(session, refused)
        return results

    def _open_books(self, session: Session, commands: Sequence[Command], now: datetime) -> Books:
        """Lock the accounts that the commands touch, then read what may have changed before.

        A hold that came while this waited for its locks is not there: its accounts are not locked.
        """
        hold_ids = [
            command.hold_id
            for command in commands
            if isinstance(command, PostHold | VoidHold | ExpireHold)
        ]
        original_ids = [
            command.transfer_id for command in commands if isinstance(command, Reverse)
        ]
        holds = journal.holds_by_id(session, hold_ids) if hold_ids else {}
        originals = journal.transfers_by_id(session, original_ids) if original_ids else {}
        touched = [c for c in commands if isinstance(c, Move | Hold)]
        codes = {entry.debit for entry in (*touched, *holds.values(), *originals.values())}
        codes |= {entry.credit for entry in (*touched, *holds.values(), *originals.values())}
        accounts = journal.lock_sums(session, filter(_is_account, codes))
        return Books(
            now=now,
            accounts=accounts,
            holds=journal.holds_by_id(session, holds) if holds else {},
            originals=originals,
            reversals=journal.reversals(session, original_ids) if original_ids else {},
            is_privileged=self._is_privileged,
        )


def _is_account(code: str) -> bool:
    try:
        class_of(code)
    except AccountCodeError:
        return False
    return True


def _write(session: Session, transfers: Sequence[Transfer], books: Books) -> None:
    codes = {transfer.debit for transfer in transfers} | {each.credit for each in transfers}
    changed = {code: books.accounts[code] for code in sorted(codes)}
    written = [(transfer, transfer_text(transfer)) for transfer in transfers]
    journal.add_transfers(session, written, changed)
    added = {transfer.id for transfer in transfers if transfer.phase is Phase.HOLD}
    settled = {transfer.hold_id for transfer in transfers if transfer.hold_id} - added
    if added:
        journal.add_holds(session, [books.holds[hold_id] for hold_id in sorted(added)])
    if settled:
        journal.settle_holds(session, [books.holds[hold_id] for hold_id in sorted(settled)])
    hashes = {transfer.id: hash_of_fields("transfer", text) for transfer, text in written}
    sealing.enqueue_hashes(session, "transfer", hashes)


def _outcome_json(outcome: Outcome) -> dict[str, str]:
    if outcome.transfer is not None:
        return {"transfer": outcome.transfer.id}
    return {"rejection": str(outcome.rejection)}


def _repeat(batch: Batch, result: BatchResult, request_hash: str) -> Answer:
    """Answer a batch whose key was claimed a moment ago, by a batch of the same transaction."""
    if batch.request_hash != request_hash:
        return _reused(batch)
    return replace(result, is_replay=True)


def _replay(session: Session, key: str, batch: Batch, stored: journal.StoredBatch) -> Answer:
    if stored.request_hash != batch.request_hash:
        return _reused(batch)
    outcomes = stored.outcomes or [
        {"transfer": transfer_id(key, position, at=stored.at)}
        for position in range(len(batch.commands))
    ]
    found = journal.transfers_by_id(
        session, [outcome["transfer"] for outcome in outcomes if "transfer" in outcome]
    )
    if len(found) != sum("transfer" in outcome for outcome in outcomes):
        raise InvariantViolatedError(f"transfers of the batch {key!r} are not where they were")
    return BatchResult(
        key=batch.key,
        outcomes=tuple(
            Outcome(transfer=found[outcome["transfer"]])
            if "transfer" in outcome
            else Outcome(rejection=RejectionReason(outcome["rejection"]))
            for outcome in outcomes
        ),
        is_replay=True,
    )


def _reused(batch: Batch) -> IdempotencyKeyReusedError:
    return IdempotencyKeyReusedError(
        f"the idempotency key {batch.key!r} came before with another request: send the same"
        " request, or take a new key"
    )
