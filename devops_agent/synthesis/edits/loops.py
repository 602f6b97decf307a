"""Loops and selections: first against all, last against all, once against every time."""

import ast
import textwrap
from collections.abc import Iterator
from itertools import pairwise

from devops_agent.synthesis.edits.kinds import ANY, LIST
from devops_agent.synthesis.edits.site import Site
from devops_agent.synthesis.edits.statements import lines_of
from devops_agent.synthesis.source import Edit

_FIRST_MATCH = ("search", "match", "fullmatch")


def propose(site: Site) -> Iterator[Edit]:
    """Propose visiting all matches or elements where one was taken, and dropping repeats."""
    for block in site.blocks():
        for first, second in pairwise(block):
            if isinstance(first, ast.Assign) and isinstance(second, ast.If):
                yield from _every_match(site, first, second)
    for node in site.nodes:
        match node:
            case ast.If(test=ast.NamedExpr()):
                yield from _every_named_match(site, node)
            case (
                ast.Subscript(slice=ast.Constant(value=0 | -1))
                | ast.Subscript(slice=ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=1)))
            ):
                yield from _joined(site, node)
                yield from _whole(site, node)
            case ast.Call(func=ast.Attribute(attr="append", value=target), args=[value]):
                yield from _without_repeats(site, node, target, value)
            case ast.Return(value=ast.expr() as value) if site.kind(value) in (LIST, ANY):
                text = site.module.text(value)
                if not isinstance(value, ast.Constant | ast.Dict | ast.Compare):
                    unique = f"list(dict.fromkeys({text}))"
                    yield site.replace(value, unique, "dropped repeats", 2.0)


def _searched(call: ast.expr) -> ast.Attribute | None:
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
        return call.func if call.func.attr in _FIRST_MATCH else None
    return None


def _iterated(site: Site, call: ast.expr, method: ast.Attribute) -> str:
    start, end = site.module.span(call)
    cut = site.module.span(method)[1] - len(method.attr)
    rest = site.module.data[cut + len(method.attr) : end].decode()
    return f"{site.module.data[start:cut].decode()}finditer{rest}"


def _every_match(site: Site, first: ast.Assign, second: ast.If) -> Iterator[Edit]:
    """Turn ``m = p.search(t)`` and ``if m:`` into ``for m in p.finditer(t):``."""
    method = _searched(first.value)
    target = first.targets[0]
    if method is None or not isinstance(target, ast.Name) or second.orelse:
        return
    tested = {node.id for node in ast.walk(second.test) if isinstance(node, ast.Name)}
    if target.id not in tested:
        return
    start, end = site.module.span(first)[0], site.module.span(second.test)[1]
    header = f"for {target.id} in {_iterated(site, first.value, method)}"
    if not isinstance(second.test, ast.Name):
        lines = lines_of(site, second)
        if lines is None:
            return
        inner = textwrap.indent(site.module.text(second), "    ")
        text = f"{header}:\n{site.module.indent(second)}{inner}"
        yield site.splice(
            start, site.module.span(second)[1], text, "all matches", 1.6, line=first.lineno
        )
    yield site.splice(start, end, header, "all matches", 1.6, line=first.lineno)


def _every_named_match(site: Site, node: ast.If) -> Iterator[Edit]:
    test = node.test
    if not isinstance(test, ast.NamedExpr) or node.orelse:
        return
    method = _searched(test.value)
    if method is not None:
        start, end = site.module.span(node)[0], site.module.span(test)[1]
        closing = site.module.data[end : end + 1] == b")"
        header = f"for {test.target.id} in {_iterated(site, test.value, method)}"
        yield site.splice(start, end + closing, header, "all matches", 1.6, line=node.lineno)


def _joined(site: Site, node: ast.Subscript) -> Iterator[Edit]:
    """Read all elements where only the first or last was read: ``m[-1]["text"]``."""
    text = site.module.text
    base = text(node.value)
    projection: ast.expr = node
    parent = site.module.parents.get(projection)
    while isinstance(parent, ast.Subscript | ast.Attribute) and parent.value is projection:
        projection = parent
        parent = site.module.parents.get(projection)
    if isinstance(parent, ast.Call) and parent.func is projection:
        return
    start = site.module.span(node)[1]
    path = site.module.data[start : site.module.span(projection)[1]].decode()
    for glue in ("' '", r"'\n'"):
        every = f"{glue}.join(item{path} for item in {base})"
        yield site.replace(projection, every, "all elements", 2.2)
    yield site.replace(projection, f"[item{path} for item in {base}]", "all elements", 2.4)


def _whole(site: Site, node: ast.Subscript) -> Iterator[Edit]:
    parent = site.module.parents.get(node)
    if isinstance(parent, ast.List) and len(parent.elts) == 1:
        yield site.replace(parent, site.module.text(node.value), "all elements", 1.8)


def _without_repeats(
    site: Site, node: ast.Call, target: ast.expr, value: ast.expr
) -> Iterator[Edit]:
    statement = site.module.parents.get(node)
    if not isinstance(statement, ast.Expr):
        return
    condition = f"{site.module.text(value)} not in {site.module.text(target)}"
    inner = site.module.text(node).replace("\n", "\n    ")
    text = f"if {condition}:\n{site.module.indent(statement)}    {inner}"
    start, end = site.module.span(statement)
    if site.begins_line(statement):
        yield site.splice(start, end, text, "dropped repeats", 2.0, line=node.lineno)
