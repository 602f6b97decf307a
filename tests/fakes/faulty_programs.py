"""Little programs, each with faults of its kind: (right text, wrong text), one at a time."""

import random
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Generator = Callable[[random.Random], Any]


@dataclass(frozen=True, kw_only=True)
class FaultyProgram:
    family: str
    name: str
    source: str
    faults: Sequence[tuple[str, str]]
    generate: Generator

    def inputs(self, count: int, seed: int = 7) -> list[Any]:
        rng = random.Random(f"{seed}{self.name}")
        return [self.generate(rng) for _ in range(count)]

    def broken(self, index: int) -> str:
        right, wrong = self.faults[index]
        if self.source.count(right) != 1:
            raise ValueError(f"{self.name}: {right!r} must occur once")
        return self.source.replace(right, wrong)


def _numbers(rng: random.Random) -> list[int]:
    return [rng.randint(-9, 9) for _ in range(rng.randint(0, 8))]


def _word(rng: random.Random) -> str:
    return "".join(rng.choice("abcdeABC ") for _ in range(rng.randint(0, 9)))


INSERTION_SORT = FaultyProgram(
    family="sorting",
    name="insertion sort",
    source='''
def run(data, context):
    """Sort by insertion."""
    items = list(data)
    for i in range(1, len(items)):
        current = items[i]
        j = i - 1
        # Larger items move up.
        while j >= 0 and items[j] > current:
            items[j + 1] = items[j]
            j -= 1
        items[j + 1] = current
    return items
''',
    faults=[
        ("j >= 0", "j > 0"),
        ("range(1, len(items))", "range(1, len(items) - 1)"),
        ("        items[j + 1] = current", "        items[j] = current"),
        ("items[j] > current", "items[j] < current"),
    ],
    generate=_numbers,
)

MERGE = FaultyProgram(
    family="sorting",
    name="merge",
    source="""
def run(data, context):
    left, right = sorted(data["left"]), sorted(data["right"])
    merged = []
    i = j = 0
    while i < len(left) and j < len(right):
        if left[i] <= right[j]:
            merged.append(left[i])
            i += 1
        else:
            merged.append(right[j])
            j += 1
    merged.extend(left[i:])
    merged.extend(right[j:])
    return merged
""",
    faults=[
        ("    merged.extend(right[j:])\n", ""),
        ("merged.extend(left[i:])", "merged.extend(left[i + 1:])"),
        ("left[i] <= right[j]", "left[i] <= right[i]"),
        ("merged.append(right[j])", "merged.append(left[i])"),
    ],
    generate=lambda rng: {"left": _numbers(rng), "right": _numbers(rng)},
)

KEY_VALUES = FaultyProgram(
    family="parsing",
    name="key values",
    source="""
def run(data, context):
    found = {}
    for line in data.split("\\n"):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        key, _, value = line.partition("=")
        found[key.strip().lower()] = value.strip()
    return found
""",
    faults=[
        ("= value.strip()", "= value"),
        ("key.strip().lower()", "key.strip()"),
        ("            continue", "            break"),
        ("not line or line", "not line and line"),
        ('partition("=")', 'rpartition("=")'),
    ],
    generate=lambda rng: "\n".join(
        rng.choice(
            [
                f"{rng.choice(['Host', 'port', ' User'])} = {rng.randint(1, 9)}",
                "# note=1",
                "",
                f"  Path=a=b{rng.randint(0, 3)}  ",
            ]
        )
        for _ in range(rng.randint(1, 5))
    ),
)

DURATION = FaultyProgram(
    family="parsing",
    name="duration",
    source="""
UNITS = {"h": 3600, "m": 60, "s": 1}


def run(data, context):
    total, digits = 0, ""
    for character in data:
        if character.isdigit():
            digits += character
        elif character in UNITS and digits:
            total += int(digits) * UNITS[character]
            digits = ""
    return total
""",
    faults=[
        ("digits += character", "digits = character"),
        ('            digits = ""\n', ""),
        ("int(digits) * UNITS", "int(digits) + UNITS"),
        ("character.isdigit()", "character.isalpha()"),
        ('"m": 60', '"m": 61'),
    ],
    generate=lambda rng: " ".join(
        f"{rng.randint(0, 99)}{unit}"
        for unit in rng.sample(["h", "m", "s", "x"], rng.randint(0, 3))
    ),
)

PALINDROME = FaultyProgram(
    family="string",
    name="palindrome",
    source="""
def run(data, context):
    letters = [c.lower() for c in data if c.isalpha()]
    return letters == letters[::-1]
""",
    faults=[
        ("c.lower()", "c"),
        ("letters[::-1]", "letters[::1]"),
        (" if c.isalpha()", ""),
        ("letters == ", "letters != "),
    ],
    generate=lambda rng: (
        (half := _word(rng)) + rng.choice([half[::-1].upper(), half[::-1], half[::-1] + " ", half])
    ),
)

RUN_LENGTH = FaultyProgram(
    family="string",
    name="run length",
    source="""
def run(data, context):
    parts = []
    previous, count = None, 0
    for character in data:
        if character == previous:
            count += 1
        else:
            if previous is not None:
                parts.append(previous + str(count))
            previous, count = character, 1
    if previous is not None:
        parts.append(previous + str(count))
    return "".join(parts)
""",
    faults=[
        ("previous, count = character, 1", "previous, count = character, 0"),
        ('"".join(parts)', '" ".join(parts)'),
        ("character == previous", "character != previous"),
        (
            "    if previous is not None:\n        parts.append(previous + str(count))\n    ret",
            "    ret",
        ),
    ],
    generate=lambda rng: "".join(
        rng.choice("abc") * rng.randint(1, 4) for _ in range(rng.randint(0, 5))
    ),
)

TITLE = FaultyProgram(
    family="string",
    name="initials",
    source="""
def run(data, context):
    words = data["name"].split()
    initials = [word[0].upper() for word in words]
    if data["dots"]:
        return ".".join(initials) + "."
    return "".join(initials)
""",
    faults=[
        ("word[0].upper()", "word[0]"),
        ("word[0]", "word[-1]"),
        ('if data["dots"]', 'if not data["dots"]'),
        ('".".join(initials) + "."', '".".join(initials)'),
    ],
    generate=lambda rng: {
        "name": " ".join(
            "".join(rng.choice(string.ascii_letters) for _ in range(rng.randint(1, 5)))
            for _ in range(rng.randint(1, 4))
        ),
        "dots": rng.random() < 0.5,
    },
)

STATISTICS = FaultyProgram(
    family="arithmetic",
    name="statistics",
    source="""
def run(data, context):
    if not data:
        return {"mean": 0, "spread": 0, "median": 0}
    ordered = sorted(data)
    middle = len(ordered) // 2
    if len(ordered) % 2 == 1:
        median = ordered[middle]
    else:
        median = (ordered[middle - 1] + ordered[middle]) / 2
    mean = sum(data) / len(data)
    return {"mean": mean, "spread": max(data) - min(data), "median": median}
""",
    faults=[
        ("sorted(data)", "data"),
        ("% 2 == 1", "% 2 == 0"),
        ("ordered[middle - 1] + ordered[middle]", "ordered[middle] + ordered[middle]"),
        ("sum(data) / len(data)", "sum(data) // len(data)"),
        ("max(data) - min(data)", "min(data) - max(data)"),
        (
            "(ordered[middle - 1] + ordered[middle]) / 2",
            "ordered[middle - 1] + ordered[middle] / 2",
        ),
    ],
    generate=_numbers,
)

CHANGE = FaultyProgram(
    family="arithmetic",
    name="change",
    source="""
COINS = [50, 20, 10, 5, 2, 1]


def run(data, context):
    rest = abs(data)
    used = []
    for coin in COINS:
        while rest >= coin:
            used.append(coin)
            rest -= coin
    return {"coins": used, "count": len(used)}
""",
    faults=[
        ("rest >= coin", "rest > coin"),
        ("abs(data)", "data"),
        ("[50, 20, 10, 5, 2, 1]", "[50, 20, 10, 5, 1, 2]"),
        ("used.append(coin)", "used.append(rest)"),
    ],
    generate=lambda rng: rng.randint(-120, 120),
)

FIBONACCI = FaultyProgram(
    family="recursion",
    name="stairs",
    source="""
def ways(steps, longest):
    if steps == 0:
        return 1
    if steps < 0:
        return 0
    return sum(ways(steps - size, longest) for size in range(1, longest + 1))


def run(data, context):
    return ways(data["steps"], data["longest"])
""",
    faults=[
        ("return 1", "return 0"),
        ("longest + 1", "longest"),
        ("steps - size", "steps - longest"),
        ('ways(data["steps"], data["longest"])', 'ways(data["longest"], data["steps"])'),
        ("    if steps < 0:\n        return 0\n", "    if steps < 0:\n        return 1\n"),
    ],
    generate=lambda rng: {"steps": rng.randint(0, 5), "longest": rng.randint(1, 3)},
)

FLATTEN = FaultyProgram(
    family="recursion",
    name="flatten",
    source="""
def flatten(value, depth):
    flat = []
    for element in value:
        if isinstance(element, list) and depth > 0:
            flat.extend(flatten(element, depth - 1))
        else:
            flat.append(element)
    return flat


def run(data, context):
    return flatten(data["value"], data["depth"])
""",
    faults=[
        ("flat.extend(", "flat.append("),
        ("depth > 0", "depth >= 0"),
        ("depth - 1", "depth"),
        ("list) and", "list) or"),
        ("    return flat\n", "        return flat\n"),
    ],
    generate=lambda rng: {
        "value": [
            rng.choice([1, [2, [3]], [[4], 5], [], [[[6]]]]) for _ in range(rng.randint(0, 4))
        ],
        "depth": rng.randint(0, 3),
    },
)

PHONE = FaultyProgram(
    family="regex",
    name="phone numbers",
    source="""
import re

PHONE = re.compile(r"\\b\\d{3}[- ]?\\d{4}\\b")


def run(data, context):
    return [re.sub(r"[- ]", "", match) for match in PHONE.findall(data)]
""",
    faults=[
        ("[- ]?", "-"),
        ("\\d{4}", "\\d{3}"),
        ('r"[- ]"', 'r"[-]"'),
        ("\\b\\d{3}", "\\b\\d{2}"),
        ("findall(data)", "findall(data)[:1]"),
    ],
    generate=lambda rng: " ".join(
        rng.choice(
            [
                f"{rng.randint(100, 999)}{rng.choice(['-', ' ', ''])}{rng.randint(1000, 9999)}",
                "call",
                str(rng.randint(1, 99)),
                f"x{rng.randint(1000000, 9999999)}",
            ]
        )
        for _ in range(rng.randint(1, 5))
    ),
)

TAGS = FaultyProgram(
    family="regex",
    name="tags",
    source="""
import re


def run(data, context):
    tags = []
    for match in re.finditer(r"#([a-z][\\w-]*)", data, re.IGNORECASE):
        tag = match.group(1).lower()
        if tag not in tags:
            tags.append(tag)
    return tags
""",
    faults=[
        (", re.IGNORECASE", ""),
        ("[\\w-]*", "[\\w]*"),
        ("match.group(1)", "match.group(0)"),
        ("        if tag not in tags:\n            tags.append(tag)", "        tags.append(tag)"),
        ("match.group(1).lower()", "match.group(1)"),
    ],
    generate=lambda rng: " ".join(
        rng.choice(["#", "", "#"]) + rng.choice(["New", "new", "a-b", "X1", "9z", "big-Sale", "c"])
        for _ in range(rng.randint(1, 6))
    ),
)

INVENTORY = FaultyProgram(
    family="dict",
    name="inventory",
    source="""
def run(data, context):
    stock = {}
    for move in data:
        name, amount = move["item"], move["amount"]
        if move["kind"] == "in":
            stock[name] = stock.get(name, 0) + amount
        elif move["kind"] == "out":
            stock[name] = max(stock.get(name, 0) - amount, 0)
    return {name: stock[name] for name in sorted(stock) if stock[name] > 0}
""",
    faults=[
        ("stock.get(name, 0) + amount", "stock.get(name, 1) + amount"),
        ("stock.get(name, 0) + amount", "amount"),
        ("max(stock.get(name, 0) - amount, 0)", "min(stock.get(name, 0) - amount, 0)"),
        ('"out"', '"in"'),
        (" if stock[name] > 0", ""),
        ('move["item"], move["amount"]', 'move["amount"], move["item"]'),
    ],
    generate=lambda rng: [
        {
            "item": rng.choice(["nut", "bolt", "cog"]),
            "kind": rng.choice(["in", "in", "out", "note"]),
            "amount": rng.randint(1, 5),
        }
        for _ in range(rng.randint(0, 7))
    ],
)

GROUPS = FaultyProgram(
    family="dict",
    name="grouping",
    source="""
def run(data, context):
    groups = {}
    for word in data:
        key = "".join(sorted(word.lower()))
        if key not in groups:
            groups[key] = []
        groups[key].append(word)
    return sorted(group for group in groups.values() if len(group) > 1)
""",
    faults=[
        ("sorted(word.lower())", "word.lower()"),
        ("word.lower()", "word"),
        ("key not in groups", "key in groups"),
        ("len(group) > 1", "len(group) > 2"),
        (
            "return sorted(group for group in groups.values() if len(group) > 1)",
            "return [group for group in groups.values() if len(group) > 1]",
        ),
    ],
    generate=lambda rng: [
        rng.choice(["tea", "Eat", "ate", "dog", "God", "cat", "act", "x"])
        for _ in range(rng.randint(0, 7))
    ],
)

PROGRAMS = (
    INSERTION_SORT,
    MERGE,
    KEY_VALUES,
    DURATION,
    PALINDROME,
    RUN_LENGTH,
    TITLE,
    STATISTICS,
    CHANGE,
    FIBONACCI,
    FLATTEN,
    PHONE,
    TAGS,
    INVENTORY,
    GROUPS,
)
