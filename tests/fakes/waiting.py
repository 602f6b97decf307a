"""Waiting for what another thread or process brings about, with an end."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from core.events import Event, EventLog

Found = TypeVar("Found")
LOOK_INTERVAL_S = 0.01


def wait_until(look: Callable[[], Found], *, timeout_s: float) -> Found:
    """Return what `look` finds as soon as it is true; what it found last when time is over."""
    deadline_s = time.monotonic() + timeout_s
    while not (found := look()) and time.monotonic() < deadline_s:
        time.sleep(LOOK_INTERVAL_S)
    return found


def wait_for_events(
    events: EventLog, topic: str, *, after: int, timeout_s: float
) -> Sequence[Event]:
    """Return the topic's events after a number, as soon as there are any."""
    return wait_until(lambda: events.read(topic, after=after), timeout_s=timeout_s)
