"""Types of entities: a variant may not buy its gain with one of them, which the judge rejects."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from devops_agent.synthesis.port import CaseScore, DevCase

Entity = tuple[str, str]


def worsening(
    cases: Sequence[DevCase], before: Mapping[str, CaseScore], after: Mapping[str, CaseScore]
) -> float:
    """Return how much F1 types lose, each weighted by the cases that name it.

    Values are compared as they are written; the judge normalizes them first. Zero where cases say
    nothing of entities.
    """
    named = [case for case in cases if case.id in before and case.id in after and _wanted(case)]
    weights = Counter(kind for case in named for kind in {kind for kind, _ in _wanted(case)})
    old, new = _f1_of_types(named, before), _f1_of_types(named, after)
    return sum(weight * max(0.0, old[kind] - new[kind]) for kind, weight in weights.items())


def _f1_of_types(
    cases: Sequence[DevCase], scores: Mapping[str, CaseScore]
) -> defaultdict[str, float]:
    right: Counter[str] = Counter()
    both: Counter[str] = Counter()
    for case in cases:
        wanted = Counter(_wanted(case))
        claimed = Counter(_claimed(scores[case.id].output))
        for found, times in (wanted & claimed).items():
            right[found[0]] += times
        for entities in (wanted, claimed):
            for entity, times in entities.items():
                both[entity[0]] += times
    found_f1 = {kind: 2 * right[kind] / total for kind, total in both.items()}
    return defaultdict(float, found_f1)


def _wanted(case: DevCase) -> list[Entity]:
    listed = case.expectation.get("entities") if isinstance(case.expectation, dict) else None
    return list(_entities(listed)) if isinstance(listed, list) else []


def _claimed(output: Any) -> list[Entity]:
    """Return the entities in the first list of an output that holds any."""
    if isinstance(output, list):
        found = list(_entities(output))
        return found or next(filter(None, map(_claimed, output)), [])
    if isinstance(output, dict):
        return next(filter(None, map(_claimed, output.values())), [])
    return []


def _entities(listed: Sequence[Any]) -> Iterator[Entity]:
    for item in listed:
        if isinstance(item, dict) and {"type", "value"} <= set(item):
            yield str(item["type"]), str(item["value"])
