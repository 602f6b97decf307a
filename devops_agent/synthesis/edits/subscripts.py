"""Subscripts: indices, slices and ranges that are off by one, swapped, too short or too long."""

import ast
from collections.abc import Iterator

from devops_agent.synthesis.edits.kinds import LIST, NUMBER, TEXT
from devops_agent.synthesis.edits.site import Site
from devops_agent.synthesis.source import Edit


def propose(site: Site) -> Iterator[Edit]:
    """Propose other indices, slice bounds and range arguments."""
    for node in site.nodes:
        match node:
            case ast.Subscript(slice=ast.Slice()):
                yield from _slice(site, node)
            case ast.Subscript():
                yield from _index(site, node)
            case ast.Call(func=ast.Name(id="range")):
                yield from _range(site, node)
            case (
                ast.For(target=ast.Tuple(elts=[first, second]))
                | ast.comprehension(target=ast.Tuple(elts=[first, second]))
                | ast.Assign(targets=[ast.Tuple(elts=[first, second])])
            ):
                yield from _swapped_targets(site, first, second)
    for node in site.expressions:
        kind = site.kind(node)
        if isinstance(node, ast.Name | ast.Attribute) and kind in (LIST, TEXT):
            if not isinstance(site.module.parents.get(node), ast.Subscript):
                yield from _sliced(site, node)
        elif isinstance(node, ast.Name | ast.Call | ast.BinOp) and kind == NUMBER:
            yield from _off_by_one(site, node)


def _off_by_one(site: Site, node: ast.expr) -> Iterator[Edit]:
    text = site.module.text(node)
    cost = 1.3 if isinstance(node, ast.Call) else 1.6
    yield site.replace(node, f"{text} + 1", "off by one", cost)
    yield site.replace(node, f"{text} - 1", "off by one", cost)


def _index(site: Site, node: ast.Subscript) -> Iterator[Edit]:
    text = site.module.text
    index = node.slice
    for changed, cost in _other_indices(index, text(index)):
        yield site.replace(index, changed, "index", cost)
    if isinstance(node.ctx, ast.Load):
        yield site.replace(node, text(node.value), "dropped index", 2.0)
        if not isinstance(index, ast.Tuple):
            for shape in (f"{text(index)}:", f":{text(index)}"):
                yield site.replace(index, shape, "index", 2.4)
    if isinstance(node.value, ast.Subscript) and not isinstance(node.value.slice, ast.Slice):
        base = text(node.value.value)
        swapped = f"{base}[{text(index)}][{text(node.value.slice)}]"
        yield site.replace(node, swapped, "swapped indices", 1.2)


def _other_indices(index: ast.expr, text: str) -> Iterator[tuple[str, float]]:
    match index:
        case ast.Constant(value=int() as value):
            yield from ((str(other), 1.1) for other in (-1, 0, 1, 2) if other != value)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as value)):
            yield from ((str(other), 1.1) for other in (0, -value - 1, -value + 1, value))
        case ast.Name() | ast.BinOp() | ast.Call():
            yield f"{text} - 1", 1.1
            yield f"{text} + 1", 1.1
            yield from ((shape, 2.0) for shape in ("0", "-1"))
            if isinstance(index, ast.Name):
                yield f"-{text}", 2.2
                yield f"-{text} - 1", 2.2


def _slice(site: Site, node: ast.Subscript) -> Iterator[Edit]:
    bounds = node.slice
    if not isinstance(bounds, ast.Slice):
        return
    text = site.module.text
    lower, upper, step = (
        text(part) if part is not None else ""
        for part in (bounds.lower, bounds.upper, bounds.step)
    )
    costs: dict[tuple[str, str, str], float] = {}
    for changed, cost in _bounds(lower, "1"):
        costs.setdefault((changed, upper, step), cost)
    for changed, cost in _bounds(upper, "-1"):
        costs.setdefault((lower, changed, step), cost)
    for changed in ("", "-1", "2"):
        costs.setdefault((lower, upper, changed), 1.4)
    if not lower or not upper:
        costs.setdefault((upper, lower, step), 1.4)
    for bounds_and_step, cost in costs.items():
        if bounds_and_step != (lower, upper, step):
            low, high, stride = bounds_and_step
            shape = f"{low}:{high}" + (f":{stride}" if stride else "")
            yield site.splice(
                site.module.span(node.value)[1],
                site.module.span(node)[1],
                f"[{shape}]",
                "slice",
                cost,
                line=node.lineno,
            )
    if isinstance(node.ctx, ast.Load):
        yield site.replace(node, text(node.value), "slice", 1.2)


def _bounds(bound: str, default: str) -> Iterator[tuple[str, float]]:
    if bound:
        yield f"{bound} + 1", 1.0
        yield f"{bound} - 1", 1.0
        yield "", 1.3
        yield f"-{bound}" if bound.isalnum() else f"-({bound})", 2.0
    else:
        yield default, 1.3


def _sliced(site: Site, node: ast.expr) -> Iterator[Edit]:
    text = site.module.text(node)
    for shape in ("[1:]", "[:-1]", "[::-1]"):
        yield site.replace(node, f"{text}{shape}", "slice", 2.0)
    indices = [name for name in site.names_at(node) if site.kinds.get(name) == NUMBER]
    for name in indices[:4]:
        for shape in (f"[{name}:]", f"[:{name}]", f"[{name} + 1:]", f"[:{name} + 1]", f"[{name}]"):
            yield site.replace(node, f"{text}{shape}", "slice", 2.8)


def _range(site: Site, node: ast.Call) -> Iterator[Edit]:
    arguments = [site.module.text(argument) for argument in node.args]
    costs: dict[tuple[str, ...], float] = {}
    for index, argument in enumerate(arguments):
        for changed in (f"{argument} + 1", f"{argument} - 1"):
            costs[(*arguments[:index], changed, *arguments[index + 1 :])] = 1.0
    match arguments:
        case [stop]:
            costs[("1", stop)] = 1.2
            costs[("1", f"{stop} + 1")] = 1.2
            costs[("2", stop)] = 1.8
            costs[("2", f"{stop} + 1")] = 1.8
            costs[("0", stop, "2")] = 2.0
            costs[("1", stop, "2")] = 2.0
            costs[(f"{stop} - 1", "-1", "-1")] = 2.0
        case [start, stop]:
            costs[(stop,)] = 1.3
            costs[("0", stop)] = 1.6
            costs[("1", stop)] = 1.6
            costs[("2", stop)] = 1.6
            costs[(start, stop, "2")] = 1.8
            costs[(stop, start, "-1")] = 1.8
            costs[(stop, start)] = 2.0
        case [start, stop, step]:
            costs[(start, stop)] = 1.2
            costs[(start, stop, f"-{step}")] = 1.6
            costs[("0", stop, step)] = 1.6
    opening, end = site.module.span(node.func)[1], site.module.span(node)[1]
    for changed_arguments, cost in costs.items():
        text = f"({', '.join(changed_arguments)})"
        yield site.splice(opening, end, text, "range", cost, line=node.lineno)


def _swapped_targets(site: Site, first: ast.expr, second: ast.expr) -> Iterator[Edit]:
    start, end = site.module.span(first)[0], site.module.span(second)[1]
    text = f"{site.module.text(second)}, {site.module.text(first)}"
    yield site.splice(start, end, text, "swapped targets", 1.6, line=first.lineno)
