"""The split into dev and holdout: by group, stratified by type, the same on every machine."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction

from gold.domain import CaseType, GoldCase


def holdout_groups(cases: Iterable[GoldCase], holdout_share: Fraction) -> frozenset[str]:
    """Return the groups that the judge keeps to itself.

    Groups with the same set of case types form a stratum. In each, groups are ordered by
    SHA-256 of their name and the first `holdout_share` of them, rounded to the nearest, is held
    out; a stratum of two or more groups gives at least one to each part.
    """
    types: dict[str, set[CaseType]] = defaultdict(set)
    for case in cases:
        types[case.group].add(case.type)
    strata: dict[tuple[CaseType, ...], list[str]] = defaultdict(list)
    for group, kinds in types.items():
        strata[tuple(sorted(kinds))].append(group)
    return frozenset(
        group
        for groups in strata.values()
        for group in sorted(groups, key=_place)[: _held_count(len(groups), holdout_share)]
    )


def _held_count(groups: int, holdout_share: Fraction) -> int:
    wanted = int(groups * holdout_share + Fraction(1, 2))
    if groups == 1:
        return wanted
    return min(max(wanted, 1), groups - 1)


def _place(group: str) -> bytes:
    return hashlib.sha256(group.encode()).digest()
