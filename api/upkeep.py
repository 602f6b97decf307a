"""What a running service does by itself, now and then."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from core.database import Database

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Chore:
    """A piece of work that is due every `interval_s`, in a transaction of its own.

    It must do no harm when several processes do it at the same time.
    """

    name: str
    interval_s: float
    run: Callable[[Session], Any]


class Upkeep:
    """The thread that does the chores; each once more when it is stopped."""

    def __init__(self, database: Database, chores: Sequence[Chore]) -> None:
        """Keep the chores; no thread yet."""
        self._database = database
        self._chores = chores
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after every chore was done once more."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        due_s = dict.fromkeys(range(len(self._chores)), time.monotonic())
        while True:
            is_last = self._stopping.wait(max(0.0, min(due_s.values()) - time.monotonic()))
            for number, chore in enumerate(self._chores):
                if is_last or due_s[number] <= time.monotonic():
                    self._do(chore)
                    due_s[number] = time.monotonic() + chore.interval_s
            if is_last:
                return

    def _do(self, chore: Chore) -> None:
        try:
            with self._database.transaction() as session:
                chore.run(session)
        except Exception:  # the thread must outlive a database that is away for a while
            _logger.exception("the service could not %s; trying again", chore.name)
