"""A program of some size, and what copyists make of it."""

ORIGINAL = '''\
"""Sums up orders."""

import re

AMOUNT = re.compile(r"(\\d+)[.,](\\d\\d) (EUR|USD)")


def parse_amounts(message):
    """Return all amounts in cents, by currency."""
    found = {}
    for match in AMOUNT.finditer(message):
        cents = int(match.group(1)) * 100 + int(match.group(2))
        found.setdefault(match.group(3), []).append(cents)
    return found


def largest_amount(messages):
    """Return the largest amount of each currency."""
    best = {}
    for message in messages:
        for currency, amounts in parse_amounts(message["content"]).items():
            top = max(amounts)
            if currency not in best or best[currency] < top:
                best[currency] = top
    return best


def describe(best, limit):
    lines = [f"{currency}: {cents / 100:.2f}" for currency, cents in sorted(best.items())]
    if len(lines) > limit:
        lines = lines[:limit] + ["and more"]
    return "; ".join(lines) or "none"


def run(value, context):
    best = largest_amount(value["messages"])
    return {"summary": describe(best, 3), "currencies": sorted(best)}
'''

RENAMED = (
    ORIGINAL.replace("parse_amounts", "harvest")
    .replace("largest_amount", "peak")
    .replace("describe", "tell")
    .replace("messages", "texts")
    .replace("message", "text")
    .replace("currency", "unit")
    .replace("cents", "pennies")
    .replace("found", "bag")
    .replace("best", "summit")
    .replace("AMOUNT", "PATTERN")
)

REFORMATTED = (
    ORIGINAL.replace('    """Return all amounts in cents, by currency."""\n', "")
    .replace("    ", "  ")
    .replace(
        "found.setdefault(match.group(3), []).append(cents)",
        "# new\n    (found.setdefault(\n      match.group(3), [],\n    ).append(cents))",
    )
    .replace("top = max(amounts)", "top=max( amounts, )  # the top")
)

_HEAD, *_DEFINITIONS = ORIGINAL.split("\n\n\n")
REORDERED = "\n\n\n".join([_HEAD, *reversed(_DEFINITIONS)])

EDITED = (
    ORIGINAL.replace("limit", "limit + 0", 1)
    .replace("int(match.group(1)) * 100", "100 * int(match.group(1))")
    .replace('or "none"', 'or "nothing"')
    .replace("top = max(amounts)", "top = sorted(amounts)[-1]")
)

PADDING = """


def sleep_badly(hours, noise):
    total = 0
    while hours > 0 and noise:
        total += noise.pop() ** 2 % (hours + 1)
        hours -= 0.5
    return [total] * len(noise)


class Ledger:
    def __init__(self, start):
        self.rows = {start: None}

    def close(self, when):
        return any(row is not None and row < when for row in self.rows.values())
"""
PADDED = ORIGINAL + PADDING

UNRELATED = """\
import math


class Grid:
    def __init__(self, width, height):
        self.width, self.height = width, height
        self.cells = [[False] * width for _ in range(height)]

    def neighbours(self, x, y):
        for dx in (-1, 0, 1):
            for dy in (-1, 0, 1):
                if dx or dy:
                    yield (x + dx) % self.width, (y + dy) % self.height

    def step(self):
        alive = [
            [sum(self.cells[b][a] for a, b in self.neighbours(x, y)) for x in range(self.width)]
            for y in range(self.height)
        ]
        for y, row in enumerate(alive):
            for x, count in enumerate(row):
                self.cells[y][x] = count == 3 or (count == 2 and self.cells[y][x])


def distance(a, b):
    return math.hypot(a[0] - b[0], a[1] - b[1])


def run(value, context):
    grid = Grid(value["width"], value["height"])
    for x, y in value["alive"]:
        grid.cells[y][x] = True
    grid.step()
    return {"alive": [[x, y] for y, r in enumerate(grid.cells) for x, on in enumerate(r) if on]}
"""


def work_files(source: str, name: str = "globex/work") -> dict[str, bytes]:
    """An artifact whose whole work is one module."""
    schema = b'{"type": "object"}'
    return {
        "artifact.toml": (
            f'name = "{name}"\nkind = "python"\nentry = "work:run"\nrequires = []\n'
            'input_schema = "input.json"\noutput_schema = "output.json"\n'
        ).encode(),
        "work.py": source.encode(),
        "input.json": schema,
        "output.json": schema,
    }
