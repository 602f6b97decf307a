"""Operators: comparison, boolean, arithmetic, assignment, unary."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from devops_agent.synthesis.edits.site import Site, numeric
from devops_agent.synthesis.source import Edit, is_atomic

_COMPARISONS = {
    "<": {"<=": 1.0, ">": 1.2, ">=": 1.5, "==": 2.0, "!=": 2.0},
    "<=": {"<": 1.0, ">=": 1.2, ">": 1.5, "==": 2.0, "!=": 2.5},
    ">": {">=": 1.0, "<": 1.2, "<=": 1.5, "==": 2.0, "!=": 2.0},
    ">=": {">": 1.0, "<=": 1.2, "<": 1.5, "==": 2.0, "!=": 2.5},
    "==": {"!=": 1.0, ">=": 1.4, "<=": 1.4, ">": 1.6, "<": 1.6, "in": 2.5, "is": 4.0},
    "!=": {"==": 1.0, ">": 1.4, "<": 1.4, ">=": 1.6, "<=": 1.6, "not in": 2.5},
    "in": {"not in": 1.0, "==": 2.0},
    "not in": {"in": 1.0, "!=": 2.0},
    "is": {"is not": 1.0, "==": 2.0},
    "is not": {"is": 1.0, "!=": 2.0},
}
_ARITHMETIC = {
    "+": {"-": 1.0, "*": 1.4, "//": 3.0, "%": 3.0},
    "-": {"+": 1.0, "*": 2.0, "%": 3.0},
    "*": {"+": 1.2, "/": 1.4, "//": 1.4, "**": 1.4, "-": 2.0, "%": 3.0},
    "/": {"//": 1.0, "*": 1.2, "%": 1.4, "-": 3.0},
    "//": {"/": 1.0, "%": 1.0, "*": 1.4, "-": 3.0},
    "%": {"//": 1.0, "/": 1.2, "*": 2.0, "-": 3.0, "+": 3.0},
    "**": {"*": 1.0},
    "&": {"|": 1.0, "^": 1.4, "-": 2.0},
    "|": {"&": 1.0, "^": 1.4, "-": 2.0},
    "^": {"|": 1.0, "&": 1.0, "**": 1.4},
    "<<": {">>": 1.0},
    ">>": {"<<": 1.0},
}
_ASSIGNMENTS = {
    "+=": {"-=": 1.0, "=": 1.2, "*=": 1.4},
    "-=": {"+=": 1.0, "=": 1.2},
    "*=": {"+=": 1.2, "/=": 1.4, "//=": 1.4, "=": 1.4, "**=": 2.0},
    "/=": {"//=": 1.0, "*=": 1.2, "=": 2.0},
    "//=": {"/=": 1.0, "%=": 1.2, "-=": 1.4, "*=": 1.4, "=": 2.0},
    "%=": {"//=": 1.0, "=": 2.0},
    "|=": {"&=": 1.0, "=": 1.2},
    "&=": {"|=": 1.0, "=": 1.2},
    "=": {"+=": 1.4, "-=": 2.5, "*=": 2.5, "|=": 3.0},
}
_ORDERINGS = ("<", "<=", ">", ">=")
_TOKEN = re.compile(rb"not\s+in\b|is\s+not\b|\*\*|//|<<|>>|<=|>=|==|!=|in\b|is\b|[-+*/%&|^<>]")
_BOOLEAN = re.compile(rb"\b(and|or)\b")
_ASSIGNMENT = re.compile(rb"(\*\*|//|<<|>>|[-+*/%&|^])?=")


@dataclass(frozen=True, kw_only=True)
class _Swaps:
    """Operators that may stand for each other, and how to find one between its operands."""

    token: re.Pattern[bytes]
    costs: Mapping[str, Mapping[str, float]]
    family: str


_COMPARED = _Swaps(token=_TOKEN, costs=_COMPARISONS, family="comparison operator")
_CALCULATED = _Swaps(token=_TOKEN, costs=_ARITHMETIC, family="arithmetic operator")
_ASSIGNED = _Swaps(token=_ASSIGNMENT, costs=_ASSIGNMENTS, family="assignment")


def propose(site: Site) -> Iterator[Edit]:
    """Propose other operators, dropped or swapped operands, and other groupings."""
    for node in site.nodes:
        match node:
            case ast.Compare():
                yield from _comparison(site, node)
            case ast.BoolOp():
                yield from _boolean(site, node)
            case ast.BinOp():
                yield from _arithmetic(site, node)
                yield from _grouping(site, node)
            case ast.AugAssign(target=target, value=value):
                yield from _swapped_token(site, target, value, _ASSIGNED)
            case ast.Assign(targets=[ast.Name() | ast.Subscript() as target], value=value):
                yield from _swapped_token(site, target, value, _ASSIGNED)
            case ast.UnaryOp(operand=operand):
                yield site.replace(node, site.module.text(operand), "unary operator", 1.2)
            case ast.Name() | ast.Call() | ast.Subscript() if site.is_value(node):
                if numeric(site.kind(node)) and _is_operand(site, node):
                    yield site.replace(node, f"-{site.module.text(node)}", "unary operator", 3.0)


def _is_operand(site: Site, node: ast.AST) -> bool:
    return isinstance(
        site.module.parents.get(node),
        ast.BinOp | ast.Compare | ast.Return | ast.Assign | ast.AugAssign | ast.Call,
    )


def _swapped_token(site: Site, left: ast.AST, right: ast.AST, swaps: _Swaps) -> Iterator[Edit]:
    start, end = site.module.between(left, right)
    found = swaps.token.search(site.module.data[start:end])
    if found is None:
        return
    token = " ".join(found.group().decode().split())
    line = getattr(left, "end_lineno", 1)
    for other, cost in swaps.costs.get(token, {}).items():
        yield site.splice(
            start + found.start(), start + found.end(), other, swaps.family, cost, line=line
        )


def _comparison(site: Site, node: ast.Compare) -> Iterator[Edit]:
    operands = [node.left, *node.comparators]
    for left, right in pairwise(operands):
        ordered = numeric(site.kind(left)) or numeric(site.kind(right))
        for edit in _swapped_token(site, left, right, _COMPARED):
            dearer = edit.text in _ORDERINGS and not ordered
            yield replace(edit, cost=edit.cost + 1.5) if dearer else edit
    if len(operands) == 2:  # noqa: PLR2004 - a plain comparison
        if not isinstance(node.ops[0], ast.Eq | ast.NotEq):
            swapped = _swapped(site, operands[0], operands[1])
            yield site.replace(node, swapped, "swapped operands", 2.0)
    else:
        for index in range(len(operands)):
            rest = operands[:index] + operands[index + 1 :]
            if index in (0, len(operands) - 1):
                start, end = site.module.span(rest[0])[0], site.module.span(rest[-1])[1]
                text = site.module.data[start:end].decode()
                yield site.replace(node, text, "dropped operand", 2.0)


def _boolean(site: Site, node: ast.BoolOp) -> Iterator[Edit]:
    for left, right in pairwise(node.values):
        start, end = site.module.between(left, right)
        found = _BOOLEAN.search(site.module.data[start:end])
        if found is not None:
            other = "or" if found.group() == b"and" else "and"
            yield site.splice(
                start + found.start(),
                start + found.end(),
                other,
                "boolean operator",
                1.0,
                line=getattr(left, "end_lineno", node.lineno),
            )
    word = " and " if isinstance(node.op, ast.And) else " or "
    texts = [site.module.text(value) for value in node.values]
    for index in range(len(texts)):
        rest = word.join(texts[:index] + texts[index + 1 :])
        yield site.replace(node, rest, "dropped operand", 1.5)
    for index, value in enumerate(node.values):
        if not isinstance(value, ast.UnaryOp | ast.Compare):
            yield site.replace(value, f"not {texts[index]}", "negation", 1.4)


def _arithmetic(site: Site, node: ast.BinOp) -> Iterator[Edit]:
    yield from _swapped_token(site, node.left, node.right, _CALCULATED)
    left, right = site.module.text(node.left), site.module.text(node.right)
    yield site.replace(node, left, "dropped operand", 1.5)
    yield site.replace(node, right, "dropped operand", 1.5)
    swapped = _swapped(site, node.left, node.right)
    yield site.replace(node, swapped, "swapped operands", 1.4)
    if isinstance(node.op, ast.Add | ast.Sub) and numeric(site.kind(node)):
        yield site.replace(node, f"abs({site.module.text(node)})", "wrapped call", 1.8)


def _grouping(site: Site, node: ast.BinOp) -> Iterator[Edit]:
    """Move parentheses: ``a + b * c`` against ``(a + b) * c``."""
    outer = _operator(site, node.left, node.right)
    if isinstance(node.right, ast.BinOp):
        inner = _operator(site, node.right.left, node.right.right)
        parts = (node.left, node.right.left, node.right.right)
        first, second, third = (_enclosed(site, part) for part in parts)
        regrouped = f"({first} {outer} {second}) {inner} {third}"
        yield site.replace(node, regrouped, "grouping", 1.8)
    if isinstance(node.left, ast.BinOp):
        inner = _operator(site, node.left.left, node.left.right)
        parts = (node.left.left, node.left.right, node.right)
        first, second, third = (_enclosed(site, part) for part in parts)
        regrouped = f"{first} {inner} ({second} {outer} {third})"
        yield site.replace(node, regrouped, "grouping", 1.8)


def _operator(site: Site, left: ast.expr, right: ast.expr) -> str:
    found = _TOKEN.search(site.module.data[slice(*site.module.between(left, right))])
    return found.group().decode() if found else "+"


def _swapped(site: Site, left: ast.expr, right: ast.expr) -> str:
    operands = [_enclosed(site, operand) for operand in (right, left)]
    return f" {_operator(site, left, right)} ".join(operands)


def _enclosed(site: Site, node: ast.expr) -> str:
    text = site.module.text(node)
    return text if is_atomic(text) else f"({text})"
