"""Insertions: a statement, or a guard with an exit, that the program lacks."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from devops_agent.synthesis.edits.kinds import ANY, DICT, LIST, NUMBER, SET, TEXT
from devops_agent.synthesis.edits.predicates import predicates
from devops_agent.synthesis.edits.site import Site
from devops_agent.synthesis.edits.statements import lines_of
from devops_agent.synthesis.source import Edit

MAX_STATEMENTS = 90
"""Statements tried at one place."""

MAX_GUARDS = 40
"""Conditions tried for one guarded exit at one place."""

MAX_VALUES = 8
"""Expressions that are put into one collection."""

_INDENT = "    "
_EMPTIES = {LIST: "[]", DICT: "{}", SET: "set()", TEXT: "''", NUMBER: "0"}


@dataclass(frozen=True, kw_only=True)
class _Gap:
    """A place between statements.

    Attributes:
        offset: where a line may be inserted.
        indent: the white space that it begins with.
        anchor: a neighbouring statement, for scope and localization.
        in_loop: whether `break` and `continue` are possible.
        closing: whether the block ends here.
    """

    offset: int
    indent: str
    anchor: ast.stmt
    in_loop: bool
    closing: bool


def propose(site: Site) -> Iterator[Edit]:
    """Propose inserted statements and guards at every gap between statements."""
    if not isinstance(site.root, ast.FunctionDef):
        return
    statements = _statements(site)
    for gap in _gaps(site):
        for place, text in enumerate(statements):
            yield _inserted(site, gap, text, "inserted statement", 2.4 + 0.02 * place)
        if gap.in_loop:
            for exit_statement in ("continue", "break"):
                yield _inserted(site, gap, exit_statement, "inserted statement", 2.2)
        yield from _guards(site, gap)


def _gaps(site: Site) -> Iterator[_Gap]:
    for block in site.blocks():
        for statement in block:
            lines = lines_of(site, statement)
            if lines is None or isinstance(statement, ast.FunctionDef | ast.ClassDef):
                continue
            docstring = isinstance(statement, ast.Expr) and isinstance(
                statement.value, ast.Constant
            )
            start = site.module.span(statement)[0]
            chained = site.module.data[start : start + 4] == b"elif"
            in_loop = site.loop_of(statement) is not None
            indent = site.module.indent(statement)
            if not docstring and not chained and statement is not site.root:
                yield _Gap(
                    offset=lines[0],
                    indent=indent,
                    anchor=statement,
                    in_loop=in_loop,
                    closing=False,
                )
            ends = statement is block[-1] and not _leaves(statement) and not chained
            if ends and site.module.data[: lines[1]].endswith(b"\n"):
                yield _Gap(
                    offset=lines[1],
                    indent=indent,
                    anchor=statement,
                    in_loop=in_loop,
                    closing=True,
                )


def _leaves(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Return | ast.Raise | ast.Break | ast.Continue)


def _inserted(site: Site, gap: _Gap, text: str, family: str, cost: float) -> Edit:
    lines = "".join(f"{gap.indent}{line}\n" for line in text.split("\n"))
    return site.splice(gap.offset, gap.offset, lines, family, cost, line=gap.anchor.lineno)


def _statements(site: Site) -> Sequence[str]:
    found: dict[str, None] = {}
    for stream in (_updates(site), _returns(site), _copies(site), _transfers(site)):
        for text in stream:
            found.setdefault(text)
    return list(found)[:MAX_STATEMENTS]


def _updates(site: Site) -> Iterator[str]:
    """What loops forget: counting, collecting, resetting."""
    kinds = site.kinds
    counters = [name for name in site.names if kinds.get(name) == NUMBER]
    for name in counters:
        yield f"{name} += 1"
        yield f"{name} -= 1"
    for name in site.names:
        values = [part.text for part in site.components if part.text != name][:MAX_VALUES]
        yield from _collections(name, kinds.get(name, ANY), values, site.names)
    for name in counters:
        numbers = [part.text for part in site.components if part.kind in (NUMBER, ANY)]
        yield from (f"{name} += {value}" for value in numbers[:4] if value != name)
    for node in site.find(ast.Assign):
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)], value=ast.Constant() | ast.List() as value
            ):
                yield f"{name} = {site.module.text(value)}"
    for name in site.names:
        if kinds.get(name) in _EMPTIES:
            yield f"{name} = {_EMPTIES[kinds[name]]}"


def _collections(
    name: str, kind: str, values: Sequence[str], names: Sequence[str]
) -> Iterator[str]:
    if kind == LIST:
        yield from (f"{name}.append({value})" for value in values)
        yield f"{name}.sort()"
        yield f"{name}.reverse()"
    elif kind == SET:
        yield from (f"{name}.add({value})" for value in values)
    elif kind == TEXT:
        yield from (f"{name} += {value}" for value in values if value in names)
        yield f"{name} = {name}.strip()"
        yield f"{name} = {name}.lower()"


def _returns(site: Site) -> Iterator[str]:
    for name in site.names:
        yield f"return {name}"
    for result in site.vocabulary.results:
        yield f"return {result}"
    if not any(isinstance(node, ast.Return) and node.value for node in site.nodes):
        for name in site.names[:3]:
            for call in ("len", "sum", "sorted", "max", "min", "abs", "set", "list", "str", "int"):
                yield f"return {call}({name})"


def _copies(site: Site) -> Iterator[str]:
    for node in site.nodes:
        if isinstance(node, ast.Assign | ast.AugAssign | ast.Return) or (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        ):
            text = site.module.text(node)
            if "\n" not in text:
                yield text


def _transfers(site: Site) -> Iterator[str]:
    kinds = site.kinds
    for target in site.names:
        for source in site.names:
            same = ANY in (kinds.get(target, ANY), kinds.get(source, ANY))
            if source != target and (same or kinds.get(target) == kinds.get(source)):
                yield f"{target} = {source}"


def _guards(site: Site, gap: _Gap) -> Iterator[Edit]:
    exits: list[str] = []
    if gap.in_loop:
        exits += ["continue", "break"]
    if not gap.closing:
        exits += [f"return {result}" for result in site.vocabulary.results]
        exits += [f"return {name}" for name in site.names[:3]]
    conditions = predicates(site, gap.anchor)[:MAX_GUARDS]
    for exit_statement in exits:
        for place, condition in enumerate(conditions):
            text = f"if {condition}:\n{_INDENT}{exit_statement}"
            yield _inserted(site, gap, text, "inserted guard", 3.6 + 0.02 * place)
