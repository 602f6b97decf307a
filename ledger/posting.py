"""The one write path of money."""

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from aem.proof import canonical_json, digest_of
from core.clock import Clock
from ledger import sealing
from ledger.accounts import class_of
from ledger.books import Books, apply_batch
from ledger.domain import (
    Account,
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
    VoidHold,
)
from ledger.errors import AccountCodeError, IdempotencyKeyReusedError
from ledger.store import journal
from ledger.store.tables import row_of


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
        key = f"{self._scope}:{batch.key}"
        request_hash = digest_of(canonical_json(batch.to_json()))
        now = self._clock.now()
        stored = journal.claim_batch(session, key=key, request_hash=request_hash, at=now)
        if stored is not None:
            return _replay(session, batch, stored, request_hash)
        accounts, books = self._open_books(session, batch.commands)
        outcomes = apply_batch(batch, books, batch_key=key)
        result = BatchResult(key=batch.key, outcomes=outcomes)
        if result.transfers:
            _write(session, result, accounts, books)
        journal.finish_batch(session, key, [_outcome_json(outcome) for outcome in outcomes])
        return result

    def _open_books(
        self, session: Session, commands: Sequence[Command]
    ) -> tuple[Mapping[str, Account], Books]:
        """Lock the accounts that the commands touch, then read what may have changed before."""
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
        codes = {
            code
            for entry in (*touched, *holds.values(), *originals.values())
            for code in (entry.debit, entry.credit)
            if _is_account(code)
        }
        accounts = journal.lock_accounts(session, codes)
        books = Books(
            now=self._clock.now(),
            accounts=dict(accounts),
            holds=journal.holds_by_id(session, hold_ids) if hold_ids else {},
            originals=originals,
            reversed_ids=journal.reversed_ids(session, original_ids) if original_ids else set(),
            is_privileged=self._is_privileged,
        )
        return accounts, books


def _is_account(code: str) -> bool:
    try:
        class_of(code)
    except AccountCodeError:
        return False
    return True


def _write(
    session: Session, result: BatchResult, before: Mapping[str, Account], books: Books
) -> None:
    rows = [row_of(transfer) for transfer in result.transfers]
    changed = [account for code, account in books.accounts.items() if account != before[code]]
    added = [
        books.holds[transfer.id] for transfer in result.transfers if transfer.phase is Phase.HOLD
    ]
    settled = [books.holds[transfer.hold_id] for transfer in result.transfers if transfer.hold_id]
    if changed:
        journal.save_accounts(session, changed)
    journal.add_transfers(session, rows)
    if added:
        journal.add_holds(session, added)
    if settled:
        journal.settle_holds(session, settled)
    sealing.enqueue(session, "transfer", rows)


def _outcome_json(outcome: Outcome) -> dict[str, str]:
    if outcome.transfer is not None:
        return {"transfer": outcome.transfer.id}
    return {"rejection": str(outcome.rejection)}


def _replay(
    session: Session, batch: Batch, stored: journal.StoredBatch, request_hash: str
) -> BatchResult:
    if stored.request_hash != request_hash:
        raise IdempotencyKeyReusedError(
            f"the idempotency key {batch.key!r} came before with another request: send the same"
            " request, or take a new key"
        )
    found = journal.transfers_by_id(
        session, [outcome["transfer"] for outcome in stored.outcomes if "transfer" in outcome]
    )
    outcomes = [
        Outcome(transfer=found[outcome["transfer"]])
        if "transfer" in outcome
        else Outcome(rejection=RejectionReason(outcome["rejection"]))
        for outcome in stored.outcomes
    ]
    return BatchResult(key=batch.key, outcomes=tuple(outcomes), is_replay=True)
