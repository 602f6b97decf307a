"""Demonstrations to choose from: traces that somebody corrected or praised, and dev cases.

What is shown to the model must not be what the variant is scored on: where traces do not give
enough, some groups of dev cases give demonstrations and the others score.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aem.artifact import Demonstration, compact_json
from devops_agent.synthesis.port import DevCase, SynthesisContext

ENOUGH = 12
"""So many demonstrations from traces leave all dev cases for scoring."""

MOST = 60
"""Demonstrations are shown a handful at a time: more to choose from cannot be tried."""

MAX_CHARACTERS = 2_000
"""Of one demonstration: each is sent with every call."""

SHOWN_SHARE = 0.4
"""Of the dev groups, where they must give demonstrations."""

GOOD_SCORE = 0.8
"""Feedback from which on an output counts as right."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """What there is to show, and what there is to score on.

    Attributes:
        demonstrations: in an order that depends on nothing but their content.
        cases: no demonstration is of one of their groups or inputs; neighbours in the order are
            of different groups, so that the first few are as mixed as all.
    """

    demonstrations: tuple[Demonstration, ...]
    cases: tuple[DevCase, ...]


def gather(context: SynthesisContext, output_schema: Any) -> Material:
    """Split the context into what is shown and what is scored."""
    from_traces = _distinct(_of_traces(context))
    if len(from_traces) >= ENOUGH:
        shown_groups: set[str] = set()
    else:
        groups = sorted({case.group for case in context.dev_cases}, key=_hash)
        shown_groups = set(groups[: int(len(groups) * SHOWN_SHARE)])
    scored = [case for case in context.dev_cases if case.group not in shown_groups]
    scored_inputs = {compact_json(case.input) for case in scored}
    from_cases = [
        Demonstration(input=case.input, output=output)
        for case in context.dev_cases
        if case.group in shown_groups
        and (output := wanted_output(case.expectation, output_schema)) is not None
    ]
    found = [
        each
        for each in _distinct([*from_traces, *from_cases])
        if compact_json(each.input) not in scored_inputs
    ]
    found.sort(key=lambda each: _hash(compact_json([each.input, each.output])))
    return Material(demonstrations=tuple(found[:MOST]), cases=tuple(_mixed(scored)))


def shape_of(output: Any) -> str:
    """Describe an output without its free text, so that a set of demonstrations can vary it."""
    if isinstance(output, dict):
        members = (f"{key}:{_leaf(key, value)}" for key, value in output.items())
        return "{" + ",".join(members) + "}"
    if isinstance(output, list):
        return "[" + ",".join(sorted(map(shape_of, output))) + "]"
    return type(output).__name__


def wanted_output(expectation: Any, output_schema: Any) -> Any | None:
    """Return an output that would satisfy a case, where it says enough; None elsewhere."""
    if not isinstance(expectation, dict):
        return None
    if "expected" in expectation:
        return expectation["expected"]
    if "entities" not in expectation or not isinstance(output_schema, dict):
        return None
    members, required = output_schema.get("properties", {}), output_schema.get("required", [])
    if not isinstance(members, dict) or not isinstance(required, list):
        return None
    lists = [name for name, member in members.items() if _is_entity_list(member)]
    others = {name for name in required if isinstance(name, str)} - set(lists)
    if len(lists) != 1 or not all(_takes_null(members.get(name)) for name in others):
        return None
    return {**dict.fromkeys(sorted(others)), lists[0]: expectation["entities"]}


def _of_traces(context: SynthesisContext) -> list[Demonstration]:
    found = []
    for trace in context.traces:
        feedback = trace.feedback or {}
        if "corrected_output" in feedback:
            found.append(Demonstration(input=trace.input, output=feedback["corrected_output"]))
        elif trace.error is None and _is_good(feedback.get("score")):
            found.append(Demonstration(input=trace.input, output=trace.output))
    return found


def _is_good(score: Any) -> bool:
    return isinstance(score, int | float) and score >= GOOD_SCORE


def _distinct(found: Sequence[Demonstration]) -> list[Demonstration]:
    """Keep the first of each input, and none that is too long or cannot be sent."""
    by_input: dict[str, Demonstration] = {}
    for each in found:
        if _is_showable(each):
            by_input.setdefault(compact_json(each.input), each)
    return list(by_input.values())


def _is_showable(each: Demonstration) -> bool:
    try:
        text = compact_json([each.input, each.output])
        text.encode()
    except (ValueError, RecursionError):  # NaN, or half a character: traces may hold them
        return False
    return len(text) <= MAX_CHARACTERS


def _mixed(cases: Sequence[DevCase]) -> list[DevCase]:
    """Order cases so that the first of every group come first."""
    ordered = sorted(cases, key=lambda case: _hash(case.id))
    seen: Counter[str] = Counter()
    turns = []
    for case in ordered:
        turns.append((seen[case.group], case))
        seen[case.group] += 1
    return [case for _, case in sorted(turns, key=lambda turn: turn[0])]


def _leaf(key: str, value: Any) -> str:
    is_label = key in ("type", "kind", "label") and isinstance(value, str)
    return value if is_label else shape_of(value)


def _is_entity_list(member: Any) -> bool:
    items = member.get("items") if isinstance(member, dict) else None
    members = items.get("properties") if isinstance(items, dict) else None
    return isinstance(members, dict) and {"type", "value"} <= set(members)


def _takes_null(member: Any) -> bool:
    kinds = member.get("type") if isinstance(member, dict) else None
    return kinds == "null" or (isinstance(kinds, list) and "null" in kinds)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
