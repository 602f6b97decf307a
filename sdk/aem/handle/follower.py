"""Following a channel's events in a thread of its own."""

import contextlib
import logging
import threading
from collections.abc import Callable

from aem.client import Client, ClientError, Event, EventStream

_log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.2
MAX_PAUSE_S = 30.0
"""Between attempts while the service refuses or is away; doubles up to here."""

STOP_TIMEOUT_S = 10.0
"""How long `stop` waits for the thread: an update in progress is let finish."""


class Follower:
    """Calls back for every event of a topic, again and again until the callback succeeds."""

    def __init__(self, client: Client, topic: str, settle: Callable[[Event | None], None]) -> None:
        """Prepare to follow a topic.

        Args:
            client: to follow with.
            topic: such as ``channel:acme/extractor:production``.
            settle: called once with None, then with every event; called again after a pause when
                it raises `ClientError`.
        """
        self._client = client
        self._topic = topic
        self._settle = settle
        self._stopped = threading.Event()
        self._stream: EventStream | None = None
        self._after = 0
        self._thread = threading.Thread(target=self._run, name=f"aem {topic}", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """End, at once unless an update is in progress."""
        self._stopped.set()
        stream = self._stream
        if stream is not None:
            stream.close()
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT_S)

    def _run(self) -> None:
        self._settled(None)
        while not self._stopped.is_set():
            try:
                self._follow()
            except ClientError as error:
                _log.warning("%s cannot be followed now: %s", self._topic, error)
            self._stopped.wait(FIRST_PAUSE_S)

    def _follow(self) -> None:
        stream = self._client.events(self._topic, after=self._after)
        self._stream = stream  # from here on `stop` closes it
        if self._stopped.is_set():
            return
        with stream, contextlib.closing(iter(stream)) as events:
            for event in events:
                self._settled(event)
                self._after = event.sequence

    def _settled(self, event: Event | None) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._stopped.is_set():
            try:
                self._settle(event)
            except ClientError as error:
                _log.warning("%s cannot be settled now: %s", self._topic, error)
            else:
                return
            self._stopped.wait(pause_s)
            pause_s = min(2 * pause_s, MAX_PAUSE_S)
