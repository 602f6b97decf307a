"""The families with their weights: how often each is drawn among those that a program has."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from breaking.faults import expressions, names, statements
from breaking.faults.fault import Fault
from breaking.faults.solution import Solution


@dataclass(frozen=True, kw_only=True)
class Family:
    """Faults of one sort.

    Attributes:
        weight: its share of the draws is the weight over the sum of all weights.
        find: yields a program's faults of this sort, in the order of the text.
    """

    name: str
    weight: int
    find: Callable[[Solution], Iterator[Fault]]


_WEIGHTS: tuple[tuple[int, Callable[[Solution], Iterator[Fault]]], ...] = (
    (10, expressions.comparison_boundary),
    (6, expressions.comparison_direction),
    (5, expressions.boolean_operator),
    (4, expressions.negated_condition),
    (6, expressions.missing_condition),
    (8, expressions.range_bound),
    (8, expressions.index_bound),
    (6, expressions.arithmetic_operator),
    (3, expressions.division),
    (4, expressions.missing_adjustment),
    (7, expressions.wrong_constant),
    (7, names.wrong_variable),
    (5, names.initial_value),
    (4, names.swapped_operands),
    (6, names.wrong_method),
    (4, names.missing_call),
    (3, names.sort_order),
    (5, statements.deleted_statement),
    (5, statements.missing_guard),
    (4, statements.wrong_return),
    (3, statements.wrong_branch),
    (3, statements.augmented_assignment),
)

FAMILIES = tuple(Family(name=find.__name__, weight=weight, find=find) for weight, find in _WEIGHTS)
