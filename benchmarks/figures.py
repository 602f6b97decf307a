"""Figures: what was measured, what it is compared with, and whether the goal is met."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from cli.output import print_table


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of a benchmark's answer.

    Attributes:
        name: what was measured.
        value: median of the runs, in `unit`.
        unit: of value and against.
        against: the same for what it is compared with, measured in the same run; None where the
            goal is absolute.
        ratio: value over against.
        goal: what is promised, in words; "" where nothing is.
        holds: whether it is kept; None where nothing is promised.
        spread: lowest and highest of the runs.
    """

    name: str
    value: float
    unit: str
    against: float | None
    ratio: float | None
    goal: str
    holds: bool | None
    spread: tuple[float, float]


def compare(
    name: str,
    runs: Sequence[float],
    against: Sequence[float] | None = None,
    *,
    unit: str,
    at_most: float | None = None,
    at_least_ratio: float | None = None,
) -> Figure:
    """Compare medians; `at_most` is a limit on the value, `at_least_ratio` one on the ratio."""
    value = statistics.median(runs)
    other = statistics.median(against) if against else None
    goal, holds = "", None
    if at_most is not None:
        goal, holds = f"at most {at_most} {unit}", value <= at_most
    if at_least_ratio is not None and other:
        goal, holds = f"at least {at_least_ratio} times", value / other >= at_least_ratio
    return Figure(
        name=name,
        value=round(value, 4),
        unit=unit,
        against=None if other is None else round(other, 4),
        ratio=round(value / other, 3) if other else None,
        goal=goal,
        holds=holds,
        spread=(round(min(runs), 4), round(max(runs), 4)),
    )


def show(figures: Sequence[Figure], *, as_json: bool) -> None:
    """Print the figures: one JSON list, or a table."""
    if as_json:
        print(json.dumps([asdict(figure) for figure in figures], indent=2))
        return
    columns = ("name", ">value", "unit", ">against", ">ratio", "goal", "holds", "spread")
    rows = [[getattr(figure, c.removeprefix(">")) for c in columns] for figure in figures]
    print_table("", columns, rows)
