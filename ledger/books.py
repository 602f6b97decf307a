"""The rules of posting, as pure functions on accounts and holds in memory.

The model is TigerBeetle's ``create_transfers``: every refusal has a name, and of several the one
that stands first in `RejectionReason` is given.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import NamedTuple, TypeVar

from core.ids import dated_id
from core.money import MAX_AMOUNT
from ledger.accounts import AccountClass, class_of
from ledger.domain import (
    Batch,
    Command,
    ExpireHold,
    Hold,
    HoldEntry,
    HoldStatus,
    Move,
    Outcome,
    Phase,
    PostHold,
    RejectionReason,
    Reverse,
    Sums,
    Transfer,
    VoidHold,
)
from ledger.errors import AccountCodeError

Value = TypeVar("Value")

_STATUS_AFTER = {
    Phase.POST: HoldStatus.POSTED,
    Phase.VOID: HoldStatus.VOIDED,
    Phase.EXPIRE: HoldStatus.EXPIRED,
}


class _RefusedError(Exception):
    """Ends the evaluation of one command; never leaves this module."""

    def __init__(self, reason: RejectionReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(kw_only=True)
class Books:
    """The part of the ledger that some batches touch; it changes as commands are applied.

    Attributes:
        accounts: by code; every account that a well-formed command names.
        holds: by identifier; those that the commands name, and new ones.
        originals: transfers to be reversed, by identifier, and new ones.
        reversals: by the identifier of the transfer that was reversed, the reversing one's.
        is_privileged: whether restricted accounts may be posted to.
    """

    now: datetime
    accounts: dict[str, Sums]
    holds: dict[str, HoldEntry] = field(default_factory=dict)
    originals: dict[str, Transfer] = field(default_factory=dict)
    reversals: dict[str, str] = field(default_factory=dict)
    is_privileged: bool = False
    _undoing: list[Callable[[], None]] | None = None  # what a chain did so far; None outside one

    def apply_chain(
        self,
        commands: Sequence[Command],
        *,
        batch_key: str,
        first_position: int,
        fallen: RejectionReason,
    ) -> list[Outcome]:
        """Apply all of the commands, or none: the others then get `fallen` for their outcome."""
        if len(commands) == 1:
            return [self.apply(commands[0], batch_key=batch_key, position=first_position)]
        undoing: list[Callable[[], None]] = []
        self._undoing = undoing
        outcomes: list[Outcome] = []
        for place, command in enumerate(commands):
            outcome = self.apply(command, batch_key=batch_key, position=first_position + place)
            if outcome.rejection is not None:
                for undo in reversed(undoing):
                    undo()
                outcomes = [Outcome(rejection=fallen)] * len(commands)
                outcomes[place] = outcome
                break
            outcomes.append(outcome)
        self._undoing = None
        return outcomes

    def apply(self, command: Command, *, batch_key: str, position: int) -> Outcome:
        """Apply one command whole, or name the reason and change nothing."""
        draft = _Draft(transfer_id(batch_key, position, at=self.now), batch_key, position)
        try:
            transfer = self._evaluate(command, draft)
        except _RefusedError as refusal:
            return Outcome(rejection=refusal.reason)
        return Outcome(transfer=transfer)

    def _evaluate(self, command: Command, draft: "_Draft") -> Transfer:
        match command:
            case Move():
                return self._move(command, draft)
            case Hold():
                return self._hold(command, draft)
            case Reverse():
                return self._reverse(command, draft)
            case PostHold():
                return self._post_hold(command, draft)
            case VoidHold():
                return self._free_hold(command.hold_id, Phase.VOID, draft)
            case ExpireHold():
                return self._free_hold(command.hold_id, Phase.EXPIRE, draft)

    def _move(self, command: Move, draft: "_Draft") -> Transfer:
        self._check_accounts(command.debit, command.credit)
        self._check_room(command.debit, command.credit, command.amount)
        self._add(command.debit, command.credit, posted=command.amount)
        return self._transfer(draft, command, Phase.POSTED)

    def _hold(self, command: Hold, draft: "_Draft") -> Transfer:
        self._check_accounts(command.debit, command.credit)
        _refuse_if(command.amount <= 0, RejectionReason.AMOUNT_NOT_POSITIVE)
        if command.expires_at is not None:
            _refuse_if(command.expires_at <= self.now, RejectionReason.EXPIRY_NOT_AHEAD)
        self._check_room(command.debit, command.credit, command.amount)
        self._add(command.debit, command.credit, held=command.amount)
        transfer = self._transfer(draft, command, Phase.HOLD, expires_at=command.expires_at)
        entry = HoldEntry(
            id=draft.id,
            debit=transfer.debit,
            credit=transfer.credit,
            amount=transfer.amount,
            currency=transfer.currency,
            kind=transfer.kind,
            reference=transfer.reference,
            expires_at=transfer.expires_at,
        )
        self._put(self.holds, draft.id, entry)
        return transfer

    def _post_hold(self, command: PostHold, draft: "_Draft") -> Transfer:
        hold = self._open_hold(command.hold_id)
        _refuse_if(self._is_over(hold), RejectionReason.HOLD_EXPIRED)
        amount = hold.amount if command.amount is None else command.amount
        _refuse_if(amount <= 0, RejectionReason.AMOUNT_NOT_POSITIVE)
        _refuse_if(amount > hold.amount, RejectionReason.AMOUNT_EXCEEDS_HOLD)
        return self._settle(hold, Phase.POST, amount, draft)

    def _free_hold(self, hold_id: str, phase: Phase, draft: "_Draft") -> Transfer:
        hold = self._open_hold(hold_id)
        if phase is Phase.VOID:
            _refuse_if(self._is_over(hold), RejectionReason.HOLD_EXPIRED)
        else:
            _refuse_if(not self._is_over(hold), RejectionReason.HOLD_NOT_EXPIRED)
        return self._settle(hold, phase, hold.amount, draft)

    def _settle(self, hold: HoldEntry, phase: Phase, amount: int, draft: "_Draft") -> Transfer:
        posted = amount if phase is Phase.POST else 0
        self._add(hold.debit, hold.credit, posted=posted, held=-hold.amount)
        self._put(self.holds, hold.id, replace(hold, status=_STATUS_AFTER[phase]))
        movement = Move(
            debit=hold.debit,
            credit=hold.credit,
            amount=amount,
            kind=hold.kind,
            reference=hold.reference,
        )
        return self._transfer(draft, movement, phase, hold_id=hold.id)

    def _reverse(self, command: Reverse, draft: "_Draft") -> Transfer:
        original = self.originals.get(command.transfer_id)
        if original is None:
            raise _RefusedError(RejectionReason.TRANSFER_NOT_FOUND)
        moved = original.phase in (Phase.POSTED, Phase.POST)
        tied = _is_restricted(original.debit) or _is_restricted(original.credit)
        _refuse_if(tied or not moved, RejectionReason.NOT_REVERSIBLE)
        _refuse_if(original.id in self.reversals, RejectionReason.ALREADY_REVERSED)
        self._check_room(original.credit, original.debit, original.amount)
        self._add(original.credit, original.debit, posted=original.amount)
        self._put(self.reversals, original.id, draft.id)
        movement = Move(
            debit=original.credit,
            credit=original.debit,
            amount=original.amount,
            kind="reversal",
            reference=original.reference,
            memo=command.memo,
        )
        return self._transfer(draft, movement, Phase.POSTED, reverses=original.id)

    def _open_hold(self, hold_id: str) -> HoldEntry:
        hold = self.holds.get(hold_id)
        if hold is None:
            raise _RefusedError(RejectionReason.HOLD_NOT_FOUND)
        self._check_privilege(class_of(hold.debit), class_of(hold.credit))
        _refuse_if(hold.status is not HoldStatus.OPEN, RejectionReason.HOLD_ALREADY_SETTLED)
        return hold

    def _is_over(self, hold: HoldEntry) -> bool:
        return hold.expires_at is not None and hold.expires_at <= self.now

    def _check_accounts(self, debit: str, credit: str) -> None:
        try:
            payer, payee = class_of(debit), class_of(credit)
        except AccountCodeError as error:
            raise _RefusedError(RejectionReason.ACCOUNT_UNKNOWN) from error
        self._check_privilege(payer, payee)
        _refuse_if(debit == credit, RejectionReason.ACCOUNTS_SAME)
        _refuse_if(payer.currency is not payee.currency, RejectionReason.CURRENCY_MISMATCH)

    def _check_privilege(self, payer: AccountClass, payee: AccountClass) -> None:
        if not self.is_privileged and (payer.is_restricted or payee.is_restricted):
            raise _RefusedError(RejectionReason.ACCOUNT_RESTRICTED)

    def _check_room(self, debit: str, credit: str, amount: int) -> None:
        """Check amount, 64 bits, and the floor: no sum of posted and held may pass them."""
        _refuse_if(amount <= 0, RejectionReason.AMOUNT_NOT_POSITIVE)
        payer, payee = self.accounts[debit], self.accounts[credit]
        _refuse_if(
            payer.debits_posted + payer.debits_held + amount > MAX_AMOUNT
            or payee.credits_posted + payee.credits_held + amount > MAX_AMOUNT,
            RejectionReason.OVERFLOW,
        )
        if payer.floor is not None:
            available = payer.credits_posted - payer.debits_posted - payer.debits_held
            _refuse_if(available - amount < payer.floor, RejectionReason.INSUFFICIENT_FUNDS)

    def _add(self, debit: str, credit: str, *, posted: int = 0, held: int = 0) -> None:
        self._shift(debit, credit, posted, held)
        if self._undoing is not None:
            self._undoing.append(partial(self._shift, debit, credit, -posted, -held))

    def _shift(self, debit: str, credit: str, posted: int, held: int) -> None:
        payer, payee = self.accounts[debit], self.accounts[credit]
        payer.debits_posted += posted
        payer.debits_held += held
        payee.credits_posted += posted
        payee.credits_held += held

    def _put(self, mapping: dict[str, Value], key: str, value: Value) -> None:
        if self._undoing is not None:
            self._undoing.append(partial(_restore, mapping, key, mapping.get(key)))
        mapping[key] = value

    def _transfer(
        self,
        draft: "_Draft",
        movement: Move | Hold,
        phase: Phase,
        *,
        hold_id: str | None = None,
        reverses: str | None = None,
        expires_at: datetime | None = None,
    ) -> Transfer:
        transfer = Transfer(
            id=draft.id,
            batch_key=draft.batch_key,
            position=draft.position,
            debit=movement.debit,
            credit=movement.credit,
            amount=movement.amount,
            currency=class_of(movement.debit).currency,
            kind=movement.kind,
            phase=phase,
            hold_id=hold_id,
            reverses=reverses,
            expires_at=expires_at,
            reference=movement.reference,
            memo=movement.memo,
            at=self.now,
        )
        self._put(self.originals, transfer.id, transfer)
        return transfer


def _restore(mapping: dict[str, Value], key: str, before: Value | None) -> None:
    if before is None:
        del mapping[key]
    else:
        mapping[key] = before


class _Draft(NamedTuple):
    """What a transfer gets from its place in a batch."""

    id: str
    batch_key: str
    position: int


def apply_batch(batch: Batch, books: Books, *, batch_key: str) -> tuple[Outcome, ...]:
    """Apply the batch's chains in order; of each, all commands or none.

    `batch_key` is the batch's key with its scope: transfers are named after it.
    """
    outcomes: list[Outcome] = []
    fallen = RejectionReason.BATCH_REJECTED if batch.is_atomic else RejectionReason.CHAIN_REJECTED
    for chain in batch.chains:
        outcomes += books.apply_chain(
            batch.commands[chain.start : chain.stop],
            batch_key=batch_key,
            first_position=chain.start,
            fallen=fallen,
        )
    return tuple(outcomes)


def transfer_id(batch_key: str, position: int, *, at: datetime) -> str:
    """Return the identifier of the transfer that a batch's command makes, if it makes one.

    Args:
        batch_key: with its scope.
        position: of the command.
        at: when the batch was posted first.
    """
    return dated_id("tra", at, batch_key, str(position))


def _refuse_if(condition: bool, reason: RejectionReason) -> None:  # noqa: FBT001 - reads as a sentence
    if condition:
        raise _RefusedError(reason)


def _is_restricted(code: str) -> bool:
    return class_of(code).is_restricted
