"""Queries on channels, their history and what agents answered."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, func, insert, select, update
from sqlalchemy.orm import Session

from aem.proof import Envelope
from registry.domain import Acknowledgement, ChannelState, Move, MoveCause
from registry.store.tables import (
    channel_acknowledgements,
    channel_moves,
    channels,
    version_yanks,
)


def find_head(session: Session, artifact: str, channel: str) -> ChannelState | None:
    """Return what the channel serves, if anything."""
    query = select(channels).where(channels.c.artifact == artifact, channels.c.channel == channel)
    row = session.execute(query).one_or_none()
    return None if row is None else _read_state(row)


def list_heads(session: Session, artifact: str) -> Sequence[ChannelState]:
    """Return what each of the artifact's channels serves, by name."""
    query = select(channels).where(channels.c.artifact == artifact).order_by(channels.c.channel)
    return [_read_state(row) for row in session.execute(query)]


def list_expiring(session: Session, before: datetime, limit: int) -> Sequence[ChannelState]:
    """Lock and return heads whose pointer expires before an instant; not of yanked versions."""
    query = (
        select(channels)
        .where(
            channels.c.pointer_expires_at < before,
            channels.c.digest.not_in(select(version_yanks.c.digest)),
        )
        .order_by(channels.c.pointer_expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [_read_state(row) for row in session.execute(query)]


def put_head(session: Session, state: ChannelState) -> None:
    """Write what the channel serves from now on; the artifact must be locked."""
    values = {
        "generation": state.generation,
        "digest": state.digest,
        "number": state.number,
        "pointer": state.pointer.to_json(),
        "pointer_expires_at": state.pointer_expires_at,
        "moved_at": state.moved_at,
    }
    changed = session.execute(
        update(channels)
        .where(channels.c.artifact == state.artifact, channels.c.channel == state.channel)
        .values(values)
        .returning(channels.c.generation)
    )
    if changed.one_or_none() is None:
        session.execute(
            insert(channels).values(artifact=state.artifact, channel=state.channel, **values)
        )


def add_move(session: Session, move: Move) -> None:
    """Append to a channel's history."""
    session.execute(
        insert(channel_moves).values(
            artifact=move.artifact,
            channel=move.channel,
            generation=move.generation,
            digest=move.digest,
            number=move.number,
            previous_digest=move.previous_digest,
            cause=move.cause.value,
            restores_generation=move.restores_generation,
            reason=move.reason,
            actor=move.actor,
            order_id=move.order_id,
            at=move.at,
        )
    )


def find_move(session: Session, artifact: str, channel: str, generation: int) -> Move | None:
    """Return the move that made a generation, if any."""
    query = _moves(artifact, channel).where(channel_moves.c.generation == generation)
    return _read_first_move(session, query)


def find_move_at(session: Session, artifact: str, channel: str, at: datetime) -> Move | None:
    """Return the last move up to an instant, if any."""
    return _read_first_move(session, _moves(artifact, channel).where(channel_moves.c.at <= at))


def find_move_to(session: Session, artifact: str, channel: str, digest: str) -> Move | None:
    """Return the last move to a version, if any."""
    query = _moves(artifact, channel).where(channel_moves.c.digest == digest)
    return _read_first_move(session, query)


def list_moves(
    session: Session, artifact: str, channel: str, *, below: int | None, limit: int
) -> Sequence[Move]:
    """Return moves with a generation under `below`, newest first."""
    query = _moves(artifact, channel)
    if below is not None:
        query = query.where(channel_moves.c.generation < below)
    return [_read_move(row) for row in session.execute(query.limit(limit))]


def add_acknowledgement(session: Session, answer: Acknowledgement) -> None:
    """Append an agent's answer."""
    session.execute(
        insert(channel_acknowledgements).values(
            artifact=answer.artifact,
            channel=answer.channel,
            generation=answer.generation,
            agent=answer.agent,
            digest=answer.digest,
            accepted=answer.accepted,
            reason=answer.reason,
            at=answer.at,
        )
    )


def list_latest_acknowledgements(
    session: Session, artifact: str, channel: str, *, after_agent: str, limit: int
) -> Sequence[Acknowledgement]:
    """Return each agent's last answer, by agent."""
    answers = channel_acknowledgements
    latest = (
        select(func.max(answers.c.sequence))
        .where(
            and_(answers.c.artifact == artifact, answers.c.channel == channel),
            answers.c.agent > after_agent,
        )
        .group_by(answers.c.agent)
        .order_by(answers.c.agent)
        .limit(limit)
    )
    query = select(answers).where(answers.c.sequence.in_(latest)).order_by(answers.c.agent)
    return [_read_acknowledgement(row) for row in session.execute(query)]


def _moves(artifact: str, channel: str) -> Select[Any]:
    return (
        select(channel_moves)
        .where(channel_moves.c.artifact == artifact, channel_moves.c.channel == channel)
        .order_by(channel_moves.c.generation.desc())
    )


def _read_first_move(session: Session, query: Select[Any]) -> Move | None:
    row = session.execute(query.limit(1)).one_or_none()
    return None if row is None else _read_move(row)


def _read_state(row: Row[Any]) -> ChannelState:
    return ChannelState(
        artifact=row.artifact,
        channel=row.channel,
        generation=row.generation,
        digest=row.digest,
        number=row.number,
        pointer=Envelope.from_json(row.pointer),
        pointer_expires_at=row.pointer_expires_at,
        moved_at=row.moved_at,
    )


def _read_move(row: Row[Any]) -> Move:
    return Move(
        artifact=row.artifact,
        channel=row.channel,
        generation=row.generation,
        digest=row.digest,
        number=row.number,
        previous_digest=row.previous_digest,
        cause=MoveCause(row.cause),
        restores_generation=row.restores_generation,
        reason=row.reason,
        actor=row.actor,
        order_id=row.order_id,
        at=row.at,
    )


def _read_acknowledgement(row: Row[Any]) -> Acknowledgement:
    return Acknowledgement(
        agent=row.agent,
        artifact=row.artifact,
        channel=row.channel,
        generation=row.generation,
        digest=row.digest,
        accepted=row.accepted,
        reason=row.reason,
        at=row.at,
    )
