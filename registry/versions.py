"""Publishing, reading, comparing and withdrawing versions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from aem.artifact import ArtifactError, Bundle, Manifest
from core.clock import Clock
from core.events import EventLog
from core.principals import Principal
from registry.difference import FileDifference, compare_files
from registry.domain import (
    Artifact,
    ArtifactName,
    Page,
    Version,
    VersionSource,
    Yank,
    channel_topic,
    require_reason,
)
from registry.errors import (
    ArtifactNotFoundError,
    BlobCorruptedError,
    BundleRefusedError,
    NameTakenError,
    VersionNotFoundError,
    VersionYankedError,
)
from registry.likeness import fingerprints
from registry.objects import Commit, check_paths, commit_id
from registry.paging import clamp_limit, make_page, read_number
from registry.store import channels as channel_store
from registry.store import versions as store
from registry.store.fingerprints import add_fingerprints
from registry.substance import Substance


@dataclass(frozen=True, kw_only=True)
class VersionDifference:
    """What changed from one version to another."""

    old: Version
    new: Version
    files: tuple[FileDifference, ...]


class Versions:
    """The versions of all artifacts. No method commits; each works in its caller's session."""

    def __init__(self, *, clock: Clock, events: EventLog) -> None:
        """Keep the collaborators; no I/O."""
        self._clock = clock
        self._events = events

    def check_publishable(self, *, artifact: str, bundle: Bundle, actor: Principal) -> None:
        """Refuse, before anything is spent, what `publish` would refuse.

        Raises:
            NameRefusedError: the name has another form than ``namespace/name``.
            NameTakenError: the namespace is not the actor's.
            BundleRefusedError: the manifest is unusable or names another artifact.
            PathRefusedError: a file name that Git must not hold.
        """
        name = ArtifactName.parse(artifact)
        require_writer(actor, name)
        manifest = _read_manifest(bundle)
        if manifest.name != artifact:
            raise BundleRefusedError(
                f"artifact.toml names {manifest.name!r}: it cannot be a version of {artifact!r}"
            )
        check_paths(bundle.files)

    def publish(
        self,
        session: Session,
        *,
        artifact: str,
        bundle: Bundle,
        source: VersionSource,
        actor: Principal,
        parents: Sequence[str] = (),
        order_id: str | None = None,
    ) -> Version:
        """Make a version of these bytes, or return the one that they are already.

        Idempotent by content. Publishers of one artifact wait for each other until they commit,
        so numbers grow by one without gaps.

        Args:
            session: of the caller, who commits.
            artifact: ``namespace/name``.
            bundle: the files.
            source: submitted as it is, or made by an order.
            actor: who publishes.
            parents: digests of the versions that it was made from, the main one first.
            order_id: the order that submitted or made it.

        Raises:
            VersionNotFoundError: a parent is unknown.
            TooMuchTextError: there is more than can be compared with other artifacts.
            BadRequestError, NameTakenError: as `check_publishable` says.
        """
        self.check_publishable(artifact=artifact, bundle=bundle, actor=actor)
        store.add_artifact(session, ArtifactName.parse(artifact), self._clock.now())
        last_number = store.lock_artifact(session, artifact) or 0
        existing = store.find_version(session, bundle.digest)
        if existing is not None:
            return existing
        for parent in parents:
            self.get(session, parent)
        substance = Substance.of(bundle)
        version = Version(
            artifact=artifact,
            number=last_number + 1,
            digest=bundle.digest,
            kind=bundle.manifest.kind.value,
            parents=tuple(dict.fromkeys(parents)),
            source=source,
            order_id=order_id,
            actor=actor.id,
            commit="",
            created_at=self._clock.now(),
            yank=None,
        )
        version = replace(version, commit=commit_id(make_commit(session, version), bundle.files))
        store.add_version(session, version, bundle.files)
        add_fingerprints(session, artifact, version.number, fingerprints(substance))
        return version

    def artifact(self, session: Session, name: str) -> Artifact:
        """Return what is known of an artifact as a whole.

        Raises:
            ArtifactNotFoundError: no artifact has this name.
        """
        found = store.find_artifact(session, name)
        if found is None:
            raise ArtifactNotFoundError(f"there is no artifact {name!r}", artifact=name)
        return found

    def get(self, session: Session, digest: str) -> Version:
        """Return the version with this digest.

        Raises:
            VersionNotFoundError: there is none.
        """
        return require_version(session, digest)

    def list(
        self, session: Session, artifact: str, *, cursor: str | None = None, limit: int = 50
    ) -> Page[Version]:
        """Return a page of the artifact's versions, newest first.

        Raises:
            ArtifactNotFoundError: no artifact has this name.
            CursorRefusedError: the cursor is none of ours.
        """
        self.artifact(session, artifact)
        limit = clamp_limit(limit)
        found = store.list_versions(session, artifact, below=read_number(cursor), limit=limit + 1)
        return make_page(found, limit, lambda version: str(version.number))

    def bundle(self, session: Session, digest: str) -> Bundle:
        """Return the version's files, checked against its digest.

        Raises:
            VersionNotFoundError: there is no such version.
            BlobCorruptedError: the database does not hold the version's bytes any more.
        """
        self.get(session, digest)
        files = store.load_files(session, digest)
        try:
            bundle = Bundle(files)
            actual = bundle.digest
        except ArtifactError as error:
            raise _corrupted(digest) from error
        if actual != digest:
            raise _corrupted(digest)
        return bundle

    def compare(self, session: Session, old: str, new: str) -> VersionDifference:
        """Return what changed from one version to another.

        Raises:
            VersionNotFoundError: there is no such version.
            BlobCorruptedError: the database does not hold a version's bytes any more.
        """
        return VersionDifference(
            old=self.get(session, old),
            new=self.get(session, new),
            files=compare_files(self.bundle(session, old).files, self.bundle(session, new).files),
        )

    def yank(self, session: Session, digest: str, *, reason: str, actor: Principal) -> Yank:
        """Withdraw a version and tell the agents of every channel that serves it.

        Nothing is deleted, and channels stay where they are: a rollback is a decision of its own.

        Raises:
            ReasonRequiredError: no usable reason.
            VersionNotFoundError: there is no such version.
            NameTakenError: the version is not the actor's.
            VersionYankedError: it was withdrawn before; the first reason stands.
        """
        reason = require_reason(reason)
        version = self.get(session, digest)
        require_writer(actor, ArtifactName.parse(version.artifact))
        store.lock_artifact(session, version.artifact)
        require_not_yanked(self.get(session, digest))
        yank = Yank(digest=digest, reason=reason, actor=actor.id, at=self._clock.now())
        store.add_yank(session, yank)
        self._tell_agents(session, version, reason)
        return yank

    def _tell_agents(self, session: Session, version: Version, reason: str) -> None:
        data = {"digest": version.digest, "number": version.number, "reason": reason}
        for head in channel_store.list_heads(session, version.artifact):
            if head.digest == version.digest:
                topic = channel_topic(head.artifact, head.channel)
                self._events.append(session, topic=topic, kind="yanked", data=data)


def require_version(session: Session, digest: str) -> Version:
    """Return the version with this digest.

    Raises:
        VersionNotFoundError: there is none.
    """
    found = store.find_version(session, digest)
    if found is None:
        raise VersionNotFoundError(f"there is no version {digest!r}", digest=digest)
    return found


def require_writer(actor: Principal, name: ArtifactName) -> None:
    """Let only those pass who may change what belongs to the artifact's namespace.

    Raises:
        NameTakenError: the actor may not.
    """
    if not actor.may_write(name.namespace):
        raise NameTakenError(
            f"{name} belongs to {name.namespace!r}; use a name in a namespace of your own",
            artifact=str(name),
        )


def require_not_yanked(version: Version) -> None:
    """Let only versions pass that were not withdrawn.

    Raises:
        VersionYankedError: it was.
    """
    if version.yank is not None:
        raise VersionYankedError(
            f"{version.artifact} v{version.number} was withdrawn: {version.yank.reason}",
            digest=version.digest,
            yank_reason=version.yank.reason,
        )


def make_commit(session: Session, version: Version) -> Commit:
    """Return the version's commit, which follows from its row alone.

    Its parents are the recorded ones of the same artifact, and last the version before, so that
    the artifact's branch only ever moves forward.
    """
    commits = dict(store.find_commits(session, version.parents, version.artifact))
    names = [commits[parent] for parent in version.parents if parent in commits]
    before = store.find_version_by_number(session, version.artifact, version.number - 1)
    if before is not None:
        names.append(before.commit)
    return Commit(
        parents=tuple(dict.fromkeys(names)), at=version.created_at, message=_message(version)
    )


def _message(version: Version) -> str:
    lines = [
        f"{version.artifact} v{version.number}",
        "",
        f"Digest: {version.digest}",
        f"Source: {version.source.value}",
        f"Actor: {version.actor}",
    ]
    lines += [f"Order: {version.order_id}"] if version.order_id else []
    lines += [f"Parent: {parent}" for parent in version.parents]
    return "\n".join(lines) + "\n"


def _read_manifest(bundle: Bundle) -> Manifest:
    try:
        return bundle.manifest
    except ArtifactError as error:
        raise BundleRefusedError(f"the artifact's manifest is unusable: {error}") from error


def _corrupted(digest: str) -> BlobCorruptedError:
    return BlobCorruptedError(
        f"the stored files of {digest} are not those that were published; restore the database",
        digest=digest,
    )
