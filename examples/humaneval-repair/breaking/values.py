"""Kinds of JSON values, learned from examples, and further values of the same kind."""

import copy
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Json = Any

MAX_NEW_LENGTH = 4
"""How much longer than the longest example a new list or text may be."""

DEFAULT_LENGTH = 8
ASCII_WORDS = "abcdeABC xyz"


@dataclass(kw_only=True)
class Kind:
    """What the examples of one place have in common.

    Attributes:
        types: names of the JSON types that were seen, each as often as it was.
        values: the examples themselves.
        low, high: of numbers.
        decimals: of floats, at most.
        lengths: of texts, lists and objects.
        alphabet: the characters of texts.
        item: of lists' items and objects' members, all together.
        keys: of objects.
    """

    types: list[str] = field(default_factory=list)
    values: list[Json] = field(default_factory=list)
    low: float = math.inf
    high: float = -math.inf
    decimals: int = 0
    lengths: list[int] = field(default_factory=list)
    alphabet: str = ""
    item: "Kind | None" = None
    keys: list[str] = field(default_factory=list)


def learn(values: Sequence[Json], hint: str = "") -> Kind:
    """Learn a kind from examples; `hint` is the signature's annotation, as text."""
    kind = Kind(values=list(values))
    items: list[Json] = []
    for value in values:
        kind.types.append(_type(value))
        if isinstance(value, bool) or value is None:
            continue
        if isinstance(value, int | float):
            kind.low, kind.high = min(kind.low, value), max(kind.high, value)
            kind.decimals = max(kind.decimals, _decimals(value))
            continue
        kind.lengths.append(len(value))
        if isinstance(value, str):
            kind.alphabet = "".join(sorted({*kind.alphabet, *value}))
        elif isinstance(value, list):
            items += value
        else:
            items += value.values()
            kind.keys += [key for key in value if key not in kind.keys]
    if hint == "float" and "int" in kind.types:
        kind.types.append("float")
        kind.decimals = max(kind.decimals, 1)
    if {"list", "object"} & set(kind.types):
        inner = hint.partition("[")[2].removesuffix("]")
        kind.item = learn(items, inner) if items else _assumed(inner)
    return kind


def fresh(kind: Kind, rng: random.Random, reach: int = 1) -> Json:
    """Return a value of the kind: one of the examples, one near them, or a new one.

    The larger `reach` is, the further new numbers and lengths go beyond the examples.
    """
    if not kind.types:
        return rng.randint(-9, 9)
    draw = rng.random()
    if kind.values and draw < 0.2:
        return copy.deepcopy(rng.choice(kind.values))
    if kind.values and draw < 0.5:
        return changed(rng.choice(kind.values), kind, rng, reach)
    return _MAKERS[rng.choice(kind.types)](kind, rng, reach)


def changed(value: Json, kind: Kind, rng: random.Random, reach: int = 1) -> Json:
    """Return a copy of the value with one or two small changes."""
    current = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 2))):
        current = _changed_once(current, kind, rng, reach)
    return current


def _changed_once(value: Json, kind: Kind, rng: random.Random, reach: int) -> Json:
    if value is None or isinstance(value, bool):
        return rng.choice((True, False)) if isinstance(value, bool) else None
    if isinstance(value, int):
        return _kept(value + rng.choice((-10, -2, -1, 1, 2, 10)) * reach, kind)
    if isinstance(value, float):
        step = rng.choice((-1.0, -0.5, -0.1, 0.1, 0.5, 1.0, rng.uniform(-3, 3)))
        return _kept(round(value + step, max(1, kind.decimals)), kind)
    if isinstance(value, str):
        return "".join(_changed_sequence(list(value), rng, lambda: _character(kind, rng)))
    if isinstance(value, list):
        item = kind.item or Kind()
        return _changed_sequence(value, rng, lambda: fresh(item, rng, reach))
    return _changed_object(value, kind, rng, reach)


def _changed_sequence(items: list[Json], rng: random.Random, make: Any) -> list[Json]:
    place = rng.randrange(len(items)) if items else 0
    action = rng.choice(
        ("insert", "insert", "delete", "replace", "replace", "swap", "double", "order", "mirror")
    )
    if action == "insert" or not items:
        return [*items[:place], make(), *items[place:]]
    if action == "delete":
        return items[:place] + items[place + 1 :]
    if action == "replace":
        return [*items[:place], make(), *items[place + 1 :]]
    if action == "swap":
        other = rng.randrange(len(items))
        items[place], items[other] = items[other], items[place]
        return items
    if action == "double":
        return [*items[:place], items[place], *items[place:]]
    if action == "mirror":
        half = items[: rng.randint(1, DEFAULT_LENGTH // 2)]
        return half + half[::-1][rng.randint(0, 1) :]
    try:
        return sorted(items, reverse=rng.random() < 0.3)
    except TypeError:
        return items[::-1]


def _changed_object(
    value: dict[str, Json], kind: Kind, rng: random.Random, reach: int
) -> dict[str, Json]:
    item = kind.item or Kind()
    action = rng.choice(("add", "drop", "replace"))
    if action == "add" or not value:
        key = rng.choice(kind.keys) if kind.keys and rng.random() < 0.6 else _word(rng)
        return {**value, key: fresh(item, rng, reach)}
    chosen = rng.choice(sorted(value))
    if action == "drop":
        return {key: member for key, member in value.items() if key != chosen}
    return {**value, chosen: fresh(item, rng, reach)}


def _integer(kind: Kind, rng: random.Random, reach: int) -> int:
    low, high = (int(kind.low), int(kind.high)) if kind.low <= kind.high else (-9, 9)
    high = max(2 * high, high + 10 * reach) if high >= 0 else high
    draw = rng.random()
    if draw < 0.4:
        return rng.randint(low, min(high, low + 30 * reach))
    if draw < 0.7:
        return rng.randint(low, high)
    size = int(math.exp(rng.uniform(0, math.log(max(abs(low), abs(high), 2)))))
    return int(_kept(size if low >= 0 or rng.random() < 0.5 else -size, kind))


def _float(kind: Kind, rng: random.Random, reach: int) -> float:
    low, high = (kind.low, kind.high) if kind.low <= kind.high else (-9.0, 9.0)
    return round(rng.uniform(low, high + 2.0 * reach), rng.randint(0, max(1, kind.decimals)))


def _text(kind: Kind, rng: random.Random, reach: int) -> str:
    longest = min(max(kind.lengths, default=DEFAULT_LENGTH), 40) + MAX_NEW_LENGTH * reach
    words = [word for text in kind.values if isinstance(text, str) for word in text.split()]
    if " " in kind.alphabet and words and rng.random() < 0.6:
        return " ".join(rng.choice(words) for _ in range(rng.randint(0, 7)))
    length = rng.randint(0, longest)
    if rng.random() < 0.3:
        few = [_character(kind, rng) for _ in range(2)]
        return "".join(rng.choice(few) for _ in range(length))
    return "".join(_character(kind, rng) for _ in range(length))


def _list(kind: Kind, rng: random.Random, reach: int) -> list[Json]:
    longest = min(max(kind.lengths, default=DEFAULT_LENGTH), 20) + MAX_NEW_LENGTH * reach
    item = kind.item or Kind()
    made = [fresh(item, rng, reach) for _ in range(rng.randint(0, longest))]
    if made and rng.random() < 0.25:
        few = made[:2]
        made = [copy.deepcopy(rng.choice(few)) for _ in made]
    return made


def _object(kind: Kind, rng: random.Random, reach: int) -> dict[str, Json]:
    item = kind.item or Kind()
    keys = [*kind.keys, _word(rng), _word(rng)]
    return {rng.choice(keys): fresh(item, rng, reach) for _ in range(rng.randint(0, 5))}


def _character(kind: Kind, rng: random.Random) -> str:
    return rng.choice(kind.alphabet or ASCII_WORDS)


def _word(rng: random.Random) -> str:
    return "".join(rng.choice("abcdeXYZ") for _ in range(rng.randint(1, 4)))


def _kept(number: Json, kind: Kind) -> Json:
    """Keep a number from falling below all examples: what is never negative stays so."""
    return max(number, type(number)(kind.low)) if kind.low < math.inf else number


def _assumed(hint: str) -> Kind:
    """Return the kind that an annotation names, where no example shows one."""
    examples = {"int": [-9, 0, 9], "float": [-9.5, 0.0, 9.5], "str": ["", "abc", "Aa b"]}
    return learn(examples[hint]) if hint in examples else Kind()


def _decimals(number: float) -> int:
    return 0 if isinstance(number, int) else min(6, len(repr(number).partition(".")[2]))


def _type(value: Json) -> str:
    if value is None:
        return "null"
    names = {bool: "bool", int: "int", float: "float", str: "text", list: "list", dict: "object"}
    return names[type(value)]


_MAKERS = {
    "null": lambda _kind, _rng, _reach: None,
    "bool": lambda _kind, rng, _reach: rng.random() < 0.5,
    "int": _integer,
    "float": _float,
    "text": _text,
    "list": _list,
    "object": _object,
}
