"""Conditions made of a function's own parts, for guards and for stronger or weaker tests."""

import ast
from collections.abc import Iterator, Sequence

from devops_agent.synthesis.edits.kinds import ANY, DICT, FLAG, LIST, NUMBER, SET, TEXT
from devops_agent.synthesis.edits.site import Component, Site

MAX_PREDICATES = 160
"""Conditions tried at one place, the plainest first."""

_MAX_PARTS = 10
_MAX_NUMBERS = 5
_SIZED = (LIST, TEXT, SET, DICT)


def predicates(site: Site, node: ast.AST) -> Sequence[str]:
    """Return conditions that make sense at a node, each once, the plainest first."""
    found: dict[str, None] = {}
    near = set(site.loop_names_at(node))
    parts = sorted(site.components_at(node), key=lambda part: not part.names & near)[:_MAX_PARTS]
    known = {part.text for part in parts}
    for name in site.names_at(node):
        if name not in known:
            kind = site.kinds.get(name, ANY)
            parts.append(Component(text=name, kind=kind, names=frozenset((name,))))
    for stream in (
        _own_conditions(site, node),
        _unary(parts),
        _pairs(parts),
        _numeric(site, parts),
        _textual(parts),
    ):
        for condition in stream:
            found.setdefault(condition)
    return list(found)[:MAX_PREDICATES]


def _own_conditions(site: Site, node: ast.AST) -> Iterator[str]:
    names = set(site.names_at(node))
    for other in site.expressions:
        if isinstance(other, ast.Compare):
            free = {leaf.id for leaf in ast.walk(other) if isinstance(leaf, ast.Name)}
            if free <= names | (free - set(site.kinds)):
                text = " ".join(site.module.text(other).split())
                yield text
                yield f"not ({text})"


def _unary(parts: Sequence[Component]) -> Iterator[str]:
    for part in parts:
        if part.kind in (*_SIZED, FLAG, ANY):
            yield f"not {_atom(part)}"
            yield part.text
        if part.kind == NUMBER:
            yield f"{part.text} == 0"
            yield f"{part.text} < 0"
            yield f"{part.text} > 0"
        if part.kind == ANY:
            yield f"{part.text} is None"
            yield f"{part.text} is not None"
            yield f"{part.text} == 0"
            yield f"{part.text} > 0"


def _pairs(parts: Sequence[Component]) -> Iterator[str]:
    for place, left in enumerate(parts):
        for right in parts[place + 1 :]:
            if left.kind == right.kind or ANY in (left.kind, right.kind):
                yield f"{left.text} == {right.text}"
                yield f"{left.text} != {right.text}"
            if NUMBER in (left.kind, right.kind) and {left.kind, right.kind} <= {NUMBER, ANY}:
                for operator in ("<", ">", "<=", ">="):
                    yield f"{left.text} {operator} {right.text}"
            for inner, outer in ((left, right), (right, left)):
                if outer.kind == TEXT or (outer.kind in _SIZED and inner.kind != outer.kind):
                    yield f"{inner.text} in {outer.text}"
                    yield f"{inner.text} not in {outer.text}"


def _numeric(site: Site, parts: Sequence[Component]) -> Iterator[str]:
    numbers = [value for value in site.constants if isinstance(value, int | float)]
    values = list(dict.fromkeys([*numbers, 1, 2]))[:_MAX_NUMBERS]
    for part in parts:
        if part.kind == NUMBER:
            yield f"{part.text} % 2 == 0"
            yield f"{part.text} % 2 == 1"
            for value in values:
                for operator in ("==", "<", ">", "<=", ">=", "!="):
                    yield f"{part.text} {operator} {value!r}"
        elif part.kind in (LIST, TEXT, DICT, SET):
            yield f"len({part.text}) == 1"
            yield f"len({part.text}) < 2"
            yield f"len({part.text}) > 1"
            yield f"len({part.text}) % 2 == 0"


def _textual(parts: Sequence[Component]) -> Iterator[str]:
    for part in parts:
        if part.kind in (TEXT, ANY):
            for method in ("isdigit", "isalpha", "isupper", "islower", "isspace", "isalnum"):
                yield f"{_atom(part)}.{method}()"


def _atom(part: Component) -> str:
    return part.text if all(sign not in part.text for sign in " +-*/%") else f"({part.text})"
