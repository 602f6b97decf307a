"""Statements: deleted, exchanged, moved into or out of a block, and other ways to leave one."""

import ast
import textwrap
from collections.abc import Iterator, Sequence

from devops_agent.synthesis.edits.site import Site
from devops_agent.synthesis.source import Edit

_INDENT = "    "
_COMPOUND = (ast.For, ast.While, ast.If, ast.With, ast.Try)


def propose(site: Site) -> Iterator[Edit]:
    """Propose deletions, exchanges and moves of statements, and other exits."""
    for block in site.blocks():
        for index, statement in enumerate(block):
            if isinstance(statement, ast.FunctionDef | ast.ClassDef) or _is_docstring(statement):
                continue
            yield from _deleted(site, block, statement)
            yield from _exits(site, statement)
            yield from _kept(site, statement)
            if index + 1 < len(block):
                yield from _exchanged(site, statement, block[index + 1])
                yield from _pulled_in(site, statement, block[index + 1])
            if isinstance(statement, _COMPOUND):
                yield from _pushed_out(site, statement)
                yield from _unwrapped(site, statement)


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def lines_of(site: Site, statement: ast.stmt) -> tuple[int, int] | None:
    """Return the byte range of a statement's whole lines; None when it shares a line."""
    start, end = site.module.span(statement)
    line_start = site.module.data.rfind(b"\n", 0, start) + 1
    line_end = site.module.data.find(b"\n", end) + 1 or len(site.module.data)
    rest = site.module.data[end:line_end].strip()
    if site.module.data[line_start:start].strip() or (rest and not rest.startswith(b"#")):
        return None
    return line_start, line_end


def _deleted(site: Site, block: Sequence[ast.stmt], statement: ast.stmt) -> Iterator[Edit]:
    start, end = site.module.span(statement)
    if site.module.data[start : start + 4] == b"elif":
        return
    lines = lines_of(site, statement)
    if len(block) > 1 and lines is not None:
        yield site.splice(*lines, "", "deleted statement", 1.4, line=statement.lineno)
    elif not isinstance(statement, ast.Pass):
        yield site.splice(start, end, "pass", "deleted statement", 1.4, line=statement.lineno)


def _exits(site: Site, statement: ast.stmt) -> Iterator[Edit]:
    options: tuple[str, ...] = ()
    match statement:
        case ast.Break():
            options = ("continue", "pass")
        case ast.Continue():
            options = ("break", "pass")
        case ast.Pass():
            options = ("continue", "break")
        case ast.Return(value=value):
            options = ("return None",)
            if site.loop_of(statement) is not None:
                options = ("continue", "break")
            names = [f"return {name}" for name in site.names]
            results = [f"return {result}" for result in site.vocabulary.results]
            if value is not None and not isinstance(value, ast.Name):
                options = (*options, *names)
            options = (*options, *results)
    start, end = site.module.span(statement)
    for text in dict.fromkeys(options):
        yield site.splice(start, end, text, "exit", 1.6, line=statement.lineno)


def _kept(site: Site, statement: ast.stmt) -> Iterator[Edit]:
    """Return a value that is computed and dropped, or give it to the name that it came from."""
    if not isinstance(statement, ast.Expr) or isinstance(statement.value, ast.Yield | ast.Await):
        return
    start, end = site.module.span(statement)
    text = site.module.text(statement.value)
    is_call = isinstance(statement.value, ast.Call)
    cost = 2.0 if is_call else 1.0  # a call may have been meant for what it does
    options = [f"return {text}"]
    match statement.value:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name))):
            options.append(f"{name} = {text}")
    for option in options:
        yield site.splice(start, end, option, "kept value", cost, line=statement.lineno)


def _exchanged(site: Site, first: ast.stmt, second: ast.stmt) -> Iterator[Edit]:
    upper, lower = lines_of(site, first), lines_of(site, second)
    if upper is None or lower is None:
        return
    data = site.module.data
    text = data[lower[0] : lower[1]] + data[upper[1] : lower[0]] + data[upper[0] : upper[1]]
    if not data[lower[0] : lower[1]].endswith(b"\n"):
        text = data[lower[0] : lower[1]] + b"\n" + data[upper[0] : upper[1]]
    yield site.splice(
        upper[0], lower[1], text.decode(), "exchanged statements", 1.8, line=first.lineno
    )


def _reindented(site: Site, lines: tuple[int, int], indent: str) -> str:
    text = site.module.data[lines[0] : lines[1]].decode().rstrip("\n")
    return textwrap.indent(textwrap.dedent(text), indent) + "\n"


def _pushed_out(site: Site, compound: ast.stmt) -> Iterator[Edit]:
    """Move the last statement of a block to behind the block."""
    body = getattr(compound, "orelse", None) or getattr(compound, "body", [])
    if not body or not site.begins_line(compound):
        return
    lines = lines_of(site, body[-1])
    if lines is None:
        return
    moved = _reindented(site, lines, site.module.indent(compound))
    if len(body) == 1:
        moved = f"{site.module.indent(body[-1])}pass\n{moved}"
    yield site.splice(*lines, moved, "moved statement", 1.7, line=body[-1].lineno)


def _pulled_in(site: Site, compound: ast.stmt, following: ast.stmt) -> Iterator[Edit]:
    """Move the statement behind a block to the end of the block, and of the blocks in it."""
    lines = lines_of(site, following)
    if lines is None or not site.begins_line(compound):
        return
    depth = site.module.indent(compound)
    inner: ast.stmt = compound
    while isinstance(inner, _COMPOUND):
        body = getattr(inner, "orelse", None) or inner.body
        last_lines = lines_of(site, body[-1])
        if last_lines is None:
            return
        depth = site.module.indent(body[-1])
        moved = _reindented(site, lines, depth)
        between = site.module.data[last_lines[1] : lines[0]].decode()
        if not between.strip():
            yield site.splice(
                last_lines[1], lines[1], moved, "moved statement", 1.7, line=following.lineno
            )
        inner = body[-1]


def _unwrapped(site: Site, compound: ast.stmt) -> Iterator[Edit]:
    """Keep the body of a condition without the condition."""
    if not isinstance(compound, ast.If) or not site.begins_line(compound) or compound.orelse:
        return
    first, last = lines_of(site, compound.body[0]), lines_of(site, compound.body[-1])
    whole = lines_of(site, compound)
    if first is None or last is None or whole is None:
        return
    body = _reindented(site, (first[0], last[1]), site.module.indent(compound))
    yield site.splice(*whole, body, "dropped condition", 1.9, line=compound.lineno)
