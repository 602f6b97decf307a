"""Following a topic's events (server-sent events), across disconnects."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import httpx

from aem.client.connection import Connection
from aem.errors import ApiError, BadAnswerError, UnreachableError

SILENCE_S = 45.0
"""The service sends a heartbeat every 15 s: after three that did not come, the line is dead."""

FIRST_PAUSE_S = 0.1
MAX_PAUSE_S = 5.0
"""Between attempts to connect again; doubles up to here."""

EVENTS_PATH = "/api/v1/events"

_DATA = "data:"
_FIELDS = ("topic", "sequence", "at", "kind", "data")


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened in a topic, with its number there (the first is 1)."""

    topic: str
    sequence: int
    at: str
    kind: str
    data: dict[str, Any]


class EventStream:
    """Iterates over a topic's events, each once and in order, until it is closed.

    A broken line is taken up again behind the last event seen. `close` may be called from another
    thread and ends a wait at once.
    """

    def __init__(
        self, connection: Connection, topic: str, *, after: int, patience_s: float
    ) -> None:
        """Begin behind event number `after`; connects when it is iterated.

        Args:
            connection: to the service.
            topic: such as ``channel:acme/extractor:production`` or ``order:<id>``.
            after: number of the last event already seen.
            patience_s: how long to try to connect before `UnreachableError`.
        """
        self._connection = connection
        self._topic = topic
        self._after = after
        self._patience_s = patience_s
        self._closed = threading.Event()
        self._response: httpx.Response | None = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the stream."""
        self.close()

    def close(self) -> None:
        """End the stream and wake whoever waits for its next event."""
        self._closed.set()
        response = self._response
        if response is not None:
            _hang_up(response)

    def __iter__(self) -> Generator[Event, None, None]:
        """Yield events as they come.

        Raises:
            ApiError: the service refuses the topic.
            UnreachableError: it could not be reached for `patience_s`.
            BadAnswerError: it sent what is no event.
        """
        while (response := self._connect()) is not None:
            try:
                yield from self._read(response)
            except httpx.TransportError:
                continue  # the line broke: take it up again behind the last event
            finally:
                self._response = None
                response.close()

    def _connect(self) -> httpx.Response | None:
        """Return an open stream; None once closed."""
        deadline_s = time.monotonic() + self._patience_s
        pause_s = FIRST_PAUSE_S
        while not self._closed.is_set():
            try:
                response = self._connection.stream(
                    EVENTS_PATH, {"topic": self._topic, "after": self._after}, SILENCE_S
                )
            except (UnreachableError, ApiError) as error:
                if not _is_passing(error) or time.monotonic() > deadline_s:
                    raise
                self._closed.wait(pause_s)
                pause_s = min(2 * pause_s, MAX_PAUSE_S)
            else:
                self._response = response  # from here on `close` hangs up by itself
                return response
        return None

    def _read(self, response: httpx.Response) -> Iterator[Event]:
        if self._closed.is_set():
            return
        for line in response.iter_lines():
            if self._closed.is_set():
                return
            if not line.startswith(_DATA):
                continue  # number and kind are in the data too; the rest are heartbeats
            event = _event(line.removeprefix(_DATA))
            if event.sequence > self._after:
                self._after = event.sequence
                yield event


def _event(text: str) -> Event:
    try:
        value = json.loads(text)
        return Event(**{name: value[name] for name in _FIELDS})
    except (ValueError, KeyError, TypeError) as error:
        raise BadAnswerError(f"the service sent what is no event: {text:.200}") from error


def _is_passing(error: UnreachableError | ApiError) -> bool:
    """Whether the service may take the line up later."""
    return isinstance(error, UnreachableError) or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _hang_up(response: httpx.Response) -> None:
    """Shut the socket down: the thread that reads from it sees its end at once."""
    stream = response.extensions.get("network_stream")
    connected = stream.get_extra_info("socket") if stream is not None else None
    if connected is not None:
        with contextlib.suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)
