"""Events reach whoever follows their topic: in order, from where they left off, and alive."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from api.routes import events as route
from tests.fakes.running_service import GOOD, RunningService

STAGES = ["escrowed", "ingested", "validating", "published", "deployed", "settled"]
PUSH_LIMIT_S = 2.0


@pytest.fixture(scope="module")
def order(service: RunningService) -> dict[str, Any]:
    return service.order(GOOD, gold=service.freeze(), candidate=GOOD)


def frames(
    service: RunningService, topic: str, count: int, **options: Any
) -> list[dict[str, str]]:
    """Return the first frames of a stream, comments left out."""
    client = service.http(service.secret("operator"))
    found: list[dict[str, str]] = []
    with client.stream("GET", "/api/v1/events", params={"topic": topic}, **options) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        frame: dict[str, str] = {}
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name:
                frame[name] = value
            elif frame:
                found.append(frame)
                frame = {}
            if len(found) == count:
                break
    return found


def test_an_order_tells_its_stages_in_order(
    service: RunningService, order: dict[str, Any]
) -> None:
    found = frames(service, f"order:{order['id']}", len(STAGES))
    assert [frame["event"] for frame in found] == STAGES
    assert [frame["id"] for frame in found] == ["1", "2", "3", "4", "5", "6"]
    data = [json.loads(frame["data"]) for frame in found]
    assert [value["kind"] for value in data] == STAGES
    assert [value["sequence"] for value in data] == [1, 2, 3, 4, 5, 6]
    assert data[-1]["data"]["price_utok"] == order["price_utok"]


def test_a_channel_tells_of_its_move(service: RunningService, order: dict[str, Any]) -> None:
    found = frames(service, "channel:acme/support-small:production", 1)
    value = json.loads(found[0]["data"])
    assert (value["kind"], value["data"]["generation"]) == ("moved", 1)
    assert value["data"]["digest"] == GOOD.digest


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"headers": {"Last-Event-ID": "4"}}, id="header"),
        pytest.param({"after": 4}, id="query"),
        pytest.param({"headers": {"Last-Event-ID": "4"}, "after": 1}, id="both"),
    ],
)
def test_a_stream_goes_on_behind_what_was_seen_last(
    service: RunningService, order: dict[str, Any], options: dict[str, Any]
) -> None:
    topic = f"order:{order['id']}"
    after = options.get("after")
    query = "" if after is None else f"&after={after}"
    client = service.http(service.secret("operator"))
    with client.stream(
        "GET", f"/api/v1/events?topic={topic}{query}", headers=options.get("headers", {})
    ) as answer:
        ids = (line for line in answer.iter_lines() if line.startswith("id: "))
        assert [next(ids), next(ids)] == ["id: 5", "id: 6"]


def test_the_sdk_follows_an_order_to_its_end(
    service: RunningService, order: dict[str, Any]
) -> None:
    with service.agent.events(f"order:{order['id']}", after=2) as stream:
        # The stream comes last: it would wait for a seventh event.
        kinds = [event.kind for _, event in zip(STAGES[2:], stream, strict=False)]
    assert kinds == STAGES[2:]


@pytest.fixture
def followed(service: RunningService, order: dict[str, Any]) -> Iterator[list[float]]:
    """Follow a topic in a thread; the list gets the time of each event."""
    seen: list[float] = []
    stream = service.agent.events("channel:acme/support-small:production", after=1)

    def follow() -> None:
        seen.extend(time.monotonic() for _ in stream)

    thread = threading.Thread(target=follow)
    thread.start()
    yield seen
    stream.close()
    thread.join()


def test_a_new_event_is_pushed_and_not_polled_for_by_the_client(
    service: RunningService, followed: list[float]
) -> None:
    time.sleep(0.3)
    assert not followed
    moved_s = time.monotonic()
    with service.parts.database.transaction() as session:
        service.parts.events.append(
            session, topic="channel:acme/support-small:production", kind="test", data={}
        )
    deadline_s = moved_s + PUSH_LIMIT_S
    while not followed and time.monotonic() < deadline_s:
        time.sleep(0.005)
    assert followed, "the event did not come"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"topic": "orders"}, 404),
        ({"topic": "order:ord_none"}, 404),
        ({"topic": "x" * 301}, 400),
        ({}, 400),
        ({"topic": "prices", "after": "-1"}, 400),
    ],
    ids=str,
)
def test_what_cannot_be_followed_is_refused(
    service: RunningService, query: dict[str, str], status: int
) -> None:
    answer = service.http(service.secret("operator")).get("/api/v1/events", params=query)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_quiet_stream_says_that_it_lives_and_ends_with_the_service(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route, "HEARTBEAT_INTERVAL_S", 0.05)
    stopping = threading.Event()

    async def listen() -> list[str]:
        heard = []
        stream = route._stream(service.parts.events, "order:quiet", 0, stopping.is_set)
        async for text in stream:
            heard.append(text)
            if len(heard) == 4:
                stopping.set()
        return heard

    heard = asyncio.run(asyncio.wait_for(listen(), timeout=10))
    assert heard == [": connected\n\n"] + [": alive\n\n"] * 3
