"""The thread that signs the ledger's head while it grows."""

import logging
import threading

from core.database import Database
from ledger import Ledger

_logger = logging.getLogger(__name__)


class Sealer:
    """Takes a checkpoint whenever the log has grown since the last one."""

    def __init__(self, *, database: Database, ledger: Ledger, interval_s: float) -> None:
        """Keep the collaborators; no thread yet."""
        self._database = database
        self._ledger = ledger
        self._interval_s = interval_s
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to seal."""
        self._thread = threading.Thread(target=self._run, name="ledger-sealer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Seal once more and end."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._interval_s):
            self._seal()
        self._seal()

    def _seal(self) -> None:
        try:
            with self._database.transaction() as session:
                self._ledger.checkpoint(session)
        except Exception:  # the thread must outlive a database that is away for a while
            _logger.exception("the ledger's head could not be signed; trying again")
