"""Events as a stream (server-sent events), resumable by number."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from api.auth import Caller, PartsOf
from api.parts import Parts
from core.database import format_instant
from core.errors import NotFoundError
from core.events import POLL_INTERVAL_S, Event, EventLog
from core.money import MAX_AMOUNT
from core.principals import Principal

router = APIRouter(prefix="/api/v1/events", tags=["events"])

LOOK_INTERVAL_S = 0.01
"""How soon an event of this process goes out."""

HEARTBEAT_INTERVAL_S = 15.0
"""Quiet streams say this often that they live, so that proxies keep them open."""


class TopicNotFoundError(NotFoundError):
    """There is no such topic, or none that this principal may follow."""

    reason = "topic_not_found"


@router.get("")
def follow(
    *,
    parts: PartsOf,
    caller: Caller,
    request: Request,
    topic: Annotated[str, Query(max_length=300)],
    after: Annotated[int, Query(ge=0, le=MAX_AMOUNT)] = 0,
    last_event_id: Annotated[int | None, Header(ge=0, le=MAX_AMOUNT)] = None,
) -> StreamingResponse:
    """Stream a topic's events after a number; a reconnecting client sends Last-Event-ID."""
    _require_topic(parts, caller, topic)
    start = after if last_event_id is None else last_event_id
    stopping = request.app.state.stopping
    return StreamingResponse(
        _stream(parts.events, topic, start, stopping.is_set), media_type="text/event-stream"
    )


async def _stream(
    events: EventLog, topic: str, after: int, stopped: Callable[[], bool]
) -> AsyncIterator[str]:
    """Look when this process committed an event, and now and then for those of others."""
    yield ": connected\n\n"
    seen, looked_s, spoke_s = -1, 0.0, time.monotonic()
    while not stopped():
        now_s = time.monotonic()
        if events.commits != seen or now_s - looked_s >= POLL_INTERVAL_S:
            seen, looked_s = events.commits, now_s
            for event in await run_in_threadpool(events.read, topic, after=after):
                after, spoke_s = event.sequence, now_s
                yield _frame(event)
        if now_s - spoke_s >= HEARTBEAT_INTERVAL_S:
            spoke_s = now_s
            yield ": alive\n\n"
        await asyncio.sleep(LOOK_INTERVAL_S)


def _frame(event: Event) -> str:
    value = {
        "topic": event.topic,
        "sequence": event.sequence,
        "at": format_instant(event.at),
        "kind": event.kind,
        "data": event.data,
    }
    return f"id: {event.sequence}\nevent: {event.kind}\ndata: {json.dumps(value)}\n\n"


def _require_topic(parts: Parts, caller: Principal, topic: str) -> None:
    """Let a caller follow prices, channels that it may read, and its own orders."""
    kind, _, rest = topic.partition(":")
    if topic == "prices":
        return
    if kind == "channel" and caller.may_read(rest.partition("/")[0]):
        return
    if kind == "order":
        with parts.database.reading() as session:
            parts.orders.get(session, caller, rest)
        return
    raise TopicNotFoundError(f"there is no topic {topic!r} that this key may follow")
