"""The ledger's values: accounts, transfers, holds, and the batches of commands that make them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from json.encoder import encode_basestring
from typing import Any, Generic, TypeVar, get_args

from aem.proof import NotCanonicalError, digest_of
from core.money import Currency
from ledger.errors import BatchError, InsufficientFundsError, TransferRejectedError

MAX_COMMANDS = 1_000
"""Commands in one batch: bounds how long its accounts stay locked."""

MAX_KEY_CHARACTERS = 300
MAX_REFERENCE_CHARACTERS = 200
MAX_MEMO_CHARACTERS = 500

MAX_EXPIRY_YEAR = 9998
"""Later instants have no form in every time zone."""

_KIND = re.compile(r"[a-z][a-z_]{0,39}")

Item = TypeVar("Item")


class Phase(StrEnum):
    """What a transfer does to the money of its two accounts."""

    POSTED = "posted"  # moves it at once
    HOLD = "hold"  # sets it aside
    POST = "post"  # moves what was set aside, or a part of it, and frees the rest
    VOID = "void"  # frees it all
    EXPIRE = "expire"  # frees it all, because its time is over


class HoldStatus(StrEnum):
    """Where a hold stands."""

    OPEN = "open"
    POSTED = "posted"
    VOIDED = "voided"
    EXPIRED = "expired"


class RejectionReason(StrEnum):
    """Why a command was refused. Where several apply, the first in this order is named."""

    ACCOUNT_UNKNOWN = "account_unknown"  # no such class, or bad names
    HOLD_NOT_FOUND = "hold_not_found"
    TRANSFER_NOT_FOUND = "transfer_not_found"
    ACCOUNT_RESTRICTED = "account_restricted"  # contra or fiat: the ledger's own services only
    NOT_REVERSIBLE = "not_reversible"  # no movement, or tied to issuance, burning or fiat
    ALREADY_REVERSED = "already_reversed"
    ACCOUNTS_SAME = "accounts_same"
    CURRENCY_MISMATCH = "currency_mismatch"
    HOLD_ALREADY_SETTLED = "hold_already_settled"  # posted, voided or expired before
    HOLD_EXPIRED = "hold_expired"
    HOLD_NOT_EXPIRED = "hold_not_expired"
    AMOUNT_NOT_POSITIVE = "amount_not_positive"
    EXPIRY_NOT_AHEAD = "expiry_not_ahead"
    AMOUNT_EXCEEDS_HOLD = "amount_exceeds_hold"
    OVERFLOW = "overflow"  # a sum would pass 64 bits
    INSUFFICIENT_FUNDS = "insufficient_funds"  # the floor
    BATCH_REJECTED = "batch_rejected"  # another command of an atomic batch was refused
    CHAIN_REJECTED = "chain_rejected"  # another command of its linked chain was refused

    @property
    def is_of_neighbour(self) -> bool:
        """Whether the command fell with another one, and not for its own sake."""
        return self in (RejectionReason.BATCH_REJECTED, RejectionReason.CHAIN_REJECTED)


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account's stored sums, in its currency's smallest unit; all are zero or more.

    Attributes:
        floor: lowest `available`; None where there is none.
        debits_held: sum of open holds that will debit it.
        credits_held: sum of open holds that will credit it; not yet its money.
    """

    code: str
    currency: Currency
    floor: int | None
    credits_posted: int = 0
    debits_posted: int = 0
    debits_held: int = 0
    credits_held: int = 0

    @property
    def balance(self) -> int:
        """What the account has, what is held included."""
        return self.credits_posted - self.debits_posted

    @property
    def available(self) -> int:
        """What it may still spend or set aside."""
        return self.balance - self.debits_held


@dataclass(kw_only=True, slots=True)
class Sums:
    """What changes in a locked account while batches are applied to it; see `Account`."""

    floor: int | None
    credits_posted: int = 0
    debits_posted: int = 0
    debits_held: int = 0
    credits_held: int = 0


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """An immutable entry of the journal.

    Attributes:
        batch_key: the batch that posted it, and `position` in that.
        debit: account that the money leaves.
        credit: account that it reaches.
        amount: moved, held or freed; more than zero.
        kind: why, in the words of its poster: ``fee``, ``burn``, ``allocation``.
        hold_id: the hold that a post, void or expire settles.
        reverses: the transfer that this one takes back.
        reference: the order or attempt that it belongs to, or "".
        memo: a reason in a person's words, or "".
    """

    id: str
    batch_key: str
    position: int
    debit: str
    credit: str
    amount: int
    currency: Currency
    kind: str
    phase: Phase
    hold_id: str | None = None
    reverses: str | None = None
    expires_at: datetime | None = None
    reference: str = ""
    memo: str = ""
    at: datetime


@dataclass(frozen=True, kw_only=True)
class HoldEntry:
    """Money set aside, under the identifier of the transfer that set it aside."""

    id: str
    debit: str
    credit: str
    amount: int
    currency: Currency
    kind: str
    reference: str
    expires_at: datetime | None
    status: HoldStatus = HoldStatus.OPEN


@dataclass(frozen=True, kw_only=True)
class _Movement:
    debit: str
    credit: str
    amount: int
    kind: str
    reference: str = ""
    memo: str = ""

    def __post_init__(self) -> None:
        """Refuse what the journal has no room for."""
        _check_amount(self.amount)
        if not _KIND.fullmatch(self.kind):
            raise BatchError(f"a transfer's kind is a word of a-z and _, not {self.kind[:60]!r}")
        if len(self.reference) > MAX_REFERENCE_CHARACTERS:
            raise BatchError(f"a reference has at most {MAX_REFERENCE_CHARACTERS} characters")
        _refuse_nul(self.reference)
        _check_memo(self.memo)


def _check_amount(amount: int) -> None:
    if type(amount) is not int:
        raise BatchError(f"an amount is an integer, not {amount!r:.60}")


def _check_memo(memo: str) -> None:
    if len(memo) > MAX_MEMO_CHARACTERS:
        raise BatchError(f"a memo has at most {MAX_MEMO_CHARACTERS} characters")
    _refuse_nul(memo)


def _refuse_nul(text: str) -> None:
    """Refuse what SQLite holds and PostgreSQL does not."""
    if "\0" in text:
        raise BatchError("a text of a batch must not have a NUL character")


@dataclass(frozen=True, kw_only=True)
class Move(_Movement):
    """Move money at once."""


@dataclass(frozen=True, kw_only=True)
class Hold(_Movement):
    """Set money aside until it is posted, voided, or its time is over (None: never)."""

    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse texts and instants that the journal has no room for."""
        super().__post_init__()
        if self.expires_at is None:
            return
        if self.expires_at.tzinfo is None:
            raise BatchError("a hold expires at an instant with its time zone")
        if self.expires_at.year > MAX_EXPIRY_YEAR:
            raise BatchError(
                f"a hold expires in the year {MAX_EXPIRY_YEAR} at the latest, or never"
            )


@dataclass(frozen=True, kw_only=True)
class _Settlement:
    hold_id: str

    def __post_init__(self) -> None:
        """Refuse an identifier that not every database can look for."""
        _refuse_nul(self.hold_id)


@dataclass(frozen=True, kw_only=True)
class PostHold(_Settlement):
    """Move what a hold set aside, or `amount` of it (None: all), and free the rest."""

    amount: int | None = None

    def __post_init__(self) -> None:
        """Refuse what is no amount."""
        super().__post_init__()
        if self.amount is not None:
            _check_amount(self.amount)


@dataclass(frozen=True, kw_only=True)
class VoidHold(_Settlement):
    """Free what a hold set aside."""


@dataclass(frozen=True, kw_only=True)
class ExpireHold(_Settlement):
    """Free what a hold set aside whose time is over."""


@dataclass(frozen=True, kw_only=True)
class Reverse:
    """Move the whole amount of a transfer back."""

    transfer_id: str
    memo: str = ""

    def __post_init__(self) -> None:
        """Refuse texts that the journal has no room for."""
        _refuse_nul(self.transfer_id)
        _check_memo(self.memo)


Command = Move | Hold | PostHold | VoidHold | ExpireHold | Reverse


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Commands that are posted together.

    Attributes:
        key: idempotency key: the same key with the same commands posts once.
        commands: evaluated in this order, each on what the ones before it left.
        is_atomic: all or nothing; else each command, or chain of them, by itself.
        linked: positions whose command stands or falls with the one after it, which makes a
            chain of them: for batches that are not atomic.
    """

    key: str
    commands: tuple[Command, ...]
    is_atomic: bool = True
    linked: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        """Refuse a batch that is empty or too long, or a chain without an end.

        Raises:
            BatchError: it is.
            NotCanonicalError: its key has no UTF-8 form.
        """
        if not 0 < len(self.key) <= MAX_KEY_CHARACTERS:
            raise BatchError(f"a batch's key has 1 to {MAX_KEY_CHARACTERS} characters")
        _refuse_nul(self.key)
        try:
            self.key.encode()
        except UnicodeEncodeError as error:
            raise NotCanonicalError("a batch's key holds a lone surrogate") from error
        if not 0 < len(self.commands) <= MAX_COMMANDS:
            raise BatchError(f"a batch has 1 to {MAX_COMMANDS} commands")
        if self.linked and self.is_atomic:
            raise BatchError("an atomic batch is one chain already: link commands in another one")
        if any(not 0 <= position < len(self.commands) - 1 for position in self.linked):
            raise BatchError("a command can only be linked with one that comes after it")

    @property
    def chains(self) -> Iterator[range]:
        """The runs of positions that stand or fall together, in order."""
        if self.is_atomic:
            yield range(len(self.commands))
            return
        start = 0
        for position in range(len(self.commands)):
            if position not in self.linked:
                yield range(start, position + 1)
                start = position + 1

    @cached_property
    def request_hash(self) -> str:
        """What the key is bound to: the digest of the request in canonical JSON.

        Raises:
            NotCanonicalError: a text holds a lone surrogate.
        """
        texts = ",".join([_command_text(command) for command in self.commands])
        linked = f',"linked":{sorted(self.linked)}'.replace(" ", "") if self.linked else ""
        is_atomic = "true" if self.is_atomic else "false"
        text = f'{{"commands":[{texts}],"is_atomic":{is_atomic}{linked}}}'
        try:
            return digest_of(text.encode())
        except UnicodeEncodeError as error:
            raise NotCanonicalError("a text of the batch holds a lone surrogate") from error


def _command_text(command: Command) -> str:
    """Write a command as canonical JSON does, in a fraction of the time."""
    if isinstance(command, Move):
        return _move_text(command)
    layout = _LAYOUTS[type(command)]
    parts = [prefix + _json_text(getattr(command, name)) for name, prefix in layout]
    return "".join(parts) + "}"


def _move_text(move: Move) -> str:
    """Write the most frequent command in one go."""
    quoted = encode_basestring
    return (
        f'{{"amount":"{move.amount}","command":"Move","credit":{quoted(move.credit)},'
        f'"debit":{quoted(move.debit)},"kind":{quoted(move.kind)},"memo":{quoted(move.memo)},'
        f'"reference":{quoted(move.reference)}}}'
    )


def _layout(kind: type[Any]) -> tuple[tuple[str, str], ...]:
    """Return a kind's fields in canonical order, each with what stands before its value."""
    placed = []
    before = "{"
    for name in sorted([*(field.name for field in fields(kind)), "command"]):
        if name == "command":
            before += f'"command":"{kind.__name__}",'  # never the last
        else:
            placed.append((name, f'{before}"{name}":'))
            before = ","
    return tuple(placed)


_LAYOUTS: Mapping[type[Any], tuple[tuple[str, str], ...]] = {
    kind: _layout(kind) for kind in get_args(Command)
}


def _json_text(value: Any) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None:
        return "null"
    if isinstance(value, datetime):
        return f'"{value.astimezone(UTC).isoformat()}"'
    return f'"{value}"'  # a request past 64 bits is rejected, not unhashable


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one command: a transfer, or the reason of its rejection."""

    transfer: Transfer | None = None
    rejection: RejectionReason | None = None


@dataclass(frozen=True, kw_only=True)
class BatchResult:
    """What became of a batch, command by command.

    Attributes:
        is_replay: whether the batch was posted before, and this is its first result.
    """

    key: str
    outcomes: tuple[Outcome, ...]
    is_replay: bool = False

    @property
    def transfers(self) -> tuple[Transfer, ...]:
        """What was posted, in order."""
        return tuple(outcome.transfer for outcome in self.outcomes if outcome.transfer)

    @property
    def first_rejection(self) -> tuple[int, RejectionReason] | None:
        """Position and reason of the first command that was refused for its own sake."""
        for position, outcome in enumerate(self.outcomes):
            if outcome.rejection is not None and not outcome.rejection.is_of_neighbour:
                return position, outcome.rejection
        return None

    def require(self) -> tuple[Transfer, ...]:
        """Return the transfers of a batch of which nothing was refused.

        Raises:
            InsufficientFundsError: a floor refused the first command that was refused.
            TransferRejectedError: another rule did.
        """
        refused = self.first_rejection
        if refused is None:
            return self.transfers
        position, reason = refused
        message = f"transfer {position} of batch {self.key} was refused: {reason.value}"
        if reason is RejectionReason.INSUFFICIENT_FUNDS:
            raise InsufficientFundsError(message, position=position)
        raise TransferRejectedError(message, position=position, rejection=reason.value)


@dataclass(frozen=True, kw_only=True)
class Page(Generic[Item]):
    """Some items of a longer list.

    Attributes:
        next_cursor: give it as `after` to read on; None at the end.
    """

    items: tuple[Item, ...]
    next_cursor: str | None
