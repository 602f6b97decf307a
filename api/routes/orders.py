"""Orders: take them, tell of them."""

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Query, UploadFile
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError
from sqlalchemy.orm import Session

from api.auth import Caller, PartsOf
from api.mutation import MutationOf
from api.views import order_view
from core.errors import BadRequestError, NotFoundError
from core.money import MAX_AMOUNT
from core.principals import Role
from devops_agent import Deployment, OrderRequest, Submission
from gold import Audience

router = APIRouter(prefix="/api/v1/orders", tags=["orders"])

MAX_METRICS = 100

_AUDIENCES = {Role.AUDITOR: Audience.AUDITOR, Role.TEAM: Audience.OWNER}
"""Who sees the single cases of a report; everybody else sees what submitters see."""


class OrderBody(BaseModel):
    """The form field ``order``, as JSON."""

    model_config = ConfigDict(extra="forbid")

    artifact: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,62}$")
    gold: str = Field(max_length=200)
    max_price_utok: int = Field(gt=0, le=MAX_AMOUNT, strict=True)
    channel: str = Field(default="production", pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    deployment: Deployment = Deployment.DEPLOY
    synthesizer: str = Field(default="repair", max_length=60)
    model: str = Field(default="", max_length=60)
    metrics: dict[str, FiniteFloat] = Field(default_factory=dict, max_length=MAX_METRICS)


class OrderFormError(BadRequestError):
    """The form's field ``order`` is no order."""

    reason = "bad_order"


class ReportNotFoundError(NotFoundError):
    """The order has not been judged."""

    reason = "report_not_found"


@router.post("", status_code=202)
def submit_order(
    *,
    parts: PartsOf,
    mutation: MutationOf,
    order: Annotated[str, Form(max_length=100_000)],
    artifact: Annotated[UploadFile, File()],
    traces: Annotated[UploadFile | None, File()] = None,
    candidate: Annotated[UploadFile | None, File()] = None,
) -> dict[str, Any]:
    """Order an improvement; the answer comes as soon as the escrow holds.

    Refusals come in this order: not the owner, wallet below the threshold, maximum below the
    quoted minimum, wallet below the escrow, then what is wrong with the parts.
    """
    request = _request(order)
    files = {"artifact": artifact, "traces": traces, "candidate": candidate}
    contents = {name: file.file.read() for name, file in files.items() if file is not None}
    submission = Submission.read(
        artifact=contents["artifact"],
        traces=contents.get("traces", b""),
        candidate=contents.get("candidate"),
    )

    def action(session: Session) -> dict[str, Any]:
        taken = parts.orders.submit(session, mutation.principal, request, submission)
        return order_view(taken)

    return mutation.run(action, content=_identity(order, contents))


@router.get("")
def list_orders(
    parts: PartsOf,
    caller: Caller,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict[str, Any]:
    """List the orders that the key may see, newest first."""
    with parts.database.reading() as session:
        found = parts.orders.page(session, caller, before=cursor, limit=limit)
    return {
        "items": [order_view(order) for order in found],
        "next_cursor": found[-1].id if len(found) == limit else None,
    }


@router.get("/{order_id}")
def get_order(order_id: str, parts: PartsOf, caller: Caller) -> dict[str, Any]:
    """Return an order."""
    with parts.database.reading() as session:
        return order_view(parts.orders.get(session, caller, order_id))


@router.get("/{order_id}/report")
def get_report(order_id: str, parts: PartsOf, caller: Caller) -> dict[str, Any]:
    """Return the judge's report, as far as the key may see it (design, section 6)."""
    with parts.database.reading() as session:
        parts.orders.get(session, caller, order_id)
        reports = parts.gold.reports(session, order_id)
    if not reports:
        raise ReportNotFoundError(f"order {order_id} has not been judged on the holdout")
    return reports[-1].view(_AUDIENCES.get(caller.role, Audience.SUBMITTER))


@router.get("/{order_id}/calls")
def list_calls(order_id: str, parts: PartsOf, caller: Caller) -> dict[str, Any]:
    """List what the order asked of language models, and what came back."""
    with parts.database.reading() as session:
        return {"items": parts.orders.model_calls(session, caller, order_id)}


def _request(text: str) -> OrderRequest:
    try:
        body = OrderBody.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "order"
        raise OrderFormError(f"{place}: {first['msg']}") from error
    return OrderRequest(
        artifact=body.artifact,
        channel=body.channel,
        gold=body.gold,
        max_price_utok=body.max_price_utok,
        deployment=body.deployment,
        synthesizer=body.synthesizer,
        metrics=body.metrics,
        model=body.model,
    )


def _identity(order: str, contents: dict[str, bytes]) -> bytes:
    """Return what identifies a form whatever its boundary was."""
    digests = [
        f"{name}={hashlib.sha256(content).hexdigest()}\n"
        for name, content in sorted(contents.items())
    ]
    return (order + "\n" + "".join(digests)).encode()
