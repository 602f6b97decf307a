import json
from collections.abc import Iterator

import httpx
import pytest

from aem.client import ApiError, BadAnswerError, Client, Event, UnreachableError


def frame(sequence: int) -> bytes:
    value = {"topic": "t", "sequence": sequence, "at": "now", "kind": "moved", "data": {}}
    text = f"id: {sequence}\nevent: moved\ndata: {json.dumps(value)}\n\n"
    return text.encode()


class BrokenStream(httpx.SyncByteStream):
    """Sends chunks, then breaks."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks
        raise httpx.ReadError("reset")


class Lines:
    """Plays one connection after another and keeps from where each was asked to begin."""

    def __init__(self, *connections: httpx.Response | Exception) -> None:
        self.asked_after: list[int] = []
        self._connections = list(connections)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url.params["topic"] == "channel:acme/echo:production"
        self.asked_after.append(int(request.url.params["after"]))
        connection = self._connections.pop(0)
        if isinstance(connection, Exception):
            raise connection
        return connection

    def client(self) -> Client:
        return Client("https://aem.test", "k", transport=httpx.MockTransport(self))


TOPIC = "channel:acme/echo:production"


def whole(*chunks: bytes) -> httpx.Response:
    return httpx.Response(200, content=b"".join(chunks))


def broken(*chunks: bytes) -> httpx.Response:
    return httpx.Response(200, stream=BrokenStream(*chunks))


def test_events_are_read_and_heartbeats_are_not() -> None:
    lines = Lines(whole(b": connected\n\n", frame(1), b": alive\n\n", frame(2)))
    stream = iter(lines.client().events(TOPIC))
    assert next(stream) == Event(topic="t", sequence=1, at="now", kind="moved", data={})
    assert next(stream).sequence == 2


def test_a_broken_line_is_taken_up_behind_the_last_event() -> None:
    lines = Lines(
        broken(frame(4), frame(5)[:20]), httpx.ConnectError("down"), whole(frame(5), frame(6))
    )
    stream = iter(lines.client().events(TOPIC, after=3))
    assert [next(stream).sequence for _ in range(3)] == [4, 5, 6]
    assert lines.asked_after == [3, 4, 4]


def test_a_line_that_ends_is_taken_up_too() -> None:
    lines = Lines(whole(frame(1)), whole(frame(1), frame(2)))
    stream = iter(lines.client().events(TOPIC))
    assert [next(stream).sequence for _ in range(2)] == [1, 2]


def test_a_restarting_service_is_waited_for() -> None:
    lines = Lines(httpx.Response(503, json={"reason": "infrastructure_failed"}), whole(frame(1)))
    assert next(iter(lines.client().events(TOPIC))).sequence == 1


def test_a_refusal_is_raised() -> None:
    lines = Lines(httpx.Response(404, json={"reason": "topic_not_found", "detail": "no"}))
    with pytest.raises(ApiError) as caught:
        next(iter(lines.client().events(TOPIC)))
    assert caught.value.reason == "topic_not_found"


def test_patience_ends() -> None:
    lines = Lines(httpx.ConnectError("down"))
    with pytest.raises(UnreachableError):
        next(iter(lines.client().events(TOPIC, patience_s=-1.0)))


@pytest.mark.parametrize("data", ["no", "[]", "{}", '{"topic": "t"}'])
def test_what_is_no_event_is_refused(data: str) -> None:
    lines = Lines(whole(f"data: {data}\n\n".encode()))
    with pytest.raises(BadAnswerError, match="no event"):
        next(iter(lines.client().events(TOPIC)))


def test_a_closed_stream_ends() -> None:
    lines = Lines(whole(frame(1), frame(2)))
    stream = lines.client().events(TOPIC)
    iterator = iter(stream)
    next(iterator)
    stream.close()
    assert list(iterator) == []
    assert list(stream) == []
