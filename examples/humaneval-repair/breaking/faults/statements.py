"""Faults in statements: forgotten, misplaced, in the wrong branch."""

import ast
import itertools
from collections.abc import Iterator

from breaking.faults.fault import Fault, deleted, replaced, rewritten
from breaking.faults.solution import Solution

_AUGMENTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Sub,
    ast.Mod: ast.FloorDiv,
}
_LEAVING = ast.Return | ast.Continue | ast.Break | ast.Raise


def deleted_statement(solution: Solution) -> Iterator[Fault]:
    """A statement that is forgotten; never the only one that gives a variable its value."""
    for body in solution.bodies():
        for statement in body:
            if isinstance(statement, ast.Expr | ast.AugAssign | ast.Break | ast.Continue):
                yield deleted(statement)
            elif isinstance(statement, ast.Assign):
                names = [node.id for node in ast.walk(statement) if _is_stored(node)]
                if all(solution.times_assigned(name) > 1 for name in names):
                    yield deleted(statement)


def _is_stored(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def missing_guard(solution: Solution) -> Iterator[Fault]:
    """An edge case that is not looked for: an ``if`` that leaves, or does one thing more."""
    for node in solution.all(ast.If):
        if solution.is_elif(node):
            continue
        if not node.orelse:
            yield deleted(node)
            if not isinstance(node.body[-1], _LEAVING):
                yield rewritten((node,), node.body)
        elif isinstance(node.body[-1], ast.Return):
            yield rewritten((node,), node.orelse)


def wrong_return(solution: Solution) -> Iterator[Fault]:
    """Another variable is returned, ``return`` is forgotten, or stands inside the loop."""
    for body in solution.bodies():
        for before, statement in itertools.pairwise(body):
            if isinstance(statement, ast.Return) and isinstance(before, ast.For | ast.While):
                yield rewritten((before, statement), [_with_last(before, statement)])
    for node in solution.all(ast.Return):
        if isinstance(node.value, ast.Name):
            yield deleted(node)
            for name in sorted(solution.names_before(node.lineno) - {node.value.id}):
                yield replaced(node.value, ast.Name(id=name, ctx=ast.Load()))
        elif node.value is not None and not isinstance(node.value, ast.Constant):
            yield rewritten((node,), [ast.Expr(value=node.value)])


def _with_last(loop: ast.For | ast.While, last: ast.stmt) -> ast.stmt:
    body = [*loop.body, last]
    if isinstance(loop, ast.While):
        return ast.While(test=loop.test, body=body, orelse=loop.orelse)
    return ast.For(
        target=loop.target, iter=loop.iter, body=body, orelse=loop.orelse, type_comment=None
    )


def wrong_branch(solution: Solution) -> Iterator[Fault]:
    """Branches swapped, an ``else`` forgotten, ``break`` for ``continue``."""
    for node in solution.all(ast.If):
        if not node.orelse:
            continue
        yield from _without_else(node, solution)
        is_chain = isinstance(node.orelse[0], ast.If) and solution.is_elif(node.orelse[0])
        if not solution.is_elif(node) and not is_chain:
            new = ast.If(test=node.test, body=node.orelse, orelse=node.body)
            yield rewritten((node,), [new])
    for leaving in solution.all(ast.Break):
        yield rewritten((leaving,), [ast.Continue()])
    for going_on in solution.all(ast.Continue):
        yield rewritten((going_on,), [ast.Break()])


def _without_else(node: ast.If, solution: Solution) -> Iterator[Fault]:
    if not solution.is_elif(node):
        yield rewritten((node,), [ast.If(test=node.test, body=node.body, orelse=[])])
        first = node.orelse[0]
        if isinstance(first, ast.If) and first.orelse:
            new = ast.If(test=node.test, body=node.body, orelse=first.orelse)
            yield rewritten((node,), [new])


def augmented_assignment(solution: Solution) -> Iterator[Fault]:
    """``=`` or ``-=`` for ``+=``."""
    for node in solution.all(ast.AugAssign):
        yield rewritten((node,), [ast.Assign(targets=[_stored(node)], value=node.value, lineno=0)])
        other = _AUGMENTED.get(type(node.op))
        if other is not None:
            new = ast.AugAssign(target=node.target, op=other(), value=node.value)
            yield rewritten((node,), [new])


def _stored(node: ast.AugAssign) -> ast.expr:
    return node.target
