"""The thread that keeps prices ticking while a service runs (paper, section 3.1)."""

import logging
import threading
from datetime import datetime

from core.clock import Clock
from core.database import Database
from market.service import Market

POLL_INTERVAL_S = 0.2
"""How late a tick may be published; a poll reads the clock and nothing else."""

_log = logging.getLogger(__name__)


class Ticker:
    """Calls the market whenever a tick is due, in a transaction of its own.

    Any number of processes may run one: the database lets one of them make each tick. A tick that
    fails is logged and tried again at the next poll.
    """

    def __init__(self, *, database: Database, market: Market, clock: Clock) -> None:
        """Keep the collaborators; no thread yet."""
        self._database = database
        self._market = market
        self._clock = clock
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._due_at: datetime | None = None

    def start(self) -> None:
        """Begin to tick; a ticker that runs goes on."""
        if self._thread is None:
            self._stopping.clear()
            self._thread = threading.Thread(target=self._run, name="price-ticker", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop ticking and wait until the tick in progress is done."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while True:
            if self._due_at is None or self._clock.now() >= self._due_at:
                self._tick()
            if self._stopping.wait(POLL_INTERVAL_S):
                return

    def _tick(self) -> None:
        try:
            with self._database.transaction() as session:
                vector = self._market.current(session)
            self._due_at = vector.expires_at
        except Exception:  # noqa: BLE001 - whatever failed, the ticker must outlive it
            _log.exception("the prices could not be updated; trying again")
