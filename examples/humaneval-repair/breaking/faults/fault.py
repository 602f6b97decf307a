"""One fault: which part of a program is replaced, and by what."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A replacement that makes a program wrong, or should.

    Attributes:
        old: what is replaced: one node, or neighbouring statements.
        new: an expression (or comprehension) in place of one node; statements in place of
            statements, none to delete them.
    """

    old: Sequence[ast.AST]
    new: ast.AST | Sequence[ast.stmt]


def replaced(old: ast.AST, new: ast.AST) -> Fault:
    """Put one node in the place of another."""
    return Fault(old=(old,), new=new)


def rewritten(old: Sequence[ast.stmt], new: Sequence[ast.stmt]) -> Fault:
    """Put statements in the place of neighbouring statements."""
    return Fault(old=old, new=new)


def deleted(statement: ast.stmt) -> Fault:
    """Leave a statement out."""
    return Fault(old=(statement,), new=())
