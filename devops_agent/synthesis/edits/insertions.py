"""Insertions: a statement, a condition around one, or a guard with an exit."""

import ast
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
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

MAX_ADAPTED = 40
"""Copies of one statement with other names."""

MAX_COPIED_LINES = 4
MAX_VALUES = 8
"""Expressions that are put into one collection."""

_INDENT = "    "
_COMPOUND = (ast.For, ast.While, ast.If, ast.With, ast.Try)
_CONDITIONED = (ast.Expr, ast.Assign, ast.AugAssign, ast.Return)
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
    yield from _adapted(site)
    yield from _conditioned(site)


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


def _adapted(site: Site) -> Iterator[Edit]:
    """Copy a statement beside itself with other names: the half that symmetric code lacks."""
    for gap in _gaps(site):
        if gap.closing or isinstance(gap.anchor, _COMPOUND):
            continue
        lines = lines_of(site, gap.anchor)
        if lines is None:
            continue
        copy = site.module.data[lines[0] : lines[1]].decode()
        for place, text in enumerate(_renamed(site, gap.anchor, copy)):
            cost = 2.2 + 0.02 * place
            for offset in (lines[1], lines[0]):
                yield site.splice(
                    offset, offset, text, "adapted copy", cost, line=gap.anchor.lineno
                )


def _conditioned(site: Site) -> Iterator[Edit]:
    """Do a statement under a condition only."""
    for block in site.blocks():
        for statement in block:
            lines = lines_of(site, statement)
            if lines is None or not isinstance(statement, _CONDITIONED):
                continue
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                continue
            text = site.module.data[lines[0] : lines[1]].decode()
            body = textwrap.indent(text, _INDENT)
            indent = site.module.indent(statement)
            for place, condition in enumerate(predicates(site, statement)):
                guarded = f"{indent}if {condition}:\n{body}"
                cost = 2.6 + 0.01 * place
                yield site.splice(*lines, guarded, "conditioned", cost, line=statement.lineno)


def _renamed(site: Site, statement: ast.stmt, text: str) -> Iterator[str]:
    used = dict.fromkeys(node.id for node in ast.walk(statement) if isinstance(node, ast.Name))
    swaps = [
        (name, other)
        for name in used
        if name in site.names
        for other in site.names
        if other != name and site.kinds.get(other, ANY) == site.kinds.get(name, ANY)
    ]
    found = dict.fromkeys(_substituted(text, {name: other}) for name, other in swaps)
    for place, (name, other) in enumerate(swaps):
        for second, second_other in swaps[place + 1 :]:
            if second not in (name, other) and second_other != other:
                found.setdefault(_substituted(text, {name: other, second: second_other}))
    yield from list(found)[:MAX_ADAPTED]


def _substituted(text: str, names: Mapping[str, str]) -> str:
    return re.sub(r"\b[A-Za-z_]\w*\b", lambda word: names.get(word.group(), word.group()), text)


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
    """Statements that the function has elsewhere; short conditions with their bodies too."""
    for node in site.nodes:
        is_call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        is_kept = isinstance(node, ast.Assign | ast.AugAssign | ast.Return | ast.If) or is_call
        if isinstance(node, ast.stmt) and is_kept:
            text = site.module.text(node)
            indent = site.module.indent(node)
            if text.count("\n") < MAX_COPIED_LINES and not indent.strip():
                yield text.replace(f"\n{indent}", "\n")


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
