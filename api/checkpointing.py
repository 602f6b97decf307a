"""Signs the ledger's head while the service is up, apart from all other upkeep."""

import logging
import threading

from core.database import Database
from ledger import Checkpoints

_logger = logging.getLogger(__name__)


class CheckpointLoop:
    """The thread that signs a checkpoint every `interval_s` in which the log grew.

    No transaction is open while it waits for a signature, so that a signer that hangs or is away
    keeps no posting waiting: what was posted meanwhile is signed when it is back.
    """

    def __init__(self, database: Database, checkpoints: Checkpoints, *, interval_s: float) -> None:
        """Keep the parts; no thread yet."""
        self._database = database
        self._checkpoints = checkpoints
        self._interval_s = interval_s
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the head was signed once more."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def sign_now(self) -> None:
        """Sign the committed head, if it grew since the last time.

        Raises:
            SigningKeyError, SignerUnavailableError: the checkpoint key cannot be used now.
        """
        with self._database.reading() as session:
            due = self._checkpoints.due(session)
        if due is None:
            return
        envelope = self._checkpoints.sign(due)
        with self._database.transaction() as session:
            self._checkpoints.keep(session, envelope)

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._stopping.wait(self._interval_s)
            try:
                self.sign_now()
                self._index()
            except Exception:  # the thread must outlive a database or a signer that is away
                _logger.exception("the service could not sign the ledger's head; trying again")

    def _index(self) -> None:
        """Prepare proofs, in short transactions; a long log is caught up with over many turns."""
        with self._database.reading() as session:
            is_due = self._checkpoints.is_index_due(session)
        if is_due:
            with self._database.transaction() as session:
                self._checkpoints.index(session)
