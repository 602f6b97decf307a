"""The group-commit writer: many callers' batches in one transaction, one sync of the disk.

An account's lock is held until its transaction is on the disk, so that an account which everybody
pays from or to admits one transaction a sync. The writer takes what waits, posts it as one, and
answers every caller once that is committed.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from core.database import Database, is_transient
from ledger.domain import Batch, BatchResult
from ledger.errors import (
    IdempotencyKeyReusedError,
    PostingUnknownError,
    WriterBusyError,
    WriterClosedError,
)

QUEUE_LIMIT_COMMANDS = 10_000
"""Commands that may wait: a few seconds of work. More callers are told to come back."""

GROUP_LIMIT_COMMANDS = 2_000
"""Commands posted in one transaction: bounds how long their accounts stay locked. A single batch
may have more than are left, so a group ends before it."""

LINGER_S = 0.005
"""How long the writer waits at most for as many callers as it has just answered, who are about to
come back: it may cost a few callers this much once, and saves them a sync of the disk each."""

POST_TIMEOUT_S = 30.0
"""How long `Writer.post` waits: longer than the writer waits for a database that is away."""

_logger = logging.getLogger(__name__)


class Poster(Protocol):
    """What the writer needs of `ledger.Ledger`."""

    def post_all(
        self, session: Session, batches: Sequence[Batch]
    ) -> list[BatchResult | IdempotencyKeyReusedError]:
        """Post batches in the session's transaction."""
        ...


@dataclass(frozen=True, kw_only=True)
class _Waiting:
    batch: Batch
    future: Future[BatchResult] = field(default_factory=Future)


class Writer:
    """A thread with its own session that posts for many callers; a context manager.

    Each caller gets the answer that `Ledger.post` would give it, after the commit. Nothing is
    answered before it is durable. A batch that is rejected, whose key was used for another
    request, or that raises, leaves the others of its group alone. Several writers on one
    PostgreSQL, in one process or many, are correct together: they lock in the same order.

    Never wait for a writer with a transaction open: it may need a lock that you hold.
    """

    def __init__(
        self,
        *,
        database: Database,
        ledger: Poster,
        queue_limit_commands: int = QUEUE_LIMIT_COMMANDS,
        group_limit_commands: int = GROUP_LIMIT_COMMANDS,
    ) -> None:
        """Keep the collaborators; no thread yet."""
        self._database = database
        self._ledger = ledger
        self._queue_limit = queue_limit_commands
        self._group_limit = group_limit_commands
        self._queue: deque[_Waiting] = deque()
        self._queued_commands = 0
        self._last_group = 1  # batches
        self._wanted = 1  # batches that must wait before the thread is woken
        self._changed = threading.Condition()
        self._closed_because = "it was not started"
        self._connection: Connection | None = None  # its own: the pool would try it at each turn
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)

    def start(self) -> None:
        """Connect to the database and begin to take batches; once.

        Raises:
            OperationalError: the database does not answer.
        """
        self._connection = self._database.writing_engine.connect()
        self._closed_because = ""
        self._thread.start()

    def close(self, *, drain: bool = True) -> None:
        """Take no more batches, answer all callers, and end the thread.

        Args:
            drain: post what waits; else it is refused as `WriterClosedError`, and never posted.
        """
        with self._changed:
            self._closed_because = self._closed_because or "it was closed"
            refused = [] if drain else self._take_all()
            self._changed.notify()
        _refuse(refused, WriterClosedError("the ledger's writer was closed before its turn"))
        if self._connection is not None:
            self._thread.join()
            self._connection.close()

    @property
    def is_running(self) -> bool:
        """Whether it takes batches: not before its start, after its end, or if its thread died."""
        return not self._closed_because

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Post what waits, and end."""
        self.close()

    def submit(self, batch: Batch) -> Future[BatchResult]:
        """Hand a batch over; the future has its result once that is on the disk.

        The future raises what `Ledger.post` raises, and:
            PostingUnknownError: the database was away for too long, or the writer's thread died.
            WriterClosedError: the writer was closed first, without draining.

        Raises:
            WriterBusyError: too much waits already; nothing was done.
            WriterClosedError: the writer does not run; nothing was done.
            NotCanonicalError: a text of the batch has no UTF-8 form.
        """
        batch.request_hash  # noqa: B018 - worked out here, so that no other caller waits for it
        waiting = _Waiting(batch=batch)
        with self._changed:
            if self._closed_because:
                raise WriterClosedError(f"the ledger's writer is closed: {self._closed_because}")
            queued = self._queued_commands + len(batch.commands)
            if self._queue and queued > self._queue_limit:
                raise WriterBusyError(
                    f"{self._queued_commands} commands wait for the ledger's writer, which takes"
                    f" {self._queue_limit}: try again in a moment",
                    waiting_commands=self._queued_commands,
                )
            self._queue.append(waiting)
            self._queued_commands = queued
            if len(self._queue) >= self._wanted:
                self._changed.notify()
        return waiting.future

    def post(self, batch: Batch, *, timeout_s: float = POST_TIMEOUT_S) -> BatchResult:
        """Post a batch and wait until it is on the disk.

        Raises:
            IdempotencyKeyReusedError: the key came before with other commands.
            PostingUnknownError: there was no answer in time: send the same batch again.
            WriterBusyError: see `submit`.
            WriterClosedError: see `submit`.
        """
        future = self.submit(batch)
        try:
            return future.result(timeout_s)
        except TimeoutError as error:
            future.cancel()
            raise _unknown(f"there was no answer within {timeout_s} s") from error

    def _run(self) -> None:
        group: list[_Waiting] = []
        try:
            while group := self._next_group():
                self._post_group(group)
        except BaseException as error:
            _logger.critical("the ledger's writer died", exc_info=True)
            _refuse(group, _unknown("the ledger's writer died"))
            with self._changed:
                self._closed_because = f"its thread died of {type(error).__name__}"
                left = self._take_all()
            _refuse(left, WriterClosedError("the ledger's writer died before your turn"))

    def _next_group(self) -> list[_Waiting]:
        """Wait for batches; take as many as fit. Empty once it is closed and all is done."""
        group: list[_Waiting] = []
        while not group:
            with self._changed:
                while not self._queue and not self._closed_because:
                    self._changed.wait()
                if not self._queue:
                    return []
                self._linger()
                taken = self._take()
            group = [waiting for waiting in taken if waiting.future.set_running_or_notify_cancel()]
        self._last_group = len(group)
        return group

    def _linger(self) -> None:
        """Give those who were answered together the time to come back together."""
        self._wanted = self._last_group
        until_s = time.monotonic() + LINGER_S
        while len(self._queue) < self._wanted and not self._closed_because:
            left_s = until_s - time.monotonic()
            if left_s <= 0 or self._queued_commands >= self._group_limit:
                break
            self._changed.wait(left_s)
        self._wanted = 1

    def _take(self) -> list[_Waiting]:
        """Take the batches that fit into a group, and the first in any case."""
        group = [self._queue.popleft()]
        commands = len(group[0].batch.commands)
        while self._queue and commands + len(self._queue[0].batch.commands) <= self._group_limit:
            group.append(self._queue.popleft())
            commands += len(group[-1].batch.commands)
        self._queued_commands -= commands
        return group

    def _take_all(self) -> list[_Waiting]:
        taken = list(self._queue)
        self._queue.clear()
        self._queued_commands = 0
        return taken

    def _post_group(self, group: list[_Waiting]) -> None:
        """Post a group and answer its callers; alone, whoever might fail the others."""
        batches = [waiting.batch for waiting in group]
        try:
            answers = self._database.retry(
                lambda session: self._ledger.post_all(session, batches),
                connection=self._connection,
            )
        except Exception as error:
            if isinstance(error, DBAPIError) and is_transient(error):
                _logger.exception("the ledger's writer lost the database")
                _refuse(group, _unknown("the database went away"), cause=error)
            elif len(group) == 1:
                _refuse(group, error)
            else:
                _logger.exception("%d batches could not be posted together", len(group))
                for waiting in group:
                    self._post_group([waiting])
            return
        for waiting, answer in zip(group, answers, strict=True):
            if isinstance(answer, IdempotencyKeyReusedError):
                waiting.future.set_exception(answer)
            else:
                waiting.future.set_result(answer)


def _refuse(
    refused: Iterable[_Waiting], error: BaseException, *, cause: BaseException | None = None
) -> None:
    """Give the error to those who have no answer yet."""
    error.__cause__ = cause or error.__cause__
    for waiting in refused:
        if not waiting.future.done():
            waiting.future.set_exception(error)


def _unknown(why: str) -> PostingUnknownError:
    return PostingUnknownError(
        f"{why}, so that it is not known whether the batch was posted: send the same batch under"
        " the same key again, which posts it once"
    )
