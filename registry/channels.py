"""Moving channels, rolling them back, and what they served when."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.orm import Session

from aem.proof import POINTER_PAYLOAD_TYPE, ChannelPointer, Envelope, KeyPurpose, sign_envelope
from core.clock import Clock
from core.events import EventLog
from core.principals import Principal
from core.signing import Signer
from registry.attestations import Attestations
from registry.domain import (
    ArtifactName,
    ChannelState,
    Move,
    MoveCause,
    Page,
    Version,
    channel_topic,
    require_name,
    require_reason,
)
from registry.errors import (
    AlreadyCurrentError,
    ArtifactNotFoundError,
    ChannelEmptyError,
    NoRollbackTargetError,
    StaleChannelError,
    VersionNotFoundError,
)
from registry.paging import clamp_limit, make_page, read_number
from registry.store import channels as store
from registry.store import versions as version_store
from registry.versions import require_not_yanked, require_version, require_writer

POINTER_LIFETIME = timedelta(days=7)
"""How long a client may act on a pointer without asking again: longer than any outage of ours."""

POINTER_RENEWAL_AGE = POINTER_LIFETIME / 2
"""Pointers older than this get a fresh signature, long before clients would see them expire."""

RENEWAL_LIMIT_ROWS = 100

ROLLBACK_LIMIT_STEPS = 100
"""How many promotions a rollback looks back for a version that is not yanked."""


class Channels:
    """The channels of all artifacts. No method commits; each works in its caller's session."""

    def __init__(
        self, *, clock: Clock, signer: Signer, events: EventLog, attestations: Attestations
    ) -> None:
        """Keep the collaborators; no I/O."""
        self._clock = clock
        self._signer = signer
        self._events = events
        self._attestations = attestations

    def head(self, session: Session, artifact: str, channel: str) -> ChannelState:
        """Return what the channel serves now.

        Raises:
            ChannelEmptyError: nothing, so far.
        """
        head = store.find_head(session, artifact, channel)
        if head is None:
            raise _empty(artifact, channel)
        return head

    def list_heads(self, session: Session, artifact: str) -> tuple[ChannelState, ...]:
        """Return what each channel of the artifact serves now, by name of the channel."""
        return tuple(store.list_heads(session, artifact))

    def move(
        self,
        session: Session,
        *,
        artifact: str,
        channel: str,
        digest: str,
        expected_generation: int,
        expected_digest: str | None,
        reason: str,
        actor: Principal,
        order_id: str | None = None,
    ) -> ChannelState:
        """Let the channel serve a version, if its head is still the one expected.

        The history's entry, the signed pointer and the event ``moved`` are one transaction's.

        Args:
            session: of the caller, who commits.
            artifact: ``namespace/name``.
            channel: such as ``production``; made by its first move.
            digest: of the version.
            expected_generation: of the head that was decided on; 0 for an empty channel.
            expected_digest: of that head's version; None for an empty channel.
            reason: why; kept in the history.
            actor: who moves it.
            order_id: the order that moves it, if any.

        Raises:
            NameRefusedError: no channel can have this name.
            ReasonRequiredError: no usable reason.
            NameTakenError: the artifact is not the actor's.
            ArtifactNotFoundError: no artifact has this name.
            StaleChannelError: the head is another one; judge against it and try again.
            VersionNotFoundError: the artifact has no such version.
            AlreadyCurrentError: the channel serves it already.
            VersionYankedError: it was withdrawn.
            AttestationMissingError: no valid gold report accepts it.
        """
        reason = require_reason(reason)
        head = self._lock(session, artifact, require_name(channel), actor)
        _require_expected(artifact, channel, head, expected_generation, expected_digest)
        version = self._require_deployable(session, artifact, digest, head)
        move = Move(
            artifact=artifact,
            channel=channel,
            generation=expected_generation + 1,
            digest=digest,
            number=version.number,
            previous_digest=expected_digest,
            cause=MoveCause.PROMOTION,
            restores_generation=None,
            reason=reason,
            actor=actor.id,
            order_id=order_id,
            at=self._moment_after(head),
        )
        return self._commit_move(session, move)

    def rollback(
        self,
        session: Session,
        *,
        artifact: str,
        channel: str,
        reason: str,
        actor: Principal,
        digest: str | None = None,
        expected_generation: int | None = None,
    ) -> ChannelState:
        """Bring back what the channel served before, as a higher generation.

        Without a digest it is the last other version before the head was promoted that is not
        yanked. A second rollback goes further back; it never returns to what the first one left.

        Args:
            session: of the caller, who commits.
            artifact: ``namespace/name``.
            channel: such as ``production``.
            reason: why; kept in the history.
            actor: who rolls back.
            digest: of an earlier version of this channel, to go back to that one.
            expected_generation: of the head that is to be left; None for whichever it is.

        Raises:
            ReasonRequiredError, NameTakenError, ArtifactNotFoundError, AlreadyCurrentError,
            VersionYankedError, AttestationMissingError: as `move` says.
            ChannelEmptyError: nothing runs on the channel.
            StaleChannelError: the head is another one than expected.
            NoRollbackTargetError: it never served the version, or no earlier one is left.
        """
        reason = require_reason(reason)
        head = self._lock(session, artifact, channel, actor)
        if head is None:
            raise _empty(artifact, channel)
        if expected_generation is not None:
            _require_expected(artifact, channel, head, expected_generation, head.digest)
        target = _find_target(session, head, digest)
        self._require_deployable(session, artifact, target.digest, head)
        move = Move(
            artifact=artifact,
            channel=channel,
            generation=head.generation + 1,
            digest=target.digest,
            number=target.number,
            previous_digest=head.digest,
            cause=MoveCause.ROLLBACK,
            restores_generation=target.promoted_generation,
            reason=reason,
            actor=actor.id,
            order_id=None,
            at=self._moment_after(head),
        )
        return self._commit_move(session, move)

    def renew_pointers(self, session: Session) -> int:
        """Sign ageing pointers afresh and return how many: call again until there are none.

        At most `RENEWAL_LIMIT_ROWS`, so that the transaction stays short. Pointers to yanked
        versions are left to expire: we do not speak for these any more.
        """
        now = self._clock.now()
        horizon = now + POINTER_LIFETIME - POINTER_RENEWAL_AGE
        expiring = store.list_expiring(session, horizon, RENEWAL_LIMIT_ROWS)
        for head in expiring:
            expires_at = now + POINTER_LIFETIME
            pointer = self._sign(head, issued_at=now, expires_at=expires_at)
            store.put_head(session, replace(head, pointer=pointer, pointer_expires_at=expires_at))
        return len(expiring)

    def history(
        self,
        session: Session,
        artifact: str,
        channel: str,
        *,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Move]:
        """Return a page of the channel's moves, newest first.

        Raises:
            CursorRefusedError: the cursor is none of ours.
        """
        limit = clamp_limit(limit)
        below = read_number(cursor)
        found = store.list_moves(session, artifact, channel, below=below, limit=limit + 1)
        return make_page(found, limit, lambda move: str(move.generation))

    def served_at(self, session: Session, artifact: str, channel: str, at: datetime) -> Move:
        """Return the move that decided what ran at an instant: there is one answer.

        Raises:
            ChannelEmptyError: nothing ran then.
        """
        found = store.find_move_at(session, artifact, channel, at)
        if found is None:
            raise _empty(artifact, channel)
        return found

    def _lock(
        self, session: Session, artifact: str, channel: str, actor: Principal
    ) -> ChannelState | None:
        """Hold the artifact, whose lock orders moves, yanks and publications; return the head."""
        require_writer(actor, ArtifactName.parse(artifact))
        if version_store.lock_artifact(session, artifact) is None:
            raise ArtifactNotFoundError(f"there is no artifact {artifact!r}", artifact=artifact)
        return store.find_head(session, artifact, channel)

    def _require_deployable(
        self, session: Session, artifact: str, digest: str, head: ChannelState | None
    ) -> Version:
        """Return the version if the channel's policy lets it run."""
        version = require_version(session, digest)
        if version.artifact != artifact:
            raise VersionNotFoundError(
                f"{digest} is a version of {version.artifact}, not of {artifact}", digest=digest
            )
        if head is not None and head.digest == digest:
            raise AlreadyCurrentError(
                f"{artifact} {head.channel} serves v{version.number} already", digest=digest
            )
        require_not_yanked(version)
        self._attestations.require_accepted(session, version)
        return version

    def _moment_after(self, head: ChannelState | None) -> datetime:
        """Return now, but never a time before the last move: history stays in order."""
        now = self._clock.now()
        return now if head is None else max(now, head.moved_at)

    def _commit_move(self, session: Session, move: Move) -> ChannelState:
        """Write the history's entry, the head with its signed pointer, and the event."""
        expires_at = move.at + POINTER_LIFETIME
        state = ChannelState(
            artifact=move.artifact,
            channel=move.channel,
            generation=move.generation,
            digest=move.digest,
            number=move.number,
            pointer=self._sign(move, issued_at=move.at, expires_at=expires_at),
            pointer_expires_at=expires_at,
            moved_at=move.at,
        )
        store.add_move(session, move)
        store.put_head(session, state)
        self._events.append(
            session,
            topic=channel_topic(move.artifact, move.channel),
            kind="moved",
            data={
                "digest": move.digest,
                "number": move.number,
                "generation": move.generation,
                "reason": move.reason,
            },
        )
        return state

    def _sign(
        self, target: Move | ChannelState, *, issued_at: datetime, expires_at: datetime
    ) -> Envelope:
        pointer = ChannelPointer(
            artifact=target.artifact,
            channel=target.channel,
            digest=target.digest,
            number=target.number,
            generation=target.generation,
            issued_at=issued_at,
            expires_at=expires_at,
        )
        return sign_envelope(
            payload_type=POINTER_PAYLOAD_TYPE,
            payload=pointer.to_payload(),
            sign=partial(self._signer.sign, KeyPurpose.POINTER),
        )


def _require_expected(
    artifact: str,
    channel: str,
    head: ChannelState | None,
    expected_generation: int,
    expected_digest: str | None,
) -> None:
    generation = 0 if head is None else head.generation
    digest = None if head is None else head.digest
    if (generation, digest) != (expected_generation, expected_digest):
        raise StaleChannelError(
            f"{artifact} {channel} is at generation {generation} with {digest}, not at"
            f" {expected_generation} with {expected_digest}: look at it again",
            generation=generation,
            digest=digest,
            number=None if head is None else head.number,
        )


def _find_target(session: Session, head: ChannelState, digest: str | None) -> Move:
    """Return the move whose version a rollback brings back."""
    if digest is None:
        found = _find_earlier(session, head)
        what = "no earlier version that is not yanked"
    else:
        found = store.find_move_to(session, head.artifact, head.channel, digest)
        what = f"never {digest}"
    if found is None:
        raise NoRollbackTargetError(
            f"{head.artifact} {head.channel} served {what}: promote one instead"
        )
    return found


def _find_earlier(session: Session, head: ChannelState) -> Move | None:
    """Walk back over promotions, as each was decided on what was served before it.

    What was rolled back from is not on that way.
    """
    generation = head.generation
    for _ in range(ROLLBACK_LIMIT_STEPS):
        move = store.find_move(session, head.artifact, head.channel, generation)
        if move is None:
            return None
        if move.digest != head.digest and require_version(session, move.digest).yank is None:
            return move
        generation = move.promoted_generation - 1
    return None


def _empty(artifact: str, channel: str) -> ChannelEmptyError:
    return ChannelEmptyError(
        f"nothing runs on {artifact} {channel}", artifact=artifact, channel=channel
    )
