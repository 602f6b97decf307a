"""Budgets and wallets: where tokens come from and who has them."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from api.auth import Caller, PartsOf
from api.mutation import MutationOf
from api.parts import Parts
from api.views import to_json
from core.errors import NotFoundError
from core.ids import new_id
from core.money import MAX_AMOUNT, format_tokens
from core.principals import Principal, Role
from ledger import (
    OVERDRAFT,
    TREASURY,
    WALLET,
    AccountNotFoundError,
    BudgetAmounts,
    Enforcement,
    InsufficientFundsError,
    require_account,
)

router = APIRouter(prefix="/api/v1", tags=["money"])

WALLET_TRANSFERS = 20


class BudgetBody(BaseModel):
    """A budget's place in the tree and its amounts; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    parent: str | None = None
    time_zone: str | None = None
    daily_limit_nusd: int | None = Field(default=None, ge=0, le=MAX_AMOUNT, strict=True)
    utok_per_usd: int | None = Field(default=None, gt=0, le=MAX_AMOUNT, strict=True)
    reserve_share_ppm: int | None = Field(default=None, ge=0, le=1_000_000)


class AllocationBody(BaseModel):
    """Tokens handed down the tree."""

    model_config = ConfigDict(extra="forbid")

    to: str = Field(max_length=200, examples=["wallet:acme.bot", "treasury:acme"])
    amount_utok: int = Field(gt=0, le=MAX_AMOUNT, strict=True)
    reason: str = Field(min_length=1, max_length=500)


class WalletNotFoundError(NotFoundError):
    """There is no such wallet, or not for this key."""

    reason = "wallet_not_found"


@router.put("/budgets/{budget}")
def set_budget(
    budget: str, body: BudgetBody, parts: PartsOf, mutation: MutationOf
) -> dict[str, Any]:
    """Make a budget or set it; the first setting counts at once, later ones from tomorrow on."""
    mutation.principal.require(Role.OPERATOR)
    amounts = BudgetAmounts(
        daily_limit_nusd=body.daily_limit_nusd,
        utok_per_usd=body.utok_per_usd,
        reserve_share_ppm=body.reserve_share_ppm,
    )

    def action(session: Session) -> dict[str, Any]:
        parts.budgets.define(session, name=budget, parent=body.parent, time_zone=body.time_zone)
        if amounts != BudgetAmounts():
            parts.budgets.set(session, budget=budget, amounts=amounts, actor=mutation.principal.id)
        return _state(parts, session, budget)

    return mutation.run(action)


@router.get("/budgets")
def list_budgets(parts: PartsOf, caller: Caller) -> dict[str, Any]:
    """List the tree, parents before children."""
    caller.require(Role.OPERATOR, Role.AUDITOR)
    with parts.database.reading() as session:
        page = parts.budgets.budgets(session)
    return {"items": to_json(page.items), "next_cursor": page.next_cursor}


@router.get("/budgets/{budget}")
def get_budget(budget: str, parts: PartsOf, caller: Caller) -> dict[str, Any]:
    """Return where a budget stands today."""
    if budget != caller.namespace or not caller.may_read(budget):
        caller.require(Role.OPERATOR, Role.AUDITOR)
    with parts.database.reading() as session:
        return _state(parts, session, budget)


@router.post("/budgets/{budget}/allocations", status_code=201)
def allocate(
    budget: str, body: AllocationBody, parts: PartsOf, mutation: MutationOf
) -> dict[str, Any]:
    """Hand tokens of a budget to a child budget or a wallet."""
    principal = mutation.principal
    if principal.role is not Role.TEAM or principal.namespace != budget:
        principal.require(Role.OPERATOR)

    def action(session: Session) -> dict[str, Any]:
        try:
            transfer = parts.budgets.allocate(
                session,
                key=new_id("alc"),
                budget=budget,
                to=body.to,
                amount_utok=body.amount_utok,
                reason=body.reason,
            )
        except InsufficientFundsError as error:
            payer = parts.ledger.account(session, TREASURY.code(budget))
            raise InsufficientFundsError(
                f"{payer.code} has {format_tokens(payer.available)} tokens, which does not cover"
                f" {format_tokens(body.amount_utok)}",
                account=payer.code,
                available_utok=payer.available,
            ) from error
        value: dict[str, Any] = to_json(transfer)
        return value

    return mutation.run(action)


@router.get("/wallets/{owner}")
def get_wallet(owner: str, parts: PartsOf, caller: Caller) -> dict[str, Any]:
    """Return a wallet: what it has, what it may spend, what it needs to order."""
    _require_wallet(caller, owner)
    with parts.database.reading() as session:
        _require_known(session, caller, owner)
        statement = parts.ledger.statement(session, WALLET.code(owner), limit=WALLET_TRANSFERS)
        lender = parts.ledger.account(session, OVERDRAFT.code(owner))
    threshold_utok = parts.terms.threshold_utok
    is_observing = parts.enforcement is Enforcement.OBSERVE
    return {
        "owner": owner,
        "account": statement.account.code,
        "balance_utok": statement.account.balance,
        "available_utok": statement.account.available,
        "threshold_utok": threshold_utok,
        "may_order": is_observing or statement.account.available >= threshold_utok,
        "owed_utok": -lender.balance,
        "transfers": to_json(statement.transfers.items),
    }


def _require_wallet(caller: Principal, owner: str) -> None:
    team = owner.partition(".")[0]
    is_own = caller.owner in (owner, team) and caller.may_read(team)
    if not is_own and caller.role not in (Role.OPERATOR, Role.AUDITOR):
        raise _no_wallet(owner)


def _require_known(session: Session, caller: Principal, owner: str) -> None:
    """Refuse a wallet that nothing ever touched; the caller's own is only empty then.

    Those most like it are for those who may see all wallets.
    """
    if owner == caller.owner:
        return
    try:
        require_account(session, WALLET.code(owner))
    except AccountNotFoundError as error:
        if caller.role in (Role.OPERATOR, Role.AUDITOR):
            raise
        raise _no_wallet(owner) from error


def _no_wallet(owner: str) -> WalletNotFoundError:
    return WalletNotFoundError(f"there is no wallet of {owner} that this key may see")


def _state(parts: Parts, session: Session, budget: str) -> dict[str, Any]:
    value: dict[str, Any] = to_json(parts.budgets.state(session, budget))
    return value | {"enforcement": parts.enforcement.value}
