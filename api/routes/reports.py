"""The ledger's reports: statements, balances at a time, usage and spend, and the journal's export.

Operators and auditors read them; settling suspense by an invoice is the operator's alone.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator
from sqlalchemy.orm import Session

from api.auth import Caller, PartsOf
from api.mutation import MutationOf
from api.views import to_json
from core.principals import Role
from ledger import Settlement

router = APIRouter(prefix="/api/v1/ledger", tags=["money"])


def in_utc(instant: datetime) -> datetime:
    """Return an instant in UTC; one without a time zone, or a day alone, is in UTC already."""
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


Instant = Annotated[datetime, AfterValidator(in_utc)]
Limit = Annotated[int, Query(ge=1, le=500)]
Start = Annotated[Instant | None, Query(alias="from")]
End = Annotated[Instant | None, Query(alias="to")]
FirstDay = Annotated[str | None, Query(alias="from", max_length=10)]
LastDay = Annotated[str | None, Query(alias="to", max_length=10)]
Keys = Annotated[str, Query(max_length=100, examples=["day,provider"])]


@router.get("/accounts/{account}/statement")
def statement(
    *,
    account: str,
    parts: PartsOf,
    caller: Caller,
    start: Start = None,
    end: End = None,
    cursor: str = "",
    limit: Limit = 100,
) -> dict[str, Any]:
    """Return an account's statement over a period: opening and closing balance, and its lines."""
    caller.require(Role.OPERATOR, Role.AUDITOR)
    with parts.database.reading() as session:
        found = parts.reports.statement(
            session, account, start=start, end=end, after=cursor, limit=limit
        )
    value: dict[str, Any] = to_json(found)
    return value


@router.get("/balances")
def balances(
    *,
    parts: PartsOf,
    caller: Caller,
    at: Instant | None = None,
    prefix: str = "",
    cursor: str = "",
    limit: Limit = 100,
) -> dict[str, Any]:
    """Return what accounts had at a time, by code."""
    caller.require(Role.OPERATOR, Role.AUDITOR)
    with parts.database.reading() as session:
        page = parts.reports.balances(session, at=at, prefix=prefix, after=cursor, limit=limit)
    return {"items": to_json(page.items), "next_cursor": page.next_cursor}


@router.get("/trial-balance")
def trial_balance(parts: PartsOf, caller: Caller, at: Instant | None = None) -> dict[str, Any]:
    """Return the books at a time by class of accounts, with the totals of each currency."""
    caller.require(Role.OPERATOR, Role.AUDITOR)
    with parts.database.reading() as session:
        value: dict[str, Any] = to_json(parts.reports.trial_balance(session, at=at))
    return value


@router.get("/usage/summary")
def usage_summary(
    *,
    parts: PartsOf,
    caller: Caller,
    by: Keys = "resource,unit",
    start: FirstDay = None,
    end: LastDay = None,
    owner: str | None = None,
    resource: str | None = None,
    provider: str | None = None,
    budget: str | None = None,
) -> dict[str, Any]:
    """Return usage summed by keys: day, owner, resource, unit, provider, budget."""
    caller.require(Role.OPERATOR, Role.AUDITOR)
    asked = {"owner": owner, "resource": resource, "provider": provider, "budget": budget}
    with parts.database.reading() as session:
        lines = parts.reports.usage_summary(
            session,
            by=[key for key in by.split(",") if key],
            start=start,
            end=end,
            filters={name: value for name, value in asked.items() if value is not None},
        )
    return {"items": to_json(lines), "next_cursor": None}


@router.get("/spend")
def spend(
    parts: PartsOf, caller: Caller, start: FirstDay = None, end: LastDay = None
) -> dict[str, Any]:
    """Return what each budget spent in some days, alone and with all below it."""
    caller.require(Role.OPERATOR, Role.AUDITOR)
    with parts.database.reading() as session:
        lines = parts.reports.spend(session, start=start, end=end)
    return {"items": to_json(lines), "next_cursor": None}


@router.get("/indicators")
def indicators(
    parts: PartsOf, caller: Caller, start: Start = None, end: End = None
) -> dict[str, Any]:
    """Return concentration of wallets and velocity of tokens; by default of where data is."""
    caller.require(Role.OPERATOR, Role.AUDITOR)
    with parts.database.reading() as session:
        value: dict[str, Any] = to_json(parts.reports.indicators(session, start=start, end=end))
    return value


@router.get("/reconciliations")
def list_reconciliations(
    *,
    parts: PartsOf,
    caller: Caller,
    provider: str | None = None,
    cursor: str = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> dict[str, Any]:
    """List what was settled by invoices, the newest first, without the differences."""
    caller.require(Role.OPERATOR, Role.AUDITOR)
    with parts.database.reading() as session:
        page = parts.reconciliations.page(session, provider=provider, after=cursor, limit=limit)
    items = [_settlement_view(settlement) for settlement in page.items]
    for item in items:
        del item["differences"], item["transfers"]
    return {"items": items, "next_cursor": page.next_cursor}


@router.get("/reconciliations/{reconciliation_id}")
def show_reconciliation(reconciliation_id: str, parts: PartsOf, caller: Caller) -> dict[str, Any]:
    """Return what was settled by one invoice, with differences and transfers."""
    caller.require(Role.OPERATOR, Role.AUDITOR)
    with parts.database.reading() as session:
        return _settlement_view(parts.reconciliations.settlement(session, reconciliation_id))


def _settlement_view(settlement: Settlement) -> dict[str, Any]:
    found: dict[str, Any] = to_json(settlement.found)
    return {"at": to_json(settlement.at), "actor": settlement.actor, **found}


@router.post("/reconciliations")
def reconcile(
    *,
    parts: PartsOf,
    mutation: MutationOf,
    provider: Annotated[str, Query(max_length=128)],
    dry_run: bool,
    start: Annotated[date | None, Query(alias="from")] = None,
    end: Annotated[date | None, Query(alias="to")] = None,
) -> dict[str, Any]:
    """Hold an invoice (the body, as CSV) against the ledger; unless dry, settle suspense by it."""
    period = {"start": start, "end": end}
    if dry_run:
        mutation.principal.require(Role.OPERATOR, Role.AUDITOR)
        with parts.database.reading() as session:
            found = parts.reconciliations.compare(
                session, provider=provider, content=mutation.body, **period
            )
        value: dict[str, Any] = to_json(found)
        return value
    mutation.principal.require(Role.OPERATOR)

    def action(session: Session) -> dict[str, Any]:
        settled: dict[str, Any] = to_json(
            parts.reconciliations.settle(
                session,
                provider=provider,
                content=mutation.body,
                actor=mutation.principal.id,
                **period,
            )
        )
        return settled

    return mutation.run(action, content=f"{provider}\n{start}\n{end}\n".encode())


@router.get("/export", response_class=StreamingResponse)
def export(
    *,
    parts: PartsOf,
    caller: Caller,
    format_name: Annotated[str, Query(alias="format")],
    start: Start = None,
    end: End = None,
) -> StreamingResponse:
    """Stream the journal of a period: beancount, hledger, csv or parquet."""
    caller.require(Role.OPERATOR, Role.AUDITOR)
    chosen = parts.journals.format(format_name)
    with ExitStack() as stack:
        session = stack.enter_context(parts.database.reading())
        pieces = parts.journals.export(session, format_name=format_name, start=start, end=end)
        held = _held(pieces, stack.pop_all())
    name = f'attachment; filename="aem-ledger.{chosen.suffix}"'
    return StreamingResponse(
        held, media_type=chosen.media_type, headers={"Content-Disposition": name}
    )


def _held(pieces: Iterator[bytes], resources: ExitStack) -> Iterator[bytes]:
    """Yield the pieces, and let go of what they need at their end."""
    with resources:
        yield from pieces
