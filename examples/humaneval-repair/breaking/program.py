"""A solution as an artifact's one file, and how floats of its answers are compared.

The judge compares exactly. So that another right way to a number gives the same answer, the
artifact rounds floats to 8 significant digits, and no case asks for a number whose rounding an
error of one part in 10^9 could change, or that is no more than what rounding left of a zero.
"""

from typing import Any

from breaking.tasks import Task

RELATIVE_ERROR = 1e-9
SMALLEST = 1e-6

ENTRY = '''

def run(input, context):
    """Answer one call: the input's members are the arguments of `{entry}`."""
    return _settled({entry}(**input))


def _settled(value):
    """Round floats to 8 significant digits: the way to a number makes no difference to it."""
    if isinstance(value, float):
        return float(f"{{value:.8g}}")
    if isinstance(value, list):
        return [_settled(item) for item in value]
    return value
'''


def wrapped(task: Task, source: str) -> str:
    """Put the artifact's entry below a solution of the task."""
    return source.rstrip() + "\n" + ENTRY.format(entry=task.entry)


def called_by_name(task: Task) -> str:
    """Return the right solution with an entry that rounds nothing."""
    return f"{task.source}\n\ndef run(input, context):\n    return {task.entry}(**input)\n"


def settled(value: Any) -> Any:
    """Round as the artifact does."""
    if isinstance(value, float):
        return float(f"{value:.8g}")
    if isinstance(value, list):
        return [settled(item) for item in value]
    return value


def is_settled(exact: Any, rounded: Any) -> bool:
    """Tell whether an answer stays the same under the rounding errors of another way to it."""
    if isinstance(exact, list):
        return all(map(is_settled, exact, rounded))
    if not isinstance(exact, float) or exact == 0:
        return True
    near = (exact * (1 - RELATIVE_ERROR), exact * (1 + RELATIVE_ERROR))
    return abs(exact) >= SMALLEST and all(settled(each) == rounded for each in near)
