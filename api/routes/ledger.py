"""The ledger, to be read: accounts, transfers, usage, and the proof that it is whole."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.auth import Caller, PartsOf
from api.views import to_json
from core.principals import Role

router = APIRouter(prefix="/api/v1", tags=["money"])

Limit = Annotated[int, Query(ge=1, le=500)]


@router.get("/ledger/accounts")
def list_accounts(
    parts: PartsOf, caller: Caller, prefix: str = "", cursor: str = "", limit: Limit = 100
) -> dict[str, Any]:
    """List accounts by code."""
    caller.require(Role.OPERATOR, Role.AUDITOR)
    with parts.database.reading() as session:
        page = parts.ledger.accounts(session, prefix=prefix, after=cursor, limit=limit)
    items = [
        to_json(account) | {"balance": account.balance, "available": account.available}
        for account in page.items
    ]
    return {"items": items, "next_cursor": page.next_cursor}


@router.get("/ledger/transfers")
def list_transfers(
    *,
    parts: PartsOf,
    caller: Caller,
    account: str | None = None,
    reference: str | None = None,
    cursor: str = "",
    limit: Limit = 100,
) -> dict[str, Any]:
    """List transfers in the order of the log, of one account or order, or all."""
    caller.require(Role.OPERATOR, Role.AUDITOR)
    with parts.database.reading() as session:
        page = parts.ledger.transfers(
            session, account=account, reference=reference, after=cursor, limit=limit
        )
    return {"items": to_json(page.items), "next_cursor": page.next_cursor}


@router.get("/ledger/usage")
def list_usage(
    *,
    parts: PartsOf,
    caller: Caller,
    owner: str | None = None,
    reference: str | None = None,
    cursor: str = "",
    limit: Limit = 100,
) -> dict[str, Any]:
    """List usage records (t, i, r, qty, cost, Q, L, status), of one owner or order, or all."""
    caller.require(Role.OPERATOR, Role.AUDITOR)
    with parts.database.reading() as session:
        page = parts.ledger.usage(
            session, owner=owner, reference=reference, after=cursor, limit=limit
        )
    return {"items": to_json(page.items), "next_cursor": page.next_cursor}
