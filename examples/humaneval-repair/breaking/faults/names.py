"""Faults in variables, arguments, methods and calls."""

import ast
from collections.abc import Iterator

from breaking.faults.fault import Fault, replaced
from breaking.faults.solution import Solution

MAX_OTHER_NAMES = 4

_PAIRS = (
    ("append", "extend"),
    ("lower", "upper"),
    ("islower", "isupper"),
    ("startswith", "endswith"),
    ("find", "rfind"),
    ("index", "rindex"),
    ("isalpha", "isalnum"),
    ("isdigit", "isalnum"),
    ("strip", "lstrip"),
    ("lstrip", "rstrip"),
    ("keys", "values"),
    ("add", "discard"),
    ("min", "max"),
    ("any", "all"),
    ("floor", "ceil"),
    ("sum", "len"),
    ("max", "sum"),
    ("sorted", "list"),
    ("ord", "int"),
    ("int", "float"),
    ("int", "round"),
)
_CONVERSIONS = frozenset(
    ("abs", "sorted", "set", "list", "int", "str", "round", "reversed", "float", "len")
)


def _others() -> dict[str, list[str]]:
    others: dict[str, list[str]] = {}
    for one, other in _PAIRS:
        others.setdefault(one, []).append(other)
        others.setdefault(other, []).append(one)
    return others


_OTHERS = _others()


def wrong_variable(solution: Solution) -> Iterator[Fault]:
    """Another variable than the one that was meant."""
    for node in solution.all(ast.Name):
        parent = solution.parent(node)
        is_called = isinstance(parent, ast.Call) and parent.func is node
        names = solution.names_before(node.lineno)
        if isinstance(node.ctx, ast.Load) and not is_called and node.id in names:
            for name in sorted(names - {node.id})[:MAX_OTHER_NAMES]:
                yield replaced(node, ast.Name(id=name, ctx=ast.Load()))


def initial_value(solution: Solution) -> Iterator[Fault]:
    """A variable that begins with the wrong value."""
    for node in solution.all(ast.Assign):
        target, value = node.targets[0], node.value
        if not isinstance(target, ast.Name) or solution.times_assigned(target.id) == 1:
            continue
        if isinstance(value, ast.Constant) and isinstance(value.value, bool):
            yield replaced(value, ast.Constant(value=not value.value))
        elif isinstance(value, ast.Constant) and isinstance(value.value, int):
            for other in {0, 1, -1, value.value + 1} - {value.value}:
                yield replaced(value, ast.Constant(value=other))
        elif isinstance(value, ast.Subscript | ast.Call):
            yield replaced(value, ast.Constant(value=0))


def swapped_operands(solution: Solution) -> Iterator[Fault]:
    """Two arguments, operands or branches in the wrong order."""
    for call in solution.all(ast.Call):
        for place in range(len(call.args) - 1):
            arguments = list(call.args)
            arguments[place : place + 2] = reversed(arguments[place : place + 2])
            yield replaced(call, ast.Call(func=call.func, args=arguments, keywords=call.keywords))
    for node in solution.all(ast.BinOp):
        if not isinstance(node.op, ast.Mult):
            yield replaced(node, ast.BinOp(left=node.right, op=node.op, right=node.left))
    for choice in solution.all(ast.IfExp):
        new = ast.IfExp(test=choice.test, body=choice.orelse, orelse=choice.body)
        yield replaced(choice, new)


def wrong_method(solution: Solution) -> Iterator[Fault]:
    """``extend`` for ``append``, ``upper`` for ``lower``, ``max`` for ``min``."""
    for node in solution.all(ast.Call):
        function = node.func
        if isinstance(function, ast.Attribute):
            for other in _OTHERS.get(function.attr, ()):
                new = ast.Attribute(value=function.value, attr=other, ctx=ast.Load())
                yield replaced(function, new)
        elif isinstance(function, ast.Name):
            for other in _OTHERS.get(function.id, ()):
                yield replaced(function, ast.Name(id=other, ctx=ast.Load()))


def missing_call(solution: Solution) -> Iterator[Fault]:
    """A conversion that is forgotten: ``abs``, ``sorted``, ``.lower()``."""
    for node in solution.all(ast.Call):
        if isinstance(solution.parent(node), ast.Expr):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in _CONVERSIONS and node.args:
            yield replaced(node, node.args[0])
        elif isinstance(node.func, ast.Attribute) and not node.args and not node.keywords:
            yield replaced(node, node.func.value)


def sort_order(solution: Solution) -> Iterator[Fault]:
    """Sorted the other way, by another key, or not turned round."""
    for call in solution.all(ast.Call):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        name = call.func.id if isinstance(call.func, ast.Name) else name
        if name in ("sort", "sorted", "min", "max"):
            for keyword in call.keywords:
                rest = [each for each in call.keywords if each is not keyword]
                yield replaced(call, ast.Call(func=call.func, args=call.args, keywords=rest))
        if name in ("sort", "sorted") and all(each.arg != "reverse" for each in call.keywords):
            reverse = ast.keyword(arg="reverse", value=ast.Constant(value=True))
            keywords = [*call.keywords, reverse]
            yield replaced(call, ast.Call(func=call.func, args=call.args, keywords=keywords))
    for node in solution.all(ast.Subscript):
        if ast.unparse(node.slice) == "::-1":
            yield replaced(node, node.value)
