"""Tables and queries of orders; private to this room."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Table,
    Text,
    and_,
    insert,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.engine import Row
from sqlalchemy.orm import Session

from core.database import UtcDateTime, metadata
from devops_agent.domain import (
    Deployment,
    Order,
    OrderMoney,
    OrderRequest,
    OrderState,
    Outcome,
)
from devops_agent.errors import OrderNotFoundError

_ID = String(200)

orders = Table(
    "orders",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("artifact", String(130), nullable=False),
    Column("payer", String(130), nullable=False, index=True),
    Column("budget", String(130), nullable=False),
    Column("principal", String(130), nullable=False),
    Column("request", JSON, nullable=False),
    Column("quote", JSON, nullable=False),
    Column("state", String(20), nullable=False),
    Column("outcome", String(20)),
    Column("reason", Text, nullable=False),
    Column("escrowed_utok", BigInteger, nullable=False),
    Column("fee_utok", BigInteger, nullable=False),
    Column("metered_utok", BigInteger, nullable=False),
    Column("returned_utok", BigInteger, nullable=False),
    Column("compensated_utok", BigInteger, nullable=False),
    Column("lent_utok", BigInteger, nullable=False),
    Column("repaid_utok", BigInteger, nullable=False),
    Column("version_digest", String(80)),
    Column("version_number", BigInteger),
    Column("listing_utok", BigInteger),
    Column("summary", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index("ix_orders_listing", "created_at", "id"),
)
files = Table(
    "order_files",
    metadata,
    Column("order_id", ForeignKey("orders.id"), primary_key=True),
    Column("role", String(30), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
work = Table(
    "order_work",
    metadata,
    Column("attempt_id", _ID, primary_key=True),
    Column("order_id", ForeignKey("orders.id"), nullable=False, index=True),
    Column("tick_sequence", BigInteger, nullable=False),
    Column("lease_id", String(60), nullable=False),
    Column("admitted_at", UtcDateTime, nullable=False),
    Column("dispatched_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("result", JSON(none_as_null=True)),
)
"""One row for each attempt at a piece of work, written when it is admitted."""

model_calls = Table(
    "order_model_calls",
    metadata,
    Column("attempt_id", ForeignKey("order_work.attempt_id"), primary_key=True),
    Column("order_id", ForeignKey("orders.id"), nullable=False),
    Column("stage", String(60), nullable=False),
    Column("digest", String(80), nullable=False),
    Column("occurrence", BigInteger, nullable=False),
    Column("model", String(60), nullable=False),
    Column("request", JSON(none_as_null=True)),
    Column("reply", JSON(none_as_null=True)),
    Index("ix_order_model_calls_order", "order_id", "stage", "digest"),
)
"""What was asked of models and what came back; one row for each attempt at a call.

Calls that saw the holdout keep no request, and their replies only until the order ends.
"""


def add(session: Session, order: Order) -> None:
    """Insert a new order."""
    session.execute(insert(orders).values(**_to_row(order)))


def get(session: Session, order_id: str, *, lock: bool = False) -> Order:
    """Return an order, locked until the end of the transaction if asked.

    Raises:
        OrderNotFoundError: there is none with this id.
    """
    query = select(orders).where(orders.c.id == order_id)
    row = session.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise OrderNotFoundError(f"there is no order {order_id}")
    return _from_row(row)


def save(session: Session, order: Order) -> None:
    """Write what may change of an order that is there."""
    values = _to_row(order)
    for fixed in ("id", "artifact", "payer", "budget", "principal", "request", "quote"):
        del values[fixed]
    del values["created_at"]
    session.execute(update(orders).where(orders.c.id == order.id).values(**values))


def page(
    session: Session, *, namespace: str | None, before: str | None, limit: int
) -> Sequence[Order]:
    """Return orders, newest first, older than the order `before`; of a namespace, or of all."""
    query = select(orders).order_by(orders.c.created_at.desc(), orders.c.id.desc()).limit(limit)
    if namespace is not None:
        query = query.where(orders.c.budget == namespace)
    if before is not None:
        mark = get(session, before)
        query = query.where(
            or_(
                orders.c.created_at < mark.created_at,
                and_(orders.c.created_at == mark.created_at, orders.c.id < mark.id),
            )
        )
    return [_from_row(row) for row in session.execute(query)]


def put_file(session: Session, order_id: str, role: str, content: bytes) -> None:
    """Keep a file of the order under its role; a second one under the same role must be equal."""
    if find_file(session, order_id, role) is None:
        session.execute(insert(files).values(order_id=order_id, role=role, content=content))


def find_file(session: Session, order_id: str, role: str) -> bytes | None:
    """Return the order's file with this role, or None."""
    query = select(files.c.content).where(files.c.order_id == order_id, files.c.role == role)
    return session.execute(query).scalar()


def add_work(
    session: Session,
    *,
    attempt_id: str,
    order_id: str,
    tick_sequence: int,
    lease_id: str,
    at: datetime,
) -> None:
    """Write an attempt that was admitted at a tick's prices."""
    session.execute(
        insert(work).values(
            attempt_id=attempt_id,
            order_id=order_id,
            tick_sequence=tick_sequence,
            lease_id=lease_id,
            admitted_at=at,
        )
    )


def get_work(session: Session, attempt_id: str, *, lock: bool = False) -> Row[Any]:
    """Return the record of an attempt that was admitted, locked if asked."""
    query = select(work).where(work.c.attempt_id == attempt_id)
    return session.execute(query.with_for_update() if lock else query).one()


def dispatch_work(session: Session, attempt_id: str, at: datetime) -> bool:
    """Record that an attempt starts; False where it started before."""
    started = session.execute(
        update(work)
        .where(work.c.attempt_id == attempt_id, work.c.dispatched_at.is_(None))
        .values(dispatched_at=at)
        .returning(work.c.attempt_id)
    )
    return started.first() is not None


def finish_work(session: Session, attempt_id: str, at: datetime, outcome: Any) -> None:
    """Record what came of an attempt; its row must be locked, and without a result."""
    session.execute(
        update(work).where(work.c.attempt_id == attempt_id).values(finished_at=at, result=outcome)
    )


def add_model_call(
    session: Session,
    *,
    attempt_id: str,
    order_id: str,
    stage: str,
    digest: str,
    occurrence: int,
    model: str,
    request: Any,
) -> None:
    """Write a call that is about to be made; its attempt's row must be there."""
    session.execute(
        insert(model_calls).values(
            attempt_id=attempt_id,
            order_id=order_id,
            stage=stage,
            digest=digest,
            occurrence=occurrence,
            model=model,
            request=request,
        )
    )


def keep_model_reply(session: Session, attempt_id: str, reply: Any) -> None:
    """Keep what came back of a call."""
    session.execute(
        update(model_calls).where(model_calls.c.attempt_id == attempt_id).values(reply=reply)
    )


def answered_model_call(
    session: Session, *, order_id: str, stage: str, digest: str, occurrence: int
) -> Any:
    """Return the reply that a call of this request was given before, or None."""
    query = select(model_calls.c.reply).where(
        model_calls.c.order_id == order_id,
        model_calls.c.stage == stage,
        model_calls.c.digest == digest,
        model_calls.c.occurrence == occurrence,
        model_calls.c.reply.is_not(null()),
    )
    return session.execute(query.limit(1)).scalar()


def open_model_calls(session: Session, order_id: str) -> Sequence[str]:
    """Return the attempts at calls of an order that have no outcome, and lock the order."""
    get(session, order_id, lock=True)
    query = (
        select(work.c.attempt_id)
        .join(model_calls, model_calls.c.attempt_id == work.c.attempt_id)
        .where(model_calls.c.order_id == order_id, work.c.result.is_(null()))
        .order_by(work.c.attempt_id)
    )
    return session.execute(query).scalars().all()


def list_model_calls(session: Session, order_id: str) -> Sequence[Row[Any]]:
    """Return an order's calls with the record of their work, in the order of their admission."""
    query = (
        select(model_calls, work.c.admitted_at, work.c.finished_at, work.c.result)
        .join(work, model_calls.c.attempt_id == work.c.attempt_id)
        .where(model_calls.c.order_id == order_id)
        .order_by(work.c.admitted_at, work.c.attempt_id)
    )
    return session.execute(query).all()


def erase_private_replies(session: Session, order_id: str) -> None:
    """Forget what models answered about the holdout."""
    session.execute(
        update(model_calls)
        .where(model_calls.c.order_id == order_id, model_calls.c.request.is_(null()))
        .values(reply=None)
    )


def _to_row(order: Order) -> dict[str, Any]:
    values = {
        name: getattr(order, name)
        for name in orders.c.keys()  # noqa: SIM118 - a column collection iterates over columns
        if hasattr(order, name)
    }
    request = asdict(order.request)
    money = asdict(order.money)
    return values | money | {"artifact": order.request.artifact, "request": request}


def _from_row(row: Row[Any]) -> Order:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name
    values.pop("artifact")
    money = OrderMoney(**{name: values.pop(name) for name in OrderMoney.__dataclass_fields__})
    request = OrderRequest(**values.pop("request"))
    request = replace(request, deployment=Deployment(request.deployment))
    outcome = values.pop("outcome")
    state = OrderState(values.pop("state"))
    return Order(
        **values,
        request=request,
        money=money,
        state=state,
        outcome=Outcome(outcome) if outcome else None,
    )
