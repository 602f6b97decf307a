"""The service's own audits: on schedule, piece by piece, and never in the way of a posting."""

import logging
import threading
import time
from contextlib import suppress

from aem.proof.audit import AuditReport
from api.checkpointing import CheckpointLoop
from core.database import Database
from core.errors import InfrastructureError
from ledger import Audit, AuditSchedule, ScheduledAudit

LOOK_INTERVAL_S = 60.0
"""How often at least each process looks whether an audit is due; one then carries it out."""

LEAST_PAUSE_S = 1.0
"""Between two looks, where another process is about to carry out what is due."""

PIECE_RECORDS = 2_000
"""Records read in one transaction: it lasts for a fraction of a second."""

_logger = logging.getLogger(__name__)


class AuditLoop:
    """The thread that carries out the audits that are due.

    Every piece is read in a transaction of its own, which keeps no posting waiting, and what comes
    last in one state of the database. After each piece it rests for as long as that took, so that
    it takes half of one processor at most.
    """

    def __init__(
        self,
        database: Database,
        audit: Audit,
        schedule: AuditSchedule,
        checkpointing: CheckpointLoop,
    ) -> None:
        """Keep the parts; no thread yet."""
        self._database = database
        self._audit = audit
        self._schedule = schedule
        self._checkpointing = checkpointing
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, if audits are scheduled at all."""
        if self._schedule.is_on:
            self._thread = threading.Thread(target=self._run, name="audits", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End after the piece under way; another process, or the next start, audits anew."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def run_due(self) -> AuditReport | None:
        """Carry out the audit that is due; None if none is, or this was stopped in the midst."""
        with self._database.reading() as session:
            if not self._schedule.is_due(session):
                return None
        with suppress(InfrastructureError):  # then the report says what no checkpoint covers
            self._checkpointing.sign_now()
        with self._database.transaction() as session:
            claimed = self._schedule.claim(session)
        return None if claimed is None else self._carry_out(claimed)

    def _carry_out(self, claimed: ScheduledAudit) -> AuditReport | None:
        with self._database.reading() as session:
            run = (
                self._audit.begin()
                if claimed.is_full
                else self._audit.resume(session, claimed.start)
            )
        has_more = True
        while has_more:
            began_s = time.monotonic()
            with self._database.reading() as session:
                has_more = run.read(session, limit=PIECE_RECORDS)
            with self._database.transaction() as session:
                self._schedule.renew(session, claimed)
            if self._stopping.wait(time.monotonic() - began_s):
                return None
        with self._database.reading() as session:
            report = run.finish(session)
        with self._database.transaction() as session:
            self._schedule.finish(session, claimed, run, report)
        if report.verified is False:
            _logger.error("the audit failed: see `aem alerts list` and `aem audit runs`")
        return report

    def _run(self) -> None:
        pause_s = min(LOOK_INTERVAL_S, self._schedule.interval_s)
        while not self._stopping.wait(pause_s):
            pause_s = LOOK_INTERVAL_S
            try:
                self.run_due()
                with self._database.reading() as session:
                    due_s = self._schedule.seconds_to_next(session)
                pause_s = max(LEAST_PAUSE_S, min(due_s, LOOK_INTERVAL_S))
            except Exception:  # the thread must outlive a database that is away for a while
                _logger.exception("the service could not audit itself; trying again")
