"""Signed checkpoints of the log, so that what was committed cannot be taken back unseen."""

import json
from functools import partial

from sqlalchemy.orm import Session

from aem.proof import (
    CHECKPOINT_PAYLOAD_TYPE,
    Checkpoint,
    Envelope,
    KeyPurpose,
    canonical_json,
    sign_envelope,
)
from core.clock import Clock
from core.signing import Signer
from ledger.cursors import number_of
from ledger.domain import Page
from ledger.errors import CheckpointNotFoundError
from ledger.store import log, nodes, signed

PAGE_LIMIT_ROWS = 500
"""Most checkpoints in one answer."""


class Checkpoints:
    """Signs the log's head in three steps, so that no transaction waits for a signature.

    `due` in a reading transaction, `sign` in none, `keep` in a writing one. Several processes may
    do it at the same time: of one size, one checkpoint is kept.
    """

    def __init__(self, *, clock: Clock, signer: Signer, origin: str) -> None:
        """Keep the collaborators; no I/O.

        Args:
            clock: what checkpoints are dated by.
            signer: signs under the checkpoint key.
            origin: name of the log in its checkpoints; one line.
        """
        self._clock = clock
        self._signer = signer
        self._origin = origin

    def due(self, session: Session) -> Checkpoint | None:
        """Return the log's head as it is committed; None if that size was signed already."""
        head = log.head(session)
        latest = signed.latest(session)
        if latest is not None and latest.size >= head.size:
            return None
        now = self._clock.now()
        return Checkpoint(origin=self._origin, size=head.size, root=head.root(), at=now)

    def sign(self, checkpoint: Checkpoint) -> Envelope:
        """Sign a head; no transaction is open.

        Raises:
            SigningKeyError, SignerUnavailableError: the checkpoint key cannot be used now.
        """
        return sign_envelope(
            payload_type=CHECKPOINT_PAYLOAD_TYPE,
            payload=checkpoint.to_payload(),
            sign=partial(self._signer.sign, KeyPurpose.CHECKPOINT),
        )

    def keep(self, session: Session, envelope: Envelope) -> None:
        """Store a checkpoint, unless there is one of its size.

        Looked for first: SQLite's guard takes any insert of what is there for a replacement.
        """
        checkpoint = Checkpoint.from_payload(envelope.payload)
        if signed.of_size(session, checkpoint.size) is not None:
            return
        stored = signed.StoredCheckpoint(
            size=checkpoint.size,
            root=checkpoint.root,
            envelope=canonical_json(envelope.to_json()).decode(),
            at=checkpoint.at,
        )
        signed.add(session, stored)

    def is_index_due(self, session: Session) -> bool:
        """Whether `index` has something to do."""
        newest = signed.latest(session)
        return newest is not None and nodes.is_extensible(session, newest.size)

    def index(self, session: Session) -> None:
        """Prepare proofs under the newest checkpoint, a part at a time."""
        newest = signed.latest(session)
        if newest is not None:
            nodes.extend(session, newest.size)

    def latest(self, session: Session) -> Envelope:
        """Return the checkpoint of the greatest size.

        Raises:
            CheckpointNotFoundError: none was signed yet.
        """
        found = signed.latest(session)
        if found is None:
            raise CheckpointNotFoundError("no checkpoint was signed yet: ask again in a second")
        return Envelope.from_json(json.loads(found.envelope))

    def of_size(self, session: Session, size: int) -> Envelope:
        """Return the checkpoint of exactly this size.

        Raises:
            CheckpointNotFoundError: there is none.
        """
        found = signed.of_size(session, size)
        if found is None:
            raise CheckpointNotFoundError(
                f"no checkpoint was signed at size {size}: `aem audit checkpoints` lists them"
            )
        return Envelope.from_json(json.loads(found.envelope))

    def page(self, session: Session, *, after: str = "", limit: int = 100) -> Page[Envelope]:
        """Return checkpoints, the smallest first.

        Raises:
            BatchError: `after` is no cursor of this list.
        """
        limit = max(1, min(limit, PAGE_LIMIT_ROWS))
        start = number_of(after)
        found = signed.page(session, after=-1 if start is None else start, limit=limit)
        is_full = len(found) == limit
        return Page(
            items=tuple(Envelope.from_json(json.loads(row.envelope)) for row in found),
            next_cursor=str(found[-1].size) if is_full else None,
        )
