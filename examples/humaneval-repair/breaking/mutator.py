"""Breaks a right solution with one fault, drawn by seed; knows nothing of who may mend it."""

import ast
import copy
import random
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from breaking.cases import Case
from breaking.faults import FAMILIES, Family, Fault, Solution
from breaking.process import fails, loads
from breaking.program import wrapped
from breaking.tasks import Task


class NoFaultError(Exception):
    """No fault of any family makes the solution fail both a dev case and a held-out one."""


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A solution with one fault.

    Attributes:
        source: the broken solution, without the artifact's entry.
        family: the fault's.
        line: where the fault is, in `source`.
        before, after: the first line that differs, without its indentation.
        drawn: how many faults were drawn until one counted.
    """

    source: str
    family: str
    line: int
    before: str
    after: str
    drawn: int


def broken(task: Task, *, dev: Sequence[Case], holdout: Sequence[Case], seed: int) -> Mutant:
    """Draw faults, a family by its weight and then a fault of it, until one counts.

    A fault counts if the program loads and then fails at least one case of each part.

    Raises:
        NoFaultError: all faults were drawn and none counted.
    """
    rng = random.Random(f"fault {seed} {task.id}")
    waiting = _mutants(task)
    drawn = 0
    while waiting:
        families = [family for family in FAMILIES if family.name in waiting]
        family = rng.choices(families, [each.weight for each in families])[0]
        sources = waiting[family.name]
        source = sources.pop(rng.randrange(len(sources)))
        if not sources:
            del waiting[family.name]
        drawn += 1
        if _counts(wrapped(task, source), dev, holdout):
            return _mutant(task.source, source, family, drawn)
    raise NoFaultError(f"none of {drawn} faults fails both a dev case and a held-out one")


def _mutants(task: Task) -> dict[str, list[str]]:
    """Return all broken sources by family; equal ones once in each family."""
    solution = Solution(task.source, task.function)
    right = ast.dump(ast.parse(task.source))
    found: dict[str, list[str]] = {}
    for family in FAMILIES:
        sources: list[str] = []
        for fault in family.find(solution):
            source = rendered(task.source, solution, fault)
            if source not in sources and _differs(source, right):
                sources.append(source)
        if sources:
            found[family.name] = sources
    return found


def _differs(source: str, right: str) -> bool:
    try:
        return ast.dump(ast.parse(source)) != right
    except (SyntaxError, ValueError):
        return False


def _counts(source: str, dev: Sequence[Case], holdout: Sequence[Case]) -> bool:
    return loads(source) and all(
        fails(source, [case.input for case in part], [case.expected for case in part])
        for part in (dev, holdout)
    )


def rendered(source: str, solution: Solution, fault: Fault) -> str:
    """Write the fault into the text; only the statement that it is in changes its look."""
    first, last = fault.old[0], fault.old[-1]
    if isinstance(fault.new, ast.AST):
        anchor = _anchor(solution, first)
        new = copy.deepcopy(anchor, {id(first): fault.new})
        return _spliced(source, anchor, anchor, ast.unparse(ast.fix_missing_locations(new)))
    if not fault.new:
        return _without(source, solution, first)
    text = "\n".join(ast.unparse(ast.fix_missing_locations(node)) for node in fault.new)
    return _spliced(source, first, last, text)


def _anchor(solution: Solution, node: ast.AST) -> ast.AST:
    """Return what is written anew: the simple statement, or the compound one's expression."""
    below = node
    while not isinstance(node, ast.stmt):
        below, node = node, solution.parent(node)
    return below if hasattr(node, "body") else node


def _without(source: str, solution: Solution, statement: Any) -> str:
    """Take a statement's lines out; where it is the only one, or shares its line: ``pass``."""
    body = next(body for body in solution.bodies() if statement in body)
    lines = source.splitlines(keepends=True)
    before = lines[statement.lineno - 1].encode()[: statement.col_offset]
    after = lines[statement.end_lineno - 1].encode()[statement.end_col_offset :]
    if len(body) == 1 or before.strip() or after.strip().rstrip(b";"):
        return _spliced(source, statement, statement, "pass")
    return "".join(lines[: statement.lineno - 1] + lines[statement.end_lineno :])


def _spliced(source: str, first: Any, last: Any, text: str) -> str:
    """Put text in the place of nodes; columns count bytes, as in the syntax tree."""
    lines = [line.encode() for line in source.splitlines(keepends=True)]
    before = b"".join(lines[: first.lineno - 1]) + lines[first.lineno - 1][: first.col_offset]
    after = lines[last.end_lineno - 1][last.end_col_offset :] + b"".join(lines[last.end_lineno :])
    head, newline, rest = text.partition("\n")
    indented = head + newline + textwrap.indent(rest, " " * first.col_offset)
    return (before + indented.encode() + after).decode()


def _mutant(right: str, source: str, family: Family, drawn: int) -> Mutant:
    old, new = right.splitlines(), source.splitlines()
    place = next(
        (n for n, (one, other) in enumerate(zip(old, new, strict=False)) if one != other),
        min(len(old), len(new)),
    )
    return Mutant(
        source=source,
        family=family.name,
        line=place + 1,
        before="\n".join(old[place : place + 1]).strip(),
        after="\n".join(new[place : place + 1]).strip(),
        drawn=drawn,
    )
