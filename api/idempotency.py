"""Idempotency keys of HTTP mutations: the same key and request get the first answer again."""

import hashlib
from collections.abc import Callable
from typing import Any

from sqlalchemy import JSON, Column, String, Table, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.clock import Clock
from core.database import Database, UtcDateTime, metadata
from core.errors import BadRequestError, ConflictError

MAX_KEY_CHARACTERS = 200

requests = Table(
    "http_requests",
    metadata,
    Column("principal", String(60), primary_key=True),
    Column("key", String(MAX_KEY_CHARACTERS), primary_key=True),
    Column("request_sha256", String(64), nullable=False),
    Column("body", JSON, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)


class IdempotencyKeyMissingError(BadRequestError):
    """A mutation came without a usable Idempotency-Key."""

    reason = "idempotency_key_missing"


class IdempotencyKeyReusedError(ConflictError):
    """The key was used for another request before."""

    reason = "idempotency_key_reused"


def required_key(key: str | None) -> str:
    """Return a usable Idempotency-Key.

    Raises:
        IdempotencyKeyMissingError: no key, or a longer one than is kept.
    """
    if not key or len(key) > MAX_KEY_CHARACTERS:
        raise IdempotencyKeyMissingError(
            "send an Idempotency-Key header of 1 to 200 characters, and the same one when you"
            " send the same request again"
        )
    return key


class Mutations:
    """Runs each mutation once for its idempotency key, in one transaction with its answer."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Keep the collaborators; no I/O."""
        self._database = database
        self._clock = clock

    def run(
        self,
        *,
        principal: str,
        key: str | None,
        request: bytes,
        action: Callable[[Session], dict[str, Any]],
    ) -> dict[str, Any]:
        """Run the action and keep its answer; or return the answer that was kept.

        Args:
            principal: whose key it is: keys of two principals never meet.
            key: the Idempotency-Key header.
            request: method, path and body: what the key is bound to.
            action: does the work in the session that it is given.

        Raises:
            IdempotencyKeyMissingError: no key, or a longer one than is kept.
            IdempotencyKeyReusedError: the key was used with another request.
        """
        key = required_key(key)
        digest = hashlib.sha256(request).hexdigest()
        try:
            return self._run_once(principal, key, digest, action)
        except IntegrityError:
            # The same request came twice at the same time and the other one was first.
            with self._database.reading() as session:
                kept = self._kept(session, principal, key, digest)
            if kept is None:
                raise
            return kept

    def _run_once(
        self,
        principal: str,
        key: str,
        digest: str,
        action: Callable[[Session], dict[str, Any]],
    ) -> dict[str, Any]:
        with self._database.transaction() as session:
            kept = self._kept(session, principal, key, digest)
            if kept is not None:
                return kept
            # The key is taken before anything is done: a twin that comes meanwhile waits here
            # for our answer, and is not refused for what we took.
            row = {
                "principal": principal,
                "key": key,
                "request_sha256": digest,
                "body": {},
                "at": self._clock.now(),
            }
            session.execute(insert(requests).values(row))
            body = action(session)
            own = (requests.c.principal == principal) & (requests.c.key == key)
            session.execute(update(requests).where(own).values(body=body))
            return body

    def _kept(
        self, session: Session, principal: str, key: str, digest: str
    ) -> dict[str, Any] | None:
        query = select(requests).where(requests.c.principal == principal, requests.c.key == key)
        row = session.execute(query).one_or_none()
        if row is None:
            return None
        if row.request_sha256 != digest:
            raise IdempotencyKeyReusedError(
                f"the Idempotency-Key {key!r} was used for another request: use a new one"
            )
        return dict(row.body)
