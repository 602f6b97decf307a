"""Queries on artifacts, their versions and the evidence about these."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Insert, Row, Table, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from aem.proof import digest_of
from registry.domain import Artifact, ArtifactName, Version, VersionSource, Yank
from registry.store.tables import (
    artifact_blobs,
    artifacts,
    attestations,
    version_files,
    version_parents,
    version_yanks,
    versions,
)

_VERSIONS = select(
    versions,
    version_yanks.c.reason.label("yank_reason"),
    version_yanks.c.actor.label("yank_actor"),
    version_yanks.c.at.label("yank_at"),
).outerjoin(version_yanks, version_yanks.c.digest == versions.c.digest)


def add_artifact(session: Session, name: ArtifactName, created_at: datetime) -> None:
    """Make the artifact's row unless it is there."""
    if find_artifact(session, str(name)) is None:
        row = {
            "name": str(name),
            "namespace": name.namespace,
            "last_number": 0,
            "created_at": created_at,
        }
        session.execute(_insert_missing(session, artifacts), [row])


def lock_artifact(session: Session, name: str) -> int | None:
    """Hold the artifact until the transaction ends and return its last number; None if unknown."""
    query = select(artifacts.c.last_number).where(artifacts.c.name == name).with_for_update()
    return session.execute(query).scalar()


def find_artifact(session: Session, name: str) -> Artifact | None:
    """Return the artifact of this name, if any."""
    row = session.execute(select(artifacts).where(artifacts.c.name == name)).one_or_none()
    if row is None:
        return None
    return Artifact(name=row.name, latest_number=row.last_number, created_at=row.created_at)


def list_artifacts(session: Session, namespace: str) -> Sequence[str]:
    """Return the names of a namespace's artifacts, oldest first."""
    query = (
        select(artifacts.c.name)
        .where(artifacts.c.namespace == namespace, artifacts.c.last_number > 0)
        .order_by(artifacts.c.created_at, artifacts.c.name)
    )
    return session.execute(query).scalars().all()


def add_version(session: Session, version: Version, files: Mapping[str, bytes]) -> None:
    """Write the version with its files and parents; the artifact must be locked."""
    blobs = {path: digest_of(content) for path, content in files.items()}
    _add_blobs(session, {blobs[path]: content for path, content in files.items()})
    session.execute(
        update(artifacts)
        .where(artifacts.c.name == version.artifact)
        .values(last_number=version.number)
    )
    session.execute(
        insert(versions).values(
            digest=version.digest,
            artifact=version.artifact,
            number=version.number,
            kind=version.kind,
            source=version.source.value,
            order_id=version.order_id,
            actor=version.actor,
            commit_id=version.commit,
            created_at=version.created_at,
        )
    )
    session.execute(
        insert(version_files),
        [
            {"version_digest": version.digest, "path": path, "blob_digest": blob}
            for path, blob in blobs.items()
        ],
    )
    _add_parents(session, version)


def find_version(session: Session, digest: str) -> Version | None:
    """Return the version with this digest, if any."""
    found = _read_versions(session, session.execute(_VERSIONS.where(versions.c.digest == digest)))
    return found[0] if found else None


def find_version_by_number(session: Session, artifact: str, number: int) -> Version | None:
    """Return the artifact's version with this number, if any."""
    query = _VERSIONS.where(versions.c.artifact == artifact, versions.c.number == number)
    found = _read_versions(session, session.execute(query))
    return found[0] if found else None


def list_versions(
    session: Session, artifact: str, *, below: int | None, limit: int
) -> Sequence[Version]:
    """Return versions with a number under `below`, newest first."""
    query = _VERSIONS.where(versions.c.artifact == artifact)
    if below is not None:
        query = query.where(versions.c.number < below)
    query = query.order_by(versions.c.number.desc()).limit(limit)
    return _read_versions(session, session.execute(query))


def list_commits(session: Session, artifact: str) -> Mapping[int, str]:
    """Return the commit of each of the artifact's versions, by number in order."""
    query = (
        select(versions.c.number, versions.c.commit_id)
        .where(versions.c.artifact == artifact)
        .order_by(versions.c.number)
    )
    return {row.number: row.commit_id for row in session.execute(query)}


def find_commits(session: Session, digests: Collection[str], artifact: str) -> Mapping[str, str]:
    """Return the commits of those of the digests that are versions of the artifact."""
    query = select(versions.c.digest, versions.c.commit_id).where(
        versions.c.digest.in_(digests), versions.c.artifact == artifact
    )
    return {row.digest: row.commit_id for row in session.execute(query)}


def load_files(session: Session, digest: str) -> Mapping[str, bytes]:
    """Return a version's files by path."""
    query = (
        select(version_files.c.path, artifact_blobs.c.content)
        .join(artifact_blobs, artifact_blobs.c.digest == version_files.c.blob_digest)
        .where(version_files.c.version_digest == digest)
    )
    return {row.path: row.content for row in session.execute(query)}


def add_yank(session: Session, yank: Yank) -> None:
    """Write a withdrawal."""
    session.execute(
        insert(version_yanks).values(
            digest=yank.digest, reason=yank.reason, actor=yank.actor, at=yank.at
        )
    )


def add_attestation(
    session: Session, digest: str, *, envelope: Any, envelope_digest: str, created_at: datetime
) -> None:
    """Write an envelope about a version unless it is there; the artifact must be locked."""
    of_version = attestations.c.digest == digest
    known = select(attestations.c.position).where(
        of_version, attestations.c.envelope_digest == envelope_digest
    )
    if session.execute(known).one_or_none() is not None:
        return
    count = session.execute(select(func.count()).where(of_version)).scalar_one()
    session.execute(
        insert(attestations).values(
            digest=digest,
            position=count + 1,
            envelope_digest=envelope_digest,
            envelope=envelope,
            created_at=created_at,
        )
    )


def list_attestations(session: Session, digest: str, limit: int) -> Sequence[tuple[Any, datetime]]:
    """Return a version's newest envelopes with the times they were attached, oldest first."""
    query = (
        select(attestations.c.envelope, attestations.c.created_at)
        .where(attestations.c.digest == digest)
        .order_by(attestations.c.position.desc())
        .limit(limit)
    )
    return [(row.envelope, row.created_at) for row in session.execute(query)][::-1]


def _insert_missing(session: Session, table: Table) -> Insert:
    """Return an insert that a concurrent writer of the same row does not break."""
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    statement = sqlite_insert(table) if is_sqlite else postgresql_insert(table)
    return statement.on_conflict_do_nothing()


def _add_blobs(session: Session, contents: Mapping[str, bytes]) -> None:
    query = select(artifact_blobs.c.digest).where(artifact_blobs.c.digest.in_(contents))
    missing = contents.keys() - set(session.execute(query).scalars())
    if missing:
        # In one order everywhere: writers of the same blobs wait for each other, never in a ring.
        rows = [{"digest": digest, "content": contents[digest]} for digest in sorted(missing)]
        session.execute(_insert_missing(session, artifact_blobs), rows)


def _add_parents(session: Session, version: Version) -> None:
    if version.parents:
        session.execute(
            insert(version_parents),
            [
                {"version_digest": version.digest, "position": position, "parent_digest": parent}
                for position, parent in enumerate(version.parents)
            ],
        )


def _read_versions(session: Session, rows: Any) -> Sequence[Version]:
    found = list(rows)
    parents = _list_parents(session, [row.digest for row in found])
    return [_read_version(row, parents[row.digest]) for row in found]


def _list_parents(session: Session, digests: Sequence[str]) -> Mapping[str, Sequence[str]]:
    query = (
        select(version_parents.c.version_digest, version_parents.c.parent_digest)
        .where(version_parents.c.version_digest.in_(digests))
        .order_by(version_parents.c.version_digest, version_parents.c.position)
    )
    parents: dict[str, list[str]] = defaultdict(list)
    for row in session.execute(query):
        parents[row.version_digest].append(row.parent_digest)
    return parents


def _read_version(row: Row[Any], parents: Sequence[str]) -> Version:
    return Version(
        artifact=row.artifact,
        number=row.number,
        digest=row.digest,
        kind=row.kind,
        parents=tuple(parents),
        source=VersionSource(row.source),
        order_id=row.order_id,
        actor=row.actor,
        commit=row.commit_id,
        created_at=row.created_at,
        yank=_read_yank(row),
    )


def _read_yank(row: Row[Any]) -> Yank | None:
    if row.yank_at is None:
        return None
    return Yank(digest=row.digest, reason=row.yank_reason, actor=row.yank_actor, at=row.yank_at)
