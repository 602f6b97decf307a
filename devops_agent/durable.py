"""Durable work: the one module that knows the workflow engine (design, section 2).

A workflow is a function of its arguments and of the results of its steps. Each step's result is
recorded; after a crash the function runs again, recorded steps return what they returned, and the
first unrecorded one is where work goes on.

* A *transaction* step writes to the service's database with its own record: exactly once.
* An *external* step may run twice; it must find out by itself what its first run did.

The engine allows one instance a process; that is the one global that this house has.
"""

import json
import logging
import os
import socket
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSClient, DBOSPortableJSONSerializer, SQLAlchemyDatasource
from sqlalchemy import Column, String, Table, delete, insert, select, update
from sqlalchemy.orm import Session

from core.clock import Clock
from core.database import Database, UtcDateTime, metadata
from core.ids import new_id

WORKFLOW_VERSION = "1"
"""Raised when a workflow's sequence of steps changes: old orders then end on old workers."""

QUEUE = "orders"
QUEUE_POLL_S = 0.05
HEARTBEAT_INTERVAL_S = 2.0
DEAD_AFTER_S = 20.0
"""A worker that has not been heard of for ten heartbeats is taken for dead."""

STOPPED = "stopped"
"""Stands for the process of a worker that stopped in good order."""

Json = Any
"""A JSON value: what the record of a step can hold."""

_logger = logging.getLogger(__name__)
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PID_NAMESPACE = Path("/proc/self/ns/pid")

workers = Table(
    "workers",
    metadata,
    Column("executor_id", String(80), primary_key=True),
    Column("process", String(200), nullable=False),
    Column("heartbeat_at", UtcDateTime, nullable=False),
)


class WorkStoppedError(BaseException):
    """Ends a workflow's thread when its worker stops; another worker goes on from the record.

    Not an `Exception`: a workflow that settles what fails must not take a stop for a failure.
    """


class Steps:
    """What a workflow does its work through; each call is one recorded step, named for people.

    Once the worker stops, every step raises `WorkStoppedError`.
    """

    def __init__(
        self,
        datasource: SQLAlchemyDatasource,
        *,
        isolation_level: str,
        stopping: threading.Event,
    ) -> None:
        """Keep the collaborators; no I/O."""
        self._datasource = datasource
        self._isolation_level = isolation_level
        self._stopping = stopping

    def transaction(self, name: str, function: Callable[[Session], Json]) -> Json:
        """Run the function in one transaction with the record of its result: exactly once.

        It must not raise for what may happen in the ordinary course: a raised error is recorded
        as text, so a replay raises another type.
        """
        options: Any = {"name": name, "isolation_level": self._isolation_level}
        return self._unless_stopped(
            lambda: self._datasource.run_tx_step(
                options, lambda: function(self._datasource.sql_session())
            )
        )

    def external(self, name: str, function: Callable[[], Json]) -> Json:
        """Run the function, then record its result: after a crash in between it runs again."""
        return self._unless_stopped(lambda: DBOS.run_step({"name": name}, function))

    def _unless_stopped(self, step: Callable[[], Json]) -> Json:
        if self._stopping.is_set():
            raise WorkStoppedError
        try:
            return step()
        except Exception as error:
            if self._stopping.is_set():  # the engine was taken away under the step
                raise WorkStoppedError from error
            raise


class DurableWork:
    """Runs workflows on the service's own database and recovers those of dead workers."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Keep the collaborators; `start` does the work."""
        self._database = database
        self._clock = clock
        self._executor_id = new_id("wrk")
        self._workflows: dict[str, Callable[[Steps, str], None]] = {}
        self._stopping = threading.Event()
        self._heart: threading.Thread | None = None
        self._client: DBOSClient | None = None

    def register(self, name: str, workflow: Callable[[Steps, str], None]) -> None:
        """Make a workflow known under a name that never changes; call before `start`."""
        self._workflows[name] = workflow

    def start(self) -> None:
        """Take work from the queue, and the work of workers that died."""
        serializer = DBOSPortableJSONSerializer()
        DBOS(
            config={
                "name": "aem",
                "system_database_engine": self._database.engine,
                "executor_id": self._executor_id,
                "application_version": WORKFLOW_VERSION,
                "serializer": serializer,
                "use_listen_notify": False,
                "log_level": "WARNING",
            }
        )
        self._register_workflows(serializer)
        self._enlist()
        DBOS.launch()
        DBOS.register_queue(QUEUE, polling_interval_sec=QUEUE_POLL_S)
        self._client = DBOSClient(
            system_database_engine=self._database.engine, serializer=serializer
        )
        self._reap()
        self._heart = threading.Thread(target=self._beat, name="worker-heartbeat", daemon=True)
        self._heart.start()

    def stop(self) -> None:
        """Stop taking work; what is under way is left to be recovered."""
        self._stopping.set()
        if self._heart is not None:
            self._heart.join()
        if self._client is not None:
            self._client.destroy()
        DBOS.destroy(destroy_registry=True)
        with self._database.transaction() as session:
            # Another worker then takes what was under way at once.
            session.execute(
                update(workers)
                .where(workers.c.executor_id == self._executor_id)
                .values(process=STOPPED)
            )

    def enqueue(self, session: Session, *, workflow: str, key: str) -> None:
        """Order a workflow's run in the caller's transaction; the key names the run for good.

        Raises:
            RuntimeError: before `start`.
        """
        if self._client is None:
            raise RuntimeError("durable work is not started")
        self._client.enqueue_in_transaction(
            session, {"workflow_name": workflow, "queue_name": QUEUE, "workflow_id": key}, key
        )

    def _register_workflows(self, serializer: DBOSPortableJSONSerializer) -> None:
        is_sqlite = self._database.is_sqlite
        datasource = SQLAlchemyDatasource.create(
            self._database.engine.url.render_as_string(hide_password=False),
            engine=self._database.writing_engine,
            serializer=serializer,
        )
        level = "SERIALIZABLE" if is_sqlite else "READ COMMITTED"
        steps = Steps(datasource, isolation_level=level, stopping=self._stopping)
        for name, workflow in self._workflows.items():
            self._register_workflow(name, workflow, steps)

    def _register_workflow(
        self, name: str, workflow: Callable[[Steps, str], None], steps: Steps
    ) -> None:
        def run(key: str) -> None:
            workflow(steps, key)

        run.__qualname__ = f"{name}_workflow"
        DBOS.workflow(name=name)(run)

    def _beat(self) -> None:
        while not self._stopping.wait(HEARTBEAT_INTERVAL_S):
            try:
                self._enlist()
                self._reap()
            except Exception:  # the thread must outlive a database that is away for a while
                _logger.exception("the worker's heartbeat failed; trying again")

    def _enlist(self) -> None:
        """Say that this worker lives; after it was taken for dead, say so again."""
        beat = {"heartbeat_at": self._clock.now()}
        mine = workers.c.executor_id == self._executor_id
        with self._database.transaction() as session:
            known = session.execute(
                update(workers).where(mine).values(beat).returning(workers.c.executor_id)
            ).first()
            if known is None:
                session.execute(
                    insert(workers).values(
                        beat | {"executor_id": self._executor_id, "process": _process_mark()}
                    )
                )

    def _reap(self) -> None:
        """Hand the work of dead workers back to the queue; two reapers at once do no harm."""
        with self._database.reading() as session:
            rows = session.execute(select(workers)).all()
        for row in rows:
            if row.process == STOPPED:
                _logger.info("worker %s stopped; what it left goes on here", row.executor_id)
            elif self._is_dead(row.process, row.heartbeat_at):
                _logger.warning("worker %s died; what it left goes on here", row.executor_id)
            else:
                continue
            # The engine recovers only its own executor's work by itself (without its paid part).
            DBOS._recover_pending_workflows([row.executor_id])  # noqa: SLF001 - wrapped once, here
            with self._database.transaction() as session:
                session.execute(delete(workers).where(workers.c.executor_id == row.executor_id))

    def _is_dead(self, process: str, heartbeat_at: datetime) -> bool:
        age = self._clock.now() - heartbeat_at
        return age > timedelta(seconds=DEAD_AFTER_S) or _is_gone(json.loads(process))


def _process_mark() -> str:
    """Name this process so that another one on the same machine can tell when it is gone."""
    pid = os.getpid()
    return json.dumps([*_place(), pid, _start_ticks(pid)])


def _is_gone(mark: list[Any]) -> bool:
    *place, pid, start_ticks = mark
    if place != _place():
        return False  # not to be seen from here: only its heartbeat can tell
    return start_ticks is not None and _start_ticks(pid) != start_ticks


def _place() -> list[Any]:
    """Say where process numbers mean the same: on this boot of this machine, in this container."""
    boot_id = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""
    namespace = _PID_NAMESPACE.stat().st_ino if _PID_NAMESPACE.exists() else 0
    return [socket.gethostname(), boot_id, namespace]


def _start_ticks(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None where it is gone or unknown."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])
