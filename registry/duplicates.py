"""Finding near-duplicates: nobody sells a copy of another's artifact as new (design, section 5).

Fingerprints find the few versions that may be alike; these are compared token by token.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from registry.domain import Version
from registry.likeness import Likeness, compare, fingerprints
from registry.store import fingerprints as store
from registry.store import versions as version_store
from registry.substance import Substance
from registry.versions import Versions

MIN_TOKENS = 80
"""Smaller artifacts, of about twenty lines, are alike by chance: they are not judged."""

SUSPECT_SHARE = 0.1
"""Of the submission's fingerprints, found in one artifact. Measured on unrelated modules of a
standard library: a copy shares a third and more, strangers a fiftieth."""

MAX_SUSPECTS = 8
"""Artifacts that are compared in full: the likeliest."""


@dataclass(frozen=True, kw_only=True)
class NearDuplicate:
    """What a submitter may know of the artifact that is so like the own one: no content of it.

    Attributes:
        artifact: the other's ``namespace/name``.
        number: of the version that is alike.
        digest: the same version's.
        likeness: how alike, and where in the submitter's own files.
    """

    artifact: str
    number: int
    digest: str
    likeness: Likeness

    def to_json(self) -> dict[str, Any]:
        """Write for the record."""
        return {
            "artifact": self.artifact,
            "number": self.number,
            "digest": self.digest,
            "similarity": round(self.likeness.similarity, 3),
            "matches": [vars(match) for match in self.likeness.matches],
        }


class Duplicates:
    """Looks up what is like a submission. No method writes."""

    def __init__(self, versions: Versions) -> None:
        """Keep the collaborator; no I/O."""
        self._versions = versions

    def find(
        self, session: Session, substance: Substance, *, namespace: str, threshold: float
    ) -> NearDuplicate | None:
        """Return the version of another owner that a submission is most like.

        One's own lineage is never a duplicate, nor is a version that came after an equally like
        one of one's own.

        Args:
            session: of the caller.
            substance: what is submitted.
            namespace: the submitter's.
            threshold: the similarity from which on it counts, 0 to 1.
        """
        if substance.size_tokens < MIN_TOKENS:
            return None
        hits = []
        for version in self._suspects(session, substance, namespace, is_own=False):
            other = self._substance(session, version)
            if other.size_tokens < MIN_TOKENS:
                continue
            likeness = compare(substance, other)
            if likeness.similarity >= threshold and not self._is_later(
                session, version, other, namespace, threshold
            ):
                hits.append((likeness.similarity, version, likeness))
        if not hits:
            return None
        _, version, likeness = max(hits, key=lambda hit: (hit[0], hit[1].digest))
        return NearDuplicate(
            artifact=version.artifact,
            number=version.number,
            digest=version.digest,
            likeness=likeness,
        )

    def _is_later(
        self,
        session: Session,
        version: Version,
        substance: Substance,
        namespace: str,
        threshold: float,
    ) -> bool:
        """Whether the namespace had something as like before the version was made."""
        return any(
            own.created_at < version.created_at
            and compare(self._substance(session, own), substance).similarity >= threshold
            for own in self._suspects(session, substance, namespace, is_own=True)
        )

    def _suspects(
        self, session: Session, substance: Substance, namespace: str, *, is_own: bool
    ) -> list[Version]:
        """Return, of each artifact that shares enough, the version that shares most.

        The newest of those that brought in shared fingerprints comes with it: it may hold what
        several versions brought in.
        """
        prints = fingerprints(substance)
        shared = store.count_shared(session, prints, namespace=namespace, is_own=is_own)
        enough = max(1.0, SUSPECT_SHARE * len(prints))
        likely = sorted(
            (artifact for artifact in shared if sum(shared[artifact].values()) >= enough),
            key=lambda artifact: (-sum(shared[artifact].values()), artifact),
        )[:MAX_SUSPECTS]
        found = [
            version_store.find_version_by_number(session, artifact, number)
            for artifact in likely
            for number in _telling(shared[artifact])
        ]
        return [version for version in found if version is not None]

    def _substance(self, session: Session, version: Version) -> Substance:
        return Substance.of(self._versions.bundle(session, version.digest))


def _telling(counts: Mapping[int, int]) -> list[int]:
    most = max(counts, key=lambda number: (counts[number], -number))
    return sorted({most, max(counts)})
