"""Expressions: one of the function's own in the place of another."""

import ast
from collections.abc import Iterator, Mapping

from devops_agent.synthesis.edits.kinds import ANY, LIST, NUMBER, TEXT
from devops_agent.synthesis.edits.site import Site
from devops_agent.synthesis.source import Edit

MAX_COMPONENTS = 16
"""Expressions tried in the place of one."""

MAX_AFFIX_CHARACTERS = 3
"""Longer strings of a function are no punctuation that a result lacks."""

_OPERATORS: Mapping[str, tuple[str, ...]] = {
    NUMBER: ("+", "-", "*", "/", "//", "%"),
    TEXT: ("+",),
    LIST: ("+",),
    ANY: ("+", "-"),
}
_REPLACED = (
    ast.Name,
    ast.Constant,
    ast.Attribute,
    ast.Subscript,
    ast.Call,
    ast.BinOp,
    ast.UnaryOp,
    ast.List,
    ast.IfExp,
)


def propose(site: Site) -> Iterator[Edit]:
    """Propose expressions of the function for each other, and added operands."""
    for node in site.expressions:
        if isinstance(node, _REPLACED):
            yield from _replaced(site, node)
            yield from _extended(site, node)


def _replaced(site: Site, node: ast.expr) -> Iterator[Edit]:
    if isinstance(site.module.parents.get(node), ast.Expr):
        return
    kind = site.kind(node)
    text = site.module.text(node)
    inner = {site.module.text(child) for child in ast.iter_child_nodes(node) if _has_place(child)}
    place = 0
    for component in site.components_at(node):
        if component.text == text or place >= MAX_COMPONENTS:
            continue
        same = kind == component.kind or ANY in (kind, component.kind)
        if not same or (isinstance(node, ast.Name) and component.text in site.names):
            continue  # `names` proposes plain names already
        cost = 1.8 if component.text in inner else 2.2 + 0.03 * place
        yield site.replace(node, component.text, "expression", cost)
        place += 1


def _has_place(node: ast.AST) -> bool:
    return isinstance(node, ast.expr)


def _extended(site: Site, node: ast.expr) -> Iterator[Edit]:
    """Add an operand: ``total`` becomes ``total + x``."""
    parent = site.module.parents.get(node)
    if not isinstance(parent, ast.Return | ast.Assign | ast.AugAssign | ast.Call | ast.Compare):
        return
    kind = site.kind(node)
    operators = _OPERATORS.get(kind, ())
    text = site.module.text(node)
    place = 0
    for component in site.components_at(node):
        if component.kind == kind and component.text != text and place < MAX_COMPONENTS:
            for operator in operators:
                grown = f"{text} {operator} {component.text}"
                yield site.replace(node, grown, "added operand", 2.8 + 0.05 * place)
            if kind in (TEXT, LIST):
                yield site.replace(
                    node, f"{component.text} + {text}", "added operand", 2.8 + 0.05 * place
                )
            place += 1
    if kind == TEXT:
        strings = [value for value in site.constants if isinstance(value, str) and value]
        for string in [value for value in strings if len(value) <= MAX_AFFIX_CHARACTERS]:
            yield site.replace(node, f"{text} + {string!r}", "added operand", 2.8)
            yield site.replace(node, f"{string!r} + {text}", "added operand", 2.8)
