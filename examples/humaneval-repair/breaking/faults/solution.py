"""A program's entry function, as families of faults look at it."""

import ast
from collections.abc import Iterator
from typing import TypeVar

Node = TypeVar("Node", bound=ast.AST)


class Solution:
    """The function's nodes, each with its parent; the docstring is no part of it."""

    def __init__(self, source: str, function: ast.FunctionDef) -> None:
        self.lines = source.splitlines()
        self.function = function
        self._parents: dict[ast.AST, ast.AST] = {}
        self._nodes: list[ast.AST] = []
        body = function.body[1:] if ast.get_docstring(function) is not None else function.body
        for statement in body:
            self._parents[statement] = function
            self._collect(statement)

    def all(self, kind: type[Node]) -> Iterator[Node]:
        """Yield the nodes of a type, in the order of the text."""
        return (node for node in self._nodes if isinstance(node, kind))

    def parent(self, node: ast.AST) -> ast.AST:
        """Return the node that a node is a part of."""
        return self._parents[node]

    def statement(self, node: ast.AST) -> ast.stmt:
        """Return the statement that a node is, or is a part of."""
        while not isinstance(node, ast.stmt):
            node = self._parents[node]
        return node

    def bodies(self) -> Iterator[list[ast.stmt]]:
        """Yield every list of statements, the function's own without its docstring."""
        yield [each for each in self.function.body if each in self._parents]
        for node in self._nodes:
            for name in ("body", "orelse", "finalbody"):
                found = getattr(node, name, None)
                if isinstance(found, list) and found:
                    yield found

    def is_elif(self, node: ast.stmt) -> bool:
        """Tell whether the node is the ``elif`` of another one."""
        line = self.lines[node.lineno - 1]
        return isinstance(node, ast.If) and line[node.col_offset :].startswith("elif")

    def names_before(self, line: int) -> set[str]:
        """Return the variables that have a value above a line."""
        arguments = {argument.arg for argument in self.function.args.args}
        stored = {
            node.id
            for node in self.all(ast.Name)
            if isinstance(node.ctx, ast.Store)
            and node.lineno < line
            and not self.is_inside(node, ast.comprehension)
        }
        return arguments | stored

    def times_assigned(self, name: str) -> int:
        """Count the places that give a variable its value."""
        stores = (node for node in self.all(ast.Name) if isinstance(node.ctx, ast.Store))
        return sum(node.id == name for node in stores)

    def is_inside(self, node: ast.AST, kind: type[ast.AST]) -> bool:
        """Tell whether a node is a part of one of a type."""
        while node in self._parents:
            node = self._parents[node]
            if isinstance(node, kind):
                return True
        return False

    def _collect(self, node: ast.AST) -> None:
        self._nodes.append(node)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.operator | ast.cmpop | ast.boolop | ast.unaryop):
                continue  # one instance stands in many places
            if isinstance(child, ast.expr_context):
                continue
            self._parents[child] = node
            self._collect(child)
