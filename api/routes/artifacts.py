"""Artifacts: versions, channels, deployments."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from api.auth import Caller, PartsOf
from api.mutation import MutationOf
from api.parts import Parts
from api.views import to_json
from core.errors import NotAllowedError
from core.money import MAX_AMOUNT
from core.principals import Principal, Role
from registry import ArtifactNotFoundError, ChannelState, Version, VersionNotFoundError

router = APIRouter(prefix="/api/v1", tags=["artifacts"])

ARCHIVE_MEDIA_TYPE = "application/gzip"

Limit = Annotated[int, Query(ge=1, le=200)]


class PromoteBody(BaseModel):
    """Which version, expected over which head, and why."""

    model_config = ConfigDict(extra="forbid")

    digest: str
    reason: str
    expected_generation: int = Field(ge=0, le=MAX_AMOUNT)
    expected_digest: str | None = None


class RollbackBody(BaseModel):
    """Back to the version before, or to a named one, and why."""

    model_config = ConfigDict(extra="forbid")

    reason: str
    digest: str | None = None
    expected_generation: int | None = Field(default=None, ge=1, le=MAX_AMOUNT)


class AcknowledgementBody(BaseModel):
    """An agent's answer to a move of its channel."""

    model_config = ConfigDict(extra="forbid")

    agent: str = Field(max_length=200)
    digest: str
    generation: int = Field(ge=1, le=MAX_AMOUNT)
    accepted: bool
    reason: str = ""


@router.get("/artifacts/{namespace}/{name}")
def get_artifact(namespace: str, name: str, parts: PartsOf, caller: Caller) -> dict[str, Any]:
    """Return an artifact and what its channels serve."""
    artifact = _readable(caller, namespace, name)
    with parts.database.reading() as session:
        found = parts.registry.versions.artifact(session, artifact)
        heads = parts.registry.channels.list_heads(session, artifact)
    value: dict[str, Any] = to_json(found)
    return value | {"channels": [_state(head) for head in heads]}


@router.get("/artifacts/{namespace}/{name}/versions")
def list_versions(
    *,
    namespace: str,
    name: str,
    parts: PartsOf,
    caller: Caller,
    cursor: str | None = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """List an artifact's versions, newest first."""
    artifact = _readable(caller, namespace, name)
    with parts.database.reading() as session:
        page = parts.registry.versions.list(session, artifact, cursor=cursor, limit=limit)
        items = [_priced(parts, session, version) for version in page.items]
    return {"items": items, "next_cursor": page.next_cursor}


@router.get("/versions/{digest}")
def get_version(digest: str, parts: PartsOf, caller: Caller) -> dict[str, Any]:
    """Return a version with its attestations and its price."""
    with parts.database.reading() as session:
        version = _version(parts, session, caller, digest)
        attestations = parts.registry.attestations.list(session, digest)
        return _priced(parts, session, version) | {
            "attestations": [found.envelope.to_json() for found in attestations]
        }


@router.get("/versions/{digest}/bundle", response_class=Response)
def get_bundle(digest: str, parts: PartsOf, caller: Caller) -> Response:
    """Return a version's files as a tar.gz archive; equal versions are equal bytes."""
    with parts.database.reading() as session:
        _version(parts, session, caller, digest)
        bundle = parts.registry.versions.bundle(session, digest)
    return Response(
        bundle.to_archive(), media_type=ARCHIVE_MEDIA_TYPE, headers={"ETag": f'"{digest}"'}
    )


@router.get("/versions/{old}/diff/{new}")
def get_diff(old: str, new: str, parts: PartsOf, caller: Caller) -> dict[str, Any]:
    """Return what differs between two versions, file by file."""
    with parts.database.reading() as session:
        _version(parts, session, caller, old)
        _version(parts, session, caller, new)
        value: dict[str, Any] = to_json(parts.registry.versions.compare(session, old, new))
    return value


@router.get("/artifacts/{namespace}/{name}/channels/{channel}")
def get_channel(
    namespace: str, name: str, channel: str, parts: PartsOf, caller: Caller
) -> dict[str, Any]:
    """Return a channel's signed pointer and the proofs of the version that it names."""
    artifact = _readable(caller, namespace, name)
    with parts.database.reading() as session:
        head = parts.registry.channels.head(session, artifact, channel)
        attestations = parts.registry.attestations.list(session, head.digest)
    return {
        "pointer": head.pointer.to_json(),
        "state": _state(head),
        "attestations": [found.envelope.to_json() for found in attestations],
    }


@router.get("/artifacts/{namespace}/{name}/channels/{channel}/history")
def get_history(
    *,
    namespace: str,
    name: str,
    channel: str,
    parts: PartsOf,
    caller: Caller,
    cursor: str | None = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """List a channel's moves, newest first: what ran when, and why."""
    artifact = _readable(caller, namespace, name)
    with parts.database.reading() as session:
        page = parts.registry.channels.history(
            session, artifact, channel, cursor=cursor, limit=limit
        )
    return {"items": to_json(page.items), "next_cursor": page.next_cursor}


@router.get("/artifacts/{namespace}/{name}/channels/{channel}/deployments")
def get_deployments(
    *,
    namespace: str,
    name: str,
    channel: str,
    parts: PartsOf,
    caller: Caller,
    cursor: str | None = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """List the newest acknowledgement of each agent on the channel."""
    artifact = _readable(caller, namespace, name)
    with parts.database.reading() as session:
        page = parts.registry.deployments.list(
            session, artifact, channel, cursor=cursor, limit=limit
        )
    return {"items": to_json(page.items), "next_cursor": page.next_cursor}


@router.post("/artifacts/{namespace}/{name}/channels/{channel}/promote")
def promote(
    *,
    namespace: str,
    name: str,
    channel: str,
    body: PromoteBody,
    parts: PartsOf,
    mutation: MutationOf,
) -> dict[str, Any]:
    """Point the channel to a version, if its head is still the expected one.

    For operators and teams: an agent's own versions reach a channel through orders.
    """
    mutation.principal.require(Role.OPERATOR, Role.TEAM)

    def action(session: Session) -> dict[str, Any]:
        head = parts.registry.channels.move(
            session,
            artifact=f"{namespace}/{name}",
            channel=channel,
            digest=body.digest,
            expected_generation=body.expected_generation,
            expected_digest=body.expected_digest,
            reason=body.reason,
            actor=mutation.principal,
        )
        return _state(head)

    return mutation.run(action)


@router.post("/artifacts/{namespace}/{name}/channels/{channel}/rollback")
def rollback(
    *,
    namespace: str,
    name: str,
    channel: str,
    body: RollbackBody,
    parts: PartsOf,
    mutation: MutationOf,
) -> dict[str, Any]:
    """Point the channel back, under a higher generation; for operators and teams."""
    mutation.principal.require(Role.OPERATOR, Role.TEAM)

    def action(session: Session) -> dict[str, Any]:
        head = parts.registry.channels.rollback(
            session,
            artifact=f"{namespace}/{name}",
            channel=channel,
            reason=body.reason,
            actor=mutation.principal,
            digest=body.digest,
            expected_generation=body.expected_generation,
        )
        return _state(head)

    return mutation.run(action)


@router.post("/artifacts/{namespace}/{name}/channels/{channel}/acks")
def acknowledge(
    *,
    namespace: str,
    name: str,
    channel: str,
    body: AcknowledgementBody,
    parts: PartsOf,
    mutation: MutationOf,
) -> dict[str, Any]:
    """Record that an agent runs a version, or refuses to and why."""
    artifact = _readable(mutation.principal, namespace, name)
    _require_own_voice(mutation.principal, body.agent)

    def action(session: Session) -> dict[str, Any]:
        acknowledgement = parts.registry.deployments.acknowledge(
            session, artifact=artifact, channel=channel, **body.model_dump()
        )
        value: dict[str, Any] = to_json(acknowledgement)
        return value

    return mutation.run(action)


def _readable(caller: Principal, namespace: str, name: str) -> str:
    """Return the artifact's name; what a caller may not read does not exist for it."""
    if not caller.may_read(namespace):
        raise ArtifactNotFoundError(f"there is no artifact {namespace}/{name}")
    return f"{namespace}/{name}"


def _require_own_voice(caller: Principal, agent: str) -> None:
    """Let an agent answer for itself and its instances (``owner/instance``), a team for all.

    Raises:
        NotAllowedError: it answers for somebody else, or only reads.
    """
    caller.require(Role.AGENT, Role.TEAM)
    owner = agent.partition("/")[0]
    is_own = owner == caller.owner or (
        caller.role is Role.TEAM and owner.startswith(f"{caller.namespace}.")
    )
    if not is_own:
        raise NotAllowedError(f"this key answers for {caller.owner}, not for {agent[:100]}")


def _version(parts: Parts, session: Session, caller: Principal, digest: str) -> Version:
    version = parts.registry.versions.get(session, digest)
    if not caller.may_read(version.artifact.partition("/")[0]):
        raise VersionNotFoundError(f"there is no version {digest}")
    return version


def _priced(parts: Parts, session: Session, version: Version) -> dict[str, Any]:
    listing = parts.market.listing(session, artifact=version.artifact, digest=version.digest)
    value: dict[str, Any] = to_json(version)
    return value | {"price_utok": listing.price_utok if listing else None}


def _state(head: ChannelState) -> dict[str, Any]:
    value: dict[str, Any] = to_json(head)
    value.pop("pointer")
    return value
