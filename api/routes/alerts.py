"""Alerts: what operators were told, and whether it arrived."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session

from api.alerting import text_of
from api.auth import Caller, PartsOf
from api.mutation import MutationOf
from api.views import to_json
from core.principals import Role
from ledger import Alert

router = APIRouter(prefix="/api/v1/alerts", tags=["money"])


@router.get("")
def list_alerts(
    parts: PartsOf,
    caller: Caller,
    cursor: str = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, Any]:
    """List alerts, the newest first, with how far their telling got.

    Beside them, in `audit`: when the service last audited its own ledger, and what it found.
    """
    caller.require(Role.OPERATOR, Role.AUDITOR)
    with parts.database.reading() as session:
        page = parts.alerts.page(session, after=cursor, limit=limit)
        audits = parts.audits.state(session)
    return {
        "items": [_view(alert) for alert in page.items],
        "next_cursor": page.next_cursor,
        "audit": to_json(audits),
    }


@router.post("/test", status_code=202)
def test_alerts(parts: PartsOf, mutation: MutationOf) -> dict[str, Any]:
    """Raise an alert that says nothing but that alerts arrive; it is told within seconds."""
    mutation.principal.require(Role.OPERATOR)

    def action(session: Session) -> dict[str, Any]:
        return _view(parts.alerts.test(session, actor=mutation.principal.id))

    return mutation.run(action)


def _view(alert: Alert) -> dict[str, Any]:
    value: dict[str, Any] = to_json(alert)
    return value | {"text": text_of(alert)}
