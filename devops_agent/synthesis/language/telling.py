"""Which cases a model is shown: few, each of which tells something that the others do not."""

from collections.abc import Mapping, Sequence

from devops_agent.synthesis.language.excerpts import compact_json
from devops_agent.synthesis.port import CaseScore, DevCase, Json
from devops_agent.synthesis.symptoms import Dictionary, symptoms
from devops_agent.synthesis.workbench import EPSILON

MAX_CONSIDERED = 400
"""Failing cases, in the dataset's order: each is compared with each."""


def telling_failures(
    cases: Sequence[DevCase], scores: Mapping[str, CaseScore], dictionary: Dictionary
) -> Sequence[DevCase]:
    """Order the failing cases by what each adds to those before it.

    New symptoms count first, then new groups, then cases that alone reject a candidate, then how
    much is lost, then brevity.
    """
    failing = [case for case in cases if scores[case.id].loss > EPSILON][:MAX_CONSIDERED]
    labels = {
        case.id: {f"{case.type}:{label}" for label in symptoms(dictionary, case, scores[case.id])}
        or {case.type}
        for case in failing
    }
    size = {case.id: len(compact_json(case.input)) for case in failing}
    seen: set[str] = set()
    groups: set[str] = set()
    ordered: list[DevCase] = []
    while failing:
        best = max(
            failing,
            key=lambda case: (
                len(labels[case.id] - seen),
                case.group not in groups,
                scores[case.id].hard,
                scores[case.id].loss,
                -size[case.id],
            ),
        )
        failing.remove(best)
        ordered.append(best)
        seen |= labels[best.id]
        groups.add(best.group)
    return ordered


def telling_passes(cases: Sequence[DevCase], scores: Mapping[str, CaseScore]) -> Sequence[DevCase]:
    """Return the shortest passing case of each type: what must keep working."""
    shortest: dict[str, DevCase] = {}
    for case in cases:
        if scores[case.id].loss > EPSILON:
            continue
        known = shortest.get(case.type)
        if known is None or _size(case) < _size(known):
            shortest[case.type] = case
    return list(shortest.values())


def described(case: DevCase, score: CaseScore) -> Json:
    """Return what a model is told of a case and of what came out of it."""
    came_out = {"output": score.output} if score.error is None else {"error": score.error}
    return {
        "case": case.id,
        "type": case.type,
        "input": case.input,
        "expectation": case.expectation,
        "loss": round(score.loss, 4),
        "rejects_alone": score.hard,
        **came_out,
    }


def _size(case: DevCase) -> int:
    return len(compact_json(case.input))
