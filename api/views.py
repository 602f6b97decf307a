"""How domain values look on the wire: plain JSON, instants as RFC 3339 text, money as integers."""

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any

from core.database import format_instant
from devops_agent import Order, OrderState


def to_json(value: Any) -> Any:
    """Write a frozen dataclass, or a collection of such, as JSON values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, datetime):
        return format_instant(value)
    return value.value if isinstance(value, Enum) else value


def order_view(order: Order) -> dict[str, Any]:
    """Write an order as its buyer sees it.

    What judging uses is told when it has ended: call by call, it would tell of the cases.
    """
    money = order.money
    is_told = order.state is not OrderState.VALIDATING
    return {
        "id": order.id,
        "artifact": order.request.artifact,
        "channel": order.request.channel,
        "gold": order.request.gold,
        "synthesizer": order.request.synthesizer,
        "deployment": order.request.deployment.value,
        "state": order.state.value,
        "is_final": order.state.is_final,
        "outcome": order.outcome.value if order.outcome else None,
        "reason": order.reason,
        "payer": order.payer,
        "budget": order.budget,
        "max_price_utok": order.request.max_price_utok,
        "quote": order.quote,
        "escrowed_utok": money.escrowed_utok,
        "metered_utok": money.metered_utok if is_told else None,
        "fee_utok": money.fee_utok,
        "price_utok": money.price_utok if is_told else None,
        "refunded_utok": money.refunded_utok,
        "lent_utok": money.lent_utok,
        "owed_utok": money.owed_utok,
        "version": (
            {"digest": order.version_digest, "number": order.version_number}
            if order.version_digest
            else None
        ),
        "listing_utok": order.listing_utok,
        "summary": order.summary,
        "created_at": format_instant(order.created_at),
        "updated_at": format_instant(order.updated_at),
    }
