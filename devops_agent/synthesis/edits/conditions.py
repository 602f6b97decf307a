"""Conditions: negated, forced, strengthened, weakened; branches taken or exchanged."""

import ast
from collections.abc import Iterator

from devops_agent.synthesis.edits.predicates import predicates
from devops_agent.synthesis.edits.site import Site
from devops_agent.synthesis.source import Edit, is_atomic


def propose(site: Site) -> Iterator[Edit]:
    """Propose other conditions for tests, filters, loops and conditional expressions."""
    for node in site.nodes:
        match node:
            case ast.If(test=test):
                yield from _test(site, test)
                yield from _chained(site, node)
            case ast.While(test=test):
                yield from _test(site, test)
                start = site.module.span(node)[0]
                yield site.splice(start, start + len("while"), "if", "loop", 2.5, line=node.lineno)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                yield from _test(site, test)
                text = site.module.text
                swapped = f"{text(orelse)} if {text(test)} else {text(body)}"
                yield site.replace(node, swapped, "swapped branches", 1.2)
                yield site.replace(node, text(body), "dropped branch", 2.0)
                yield site.replace(node, text(orelse), "dropped branch", 2.0)
            case ast.comprehension():
                yield from _filter(site, node)
            case ast.Return(value=ast.expr() as value):
                if isinstance(value, ast.Compare | ast.BoolOp | ast.Call) or (
                    isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.Not)
                ):
                    yield from _strengthened(site, value, 3.4)


def _test(site: Site, test: ast.expr) -> Iterator[Edit]:
    text = site.module.text(test)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        yield site.replace(test, site.module.text(test.operand), "negation", 1.1)
    else:
        negated = f"not {text}" if is_atomic(text) else f"not ({text})"
        yield site.replace(test, negated, "negation", 1.3)
    yield site.replace(test, "True", "forced condition", 1.8)
    yield site.replace(test, "False", "forced condition", 1.8)
    yield from _strengthened(site, test, 2.8)
    if isinstance(test, ast.BoolOp):
        for operand in test.values:
            yield from _substituted(site, operand)
    else:
        yield from _substituted(site, test)


def _strengthened(site: Site, test: ast.expr, cost: float) -> Iterator[Edit]:
    text = site.module.text(test)
    whole_and = text if not isinstance(test, ast.BoolOp | ast.IfExp) else f"({text})"
    is_and = isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And)
    whole_or = text if not isinstance(test, ast.IfExp) else f"({text})"
    for place, condition in enumerate(predicates(site, test)):
        if condition == text:
            continue
        dearer = cost + 0.01 * place
        conjunct = text if is_and else whole_and
        yield site.replace(test, f"{conjunct} and {condition}", "strengthened condition", dearer)
        yield site.replace(test, f"{whole_or} or {condition}", "weakened condition", dearer)


def _substituted(site: Site, test: ast.expr) -> Iterator[Edit]:
    text = site.module.text(test)
    for place, condition in enumerate(predicates(site, test)):
        if condition != text:
            yield site.replace(test, condition, "other condition", 3.0 + 0.01 * place)


def _filter(site: Site, node: ast.comprehension) -> Iterator[Edit]:
    line = node.target.lineno
    for condition in node.ifs:
        yield from _test(site, condition)
        start, end = site.module.span(condition)
        keyword = site.module.data.rfind(b"if", 0, start)
        if keyword > 0:
            yield site.splice(keyword, end, "", "dropped filter", 1.6, line=line)
    if not node.ifs:
        end = site.module.span(node.iter)[1]
        for place, addition in enumerate(predicates(site, node.target)):
            yield site.splice(
                end, end, f" if {addition}", "added filter", 2.8 + 0.01 * place, line=line
            )


def _chained(site: Site, node: ast.If) -> Iterator[Edit]:
    """Turn ``elif`` into ``if`` and back."""
    start = site.module.span(node)[0]
    if site.module.data[start : start + 4] == b"elif":
        yield site.splice(start, start + 4, "if", "branching", 1.8, line=node.lineno)
    elif site.begins_line(node):
        for block in site.blocks():
            if node in block and block.index(node) > 0:
                previous = block[block.index(node) - 1]
                if isinstance(previous, ast.If) and not previous.orelse:
                    yield site.splice(start, start, "el", "branching", 1.8, line=node.lineno)
