"""Faults in operators, bounds, indices and constants."""

import ast
from collections.abc import Iterator

from breaking.faults.fault import Fault, replaced
from breaking.faults.solution import Solution

_BOUNDARIES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
_OPPOSITES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub, ast.Mult),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add, ast.Pow),
    ast.Pow: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,),
    ast.FloorDiv: (ast.Mod,),
}


def comparison_boundary(solution: Solution) -> Iterator[Fault]:
    """``<`` for ``<=`` and the like."""
    return _compared(solution, _BOUNDARIES)


def comparison_direction(solution: Solution) -> Iterator[Fault]:
    """``>`` for ``<``, ``!=`` for ``==``, ``not in`` for ``in``."""
    return _compared(solution, _OPPOSITES)


def _compared(
    solution: Solution, operators: dict[type[ast.cmpop], type[ast.cmpop]]
) -> Iterator[Fault]:
    for node in solution.all(ast.Compare):
        for place, operator in enumerate(node.ops):
            other = operators.get(type(operator))
            if other is not None:
                ops = [*node.ops[:place], other(), *node.ops[place + 1 :]]
                new = ast.Compare(left=node.left, ops=ops, comparators=node.comparators)
                yield replaced(node, new)


def boolean_operator(solution: Solution) -> Iterator[Fault]:
    """``or`` for ``and``, and the other way."""
    for node in solution.all(ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield replaced(node, ast.BoolOp(op=other, values=node.values))


def negated_condition(solution: Solution) -> Iterator[Fault]:
    """A forgotten ``not``, or one too many."""
    for node in solution.all(ast.UnaryOp):
        if isinstance(node.op, ast.Not):
            yield replaced(node, node.operand)
    for holder in solution.all(ast.AST):
        for test in _tests(holder):
            if not isinstance(test, ast.Compare | ast.UnaryOp):
                yield replaced(test, ast.UnaryOp(op=ast.Not(), operand=test))


def _tests(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        return [node.test]
    return list(node.ifs) if isinstance(node, ast.comprehension) else []


def missing_condition(solution: Solution) -> Iterator[Fault]:
    """One of several conditions is forgotten, or a comprehension's filter."""
    for node in solution.all(ast.BoolOp):
        for place in range(len(node.values)):
            rest = node.values[:place] + node.values[place + 1 :]
            yield replaced(node, rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest))
    for part in solution.all(ast.comprehension):
        if part.ifs:
            new = ast.comprehension(
                target=part.target, iter=part.iter, ifs=part.ifs[1:], is_async=0
            )
            yield replaced(part, new)


def range_bound(solution: Solution) -> Iterator[Fault]:
    """A range that begins or ends one too early or too late."""
    for node in solution.all(ast.Call):
        if not (isinstance(node.func, ast.Name) and node.func.id == "range" and node.args):
            continue
        for argument in node.args[:2]:
            yield from (replaced(argument, new) for new in _one_off(argument))
        if len(node.args) == 2:
            yield replaced(node, ast.Call(func=node.func, args=node.args[1:], keywords=[]))


def index_bound(solution: Solution) -> Iterator[Fault]:
    """An index or a slice that is one off, or a slice without its bound."""
    for node in solution.all(ast.Subscript):
        if not isinstance(node.slice, ast.Slice):
            if not isinstance(node.slice, ast.Constant) or isinstance(node.slice.value, int):
                yield from (replaced(node.slice, new) for new in _one_off(node.slice))
            continue
        lower, upper, step = node.slice.lower, node.slice.upper, node.slice.step
        for bound in filter(None, (lower, upper)):
            yield from (replaced(bound, new) for new in _one_off(bound))
        if lower is not None:
            yield replaced(node.slice, ast.Slice(lower=None, upper=upper, step=step))
        if upper is not None:
            yield replaced(node.slice, ast.Slice(lower=lower, upper=None, step=step))


def _one_off(node: ast.expr) -> Iterator[ast.expr]:
    number = _number(node)
    if number is not None:
        yield from (ast.Constant(value=number + step) for step in (-1, 1))
        return
    is_sum = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)
    if isinstance(node, ast.BinOp) and is_sum and _number(node.right) == 1:
        yield node.left
        return
    for operator in (ast.Sub(), ast.Add()):
        yield ast.BinOp(left=node, op=operator, right=ast.Constant(value=1))


def _number(node: ast.expr) -> int | None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _number(node.operand)
        return None if inner is None else -inner
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    return None


def arithmetic_operator(solution: Solution) -> Iterator[Fault]:
    """``-`` for ``+``, ``//`` for ``%`` and the like."""
    for node in solution.all(ast.BinOp):
        if _is_textual(node.left) or _is_textual(node.right):
            continue
        for other in _ARITHMETIC.get(type(node.op), ()):
            yield replaced(node, ast.BinOp(left=node.left, op=other(), right=node.right))


def _is_textual(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    return isinstance(node, ast.JoinedStr | ast.List | ast.ListComp)


def division(solution: Solution) -> Iterator[Fault]:
    """Integer division for true division, and the other way."""
    for node in solution.all(ast.BinOp):
        if isinstance(node.op, ast.Div | ast.FloorDiv):
            other = ast.FloorDiv() if isinstance(node.op, ast.Div) else ast.Div()
            yield replaced(node, ast.BinOp(left=node.left, op=other, right=node.right))


def missing_adjustment(solution: Solution) -> Iterator[Fault]:
    """A forgotten ``+ 1``, ``* 2`` or ``% n``."""
    for node in solution.all(ast.BinOp):
        if isinstance(node.right, ast.Constant | ast.Name | ast.Call):
            yield replaced(node, node.left)


def wrong_constant(solution: Solution) -> Iterator[Fault]:
    """A number that is a little off, a text with a slip, True for False."""
    for node in solution.all(ast.Constant):
        if isinstance(node.value, bool):
            yield replaced(node, ast.Constant(value=not node.value))
        elif isinstance(node.value, int):
            yield from (replaced(node, ast.Constant(value=node.value + s)) for s in (-1, 1))
        elif isinstance(node.value, float):
            yield replaced(node, ast.Constant(value=node.value + 1.0))
        elif isinstance(node.value, str):
            yield from (replaced(node, ast.Constant(value=text)) for text in _slips(node.value))


def _slips(text: str) -> Iterator[str]:
    if text.swapcase() != text:
        yield text.swapcase()
    if len(text) > 1:
        yield text[:-1]
        yield text[0] + text[2:]
    elif text:
        yield ""
    else:
        yield " "
