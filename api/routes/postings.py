"""Postings by operators: moves, holds and reversals, through the group-commit writer."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from api.auth import PartsOf
from api.mutation import MutationOf
from api.parts import Parts
from api.views import to_json
from core.money import MAX_AMOUNT
from core.principals import Role
from ledger import (
    Batch,
    BatchError,
    Hold,
    Move,
    Outcome,
    PostHold,
    RejectionReason,
    Reverse,
    VoidHold,
)

router = APIRouter(prefix="/api/v1/ledger", tags=["money"])

RESERVED_KINDS = frozenset(
    (
        *("allocation", "amends", "burn_by_reserve", "escrow", "fee", "issuance", "loan"),
        *("loan_return", "metered_burn", "metered_cost", "overbilled", "overbilled_recovery"),
        *("premium", "refund", "reversal", "suspense", "suspense_billed", "suspense_released"),
    )
)
"""Kinds of the service's own transfers: who reads one knows what made it."""

Amount = Annotated[int, Field(gt=0, le=MAX_AMOUNT, strict=True)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class _Command(BaseModel):
    """One command; with `is_linked` it stands or falls with the one after it."""

    model_config = ConfigDict(extra="forbid")

    is_linked: bool = False


class _Movement(_Command):
    debit: Name
    credit: Name
    amount_utok: Amount
    kind: str = Field(default="operator", max_length=40)
    reference: str = Field(default="", max_length=200)
    memo: str = Field(min_length=1, max_length=500)

    @property
    def fields(self) -> dict[str, Any]:
        """The ledger's own names for what a move and a hold have in common.

        Raises:
            BatchError: the kind is one of the service's own.
        """
        if self.kind in RESERVED_KINDS:
            raise BatchError(
                f"transfers of the kind {self.kind} are the service's own: name another"
            )
        return {
            "debit": self.debit,
            "credit": self.credit,
            "amount": self.amount_utok,
            "kind": self.kind,
            "reference": self.reference,
            "memo": self.memo,
        }


class MoveBody(_Movement):
    """Move tokens at once."""

    command: Literal["move"]

    def to_command(self) -> Move:
        """Return what the ledger takes."""
        return Move(**self.fields)


class HoldBody(_Movement):
    """Set tokens aside until they are posted or voided, or the hold expires."""

    command: Literal["hold"]
    expires_at: AwareDatetime | None = None

    def to_command(self) -> Hold:
        """Return what the ledger takes."""
        expires_at: datetime | None = self.expires_at
        return Hold(**self.fields, expires_at=expires_at)


class PostBody(_Command):
    """Move what a hold set aside, or a part of it, and free the rest."""

    command: Literal["post"]
    hold_id: Name
    amount_utok: Amount | None = None

    def to_command(self) -> PostHold:
        """Return what the ledger takes."""
        return PostHold(hold_id=self.hold_id, amount=self.amount_utok)


class VoidBody(_Command):
    """Free what a hold set aside."""

    command: Literal["void"]
    hold_id: Name

    def to_command(self) -> VoidHold:
        """Return what the ledger takes."""
        return VoidHold(hold_id=self.hold_id)


class ReverseBody(_Command):
    """Move a transfer's amount back."""

    command: Literal["reverse"]
    transfer_id: Name
    memo: str = Field(min_length=1, max_length=500)

    def to_command(self) -> Reverse:
        """Return what the ledger takes."""
        return Reverse(transfer_id=self.transfer_id, memo=self.memo)


PostedCommand = Move | Hold | PostHold | VoidHold | Reverse

CommandBody = Annotated[
    MoveBody | HoldBody | PostBody | VoidBody | ReverseBody, Field(discriminator="command")
]


class Mode(StrEnum):
    """Whether the commands of a batch stand or fall together."""

    ATOMIC = "atomic"
    INDEPENDENT = "independent"


class PostingBody(BaseModel):
    """Commands that are posted together, each on what the ones before it left."""

    model_config = ConfigDict(extra="forbid")

    commands: list[CommandBody]
    mode: Mode = Mode.ATOMIC


@router.post("/transfers")
def post_transfers(body: PostingBody, parts: PartsOf, mutation: MutationOf) -> dict[str, Any]:
    """Post a batch; each command's outcome is its transfer, or the name of its rejection."""
    mutation.principal.require(Role.OPERATOR)
    commands = [_command(number, command) for number, command in enumerate(body.commands)]
    batch = Batch(
        key=f"http:{mutation.principal.id}:{mutation.key}",
        commands=tuple(commands),
        is_atomic=body.mode is Mode.ATOMIC,
        linked=frozenset(n for n, command in enumerate(body.commands) if command.is_linked),
    )
    result = parts.writer.post(batch)
    with parts.database.reading() as session:
        payers = [
            _payer(parts, session, command) if _is_uncovered(outcome) else None
            for command, outcome in zip(commands, result.outcomes, strict=True)
        ]
    outcomes = [
        to_json(outcome) | {"payer": payer}
        for outcome, payer in zip(result.outcomes, payers, strict=True)
    ]
    return {"is_replay": result.is_replay, "outcomes": outcomes}


def _command(number: int, body: CommandBody) -> PostedCommand:
    """Return what the ledger takes.

    Raises:
        BatchError: it takes no such command; the error names its place.
    """
    try:
        return body.to_command()
    except BatchError as error:
        wrong = {"place": f"body.commands.{number}", "message": error.message}
        raise BatchError(error.message, errors=[wrong]) from error


def _is_uncovered(outcome: Outcome) -> bool:
    return outcome.rejection is RejectionReason.INSUFFICIENT_FUNDS


def _payer(parts: Parts, session: Session, command: PostedCommand) -> dict[str, Any] | None:
    """Name the account that did not cover a command, with what it has now."""
    if isinstance(command, Move | Hold):
        code = command.debit
    elif isinstance(command, Reverse):
        code = parts.ledger.transfer(session, command.transfer_id).credit
    else:
        return None  # a hold's money is there
    return {"account": code, "available_utok": parts.ledger.account(session, code).available}
