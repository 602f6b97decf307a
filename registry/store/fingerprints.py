"""Queries on the fingerprints by which near-duplicates are found."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from registry.store.tables import artifacts, version_fingerprints

_CHUNK = 500
"""Bound values of one statement: SQLite takes 32,766, and PostgreSQL plans short lists better."""


def add_fingerprints(
    session: Session, artifact: str, number: int, fingerprints: Collection[int]
) -> None:
    """Write those that no earlier version of the artifact has; the artifact must be locked."""
    known = {
        fingerprint
        for chunk in _chunks(fingerprints)
        for fingerprint in session.execute(
            select(version_fingerprints.c.fingerprint).where(
                version_fingerprints.c.artifact == artifact,
                version_fingerprints.c.fingerprint.in_(chunk),
            )
        ).scalars()
    }
    rows = [
        {"fingerprint": fingerprint, "artifact": artifact, "number": number}
        for fingerprint in sorted(set(fingerprints) - known)
    ]
    if rows:
        session.execute(insert(version_fingerprints), rows)


def count_shared(
    session: Session, fingerprints: Collection[int], *, namespace: str, is_own: bool
) -> Mapping[str, Mapping[int, int]]:
    """Count the fingerprints that artifacts share, by artifact and number of first version.

    Args:
        session: of the caller.
        fingerprints: whose holders are asked for.
        namespace: whose artifacts are looked at, or left out.
        is_own: whether they are looked at.
    """
    found: dict[str, Counter[int]] = {}
    same = artifacts.c.namespace == namespace
    for chunk in _chunks(fingerprints):
        query = (
            select(version_fingerprints.c.artifact, version_fingerprints.c.number, func.count())
            .join(artifacts, artifacts.c.name == version_fingerprints.c.artifact)
            .where(version_fingerprints.c.fingerprint.in_(chunk), same if is_own else ~same)
            .group_by(version_fingerprints.c.artifact, version_fingerprints.c.number)
        )
        for artifact, number, count in session.execute(query):
            found.setdefault(artifact, Counter())[number] += count
    return found


def _chunks(fingerprints: Collection[int]) -> Iterator[list[int]]:
    ordered = sorted(fingerprints)
    for start in range(0, len(ordered), _CHUNK):
        yield ordered[start : start + _CHUNK]
