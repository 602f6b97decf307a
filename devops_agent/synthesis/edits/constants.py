"""Constants: numbers off by one, other numbers and strings of the module, container elements."""

import ast
import string
from collections.abc import Iterator, Sequence
from itertools import pairwise

from devops_agent.synthesis.edits.site import Site
from devops_agent.synthesis.source import Edit

MAX_ALPHABET_CHARACTERS = 12
"""Strings up to this long may be sets of characters that lack one."""

MAX_OTHER_STRINGS = 12

_DELIMITERS = ["", " ", ",", ", ", ".", ";", ":", "-", "_", "/", "\n", "\t", "|", "+", "0", "1"]
_ALPHABETS = (string.ascii_lowercase, string.ascii_uppercase, string.digits, "()[]{}<>", "+-*/%.")


def propose(site: Site) -> Iterator[Edit]:
    """Propose other constants and containers with an element less or more."""
    for node in site.nodes:
        match node:
            case ast.Constant(value=bool() as value):
                yield site.replace(node, str(not value), "flag constant", 1.2)
                yield site.replace(node, "None", "flag constant", 3.0)
            case ast.Constant(value=int() | float() as value):
                yield from _numbers(site, node, value)
            case ast.Constant(value=str() as value) if not _is_docstring(site, node):
                yield from _strings(site, node, value)
            case ast.Constant(value=None):
                for other in ("0", "''", "[]", "{}", "False", "True"):
                    yield site.replace(node, other, "default value", 2.5)
            case ast.List(ctx=ast.Load()) | ast.Tuple(ctx=ast.Load()) | ast.Set():
                yield from _elements(site, node, node.elts)
            case ast.JoinedStr():
                yield from _format_parts(site, node)
            case ast.Dict():
                yield from _dict_items(site, node)


def _is_docstring(site: Site, node: ast.AST) -> bool:
    return isinstance(site.module.parents.get(node), ast.Expr)


def _numbers(site: Site, node: ast.Constant, value: float) -> Iterator[Edit]:
    costs: dict[float, float] = {value + 1: 1.0, value - 1: 1.0}
    for other, cost in ((0, 1.3), (1, 1.3), (2, 1.6), (-value, 2.0), (value + 2, 2.5)):
        costs.setdefault(other, cost)
    costs.setdefault(value * 10, 2.5)
    costs.setdefault(value * 2, 2.5)
    if value > 2:  # noqa: PLR2004 - halves of 1 and 2 are there already
        costs.setdefault(value // 10 if value >= 10 else value // 2, 2.5)  # noqa: PLR2004 - decimal digits
        costs.setdefault(value - 2, 2.5)
    for constant in site.constants:
        if isinstance(constant, int | float):
            costs.setdefault(constant, 1.8)
    for other, cost in costs.items():
        if other != value or type(other) is not type(value):
            yield site.replace(node, repr(other), "number constant", cost)


def _strings(site: Site, node: ast.Constant, value: str) -> Iterator[Edit]:
    if "\\" in value:
        return  # a regular expression, which has a family of its own
    costs: dict[str, float] = {}
    if len(value) <= 2:  # noqa: PLR2004 - a delimiter or a filler
        costs.update(dict.fromkeys(_DELIMITERS, 1.8))
    for constant in site.constants:
        if isinstance(constant, str) and len(constant) <= 2 * max(len(value), 8):
            costs.setdefault(constant, 1.4)
    for other, cost in (*_respelled(value), *_realphabeted(value)):
        costs.setdefault(other, cost)
    for word in site.vocabulary.words[:MAX_OTHER_STRINGS]:
        costs.setdefault(word, 2.2)
    for other, cost in costs.items():
        if other != value:
            yield site.replace(node, repr(other), "string constant", cost)


def _respelled(value: str) -> Iterator[tuple[str, float]]:
    for variant in (value.lower(), value.upper(), value.capitalize(), value.strip()):
        yield variant, 2.0
    yield value + " ", 2.5
    yield " " + value, 2.5


def _realphabeted(value: str) -> Iterator[tuple[str, float]]:
    """A set of characters, spelled as a string, that has one too many or lacks one."""
    if 1 < len(value) <= MAX_ALPHABET_CHARACTERS and " " not in value:
        for index in range(len(value)):
            yield value[:index] + value[index + 1 :], 2.5
        for character in _missing_characters(value):
            yield value + character, 2.8


def _missing_characters(value: str) -> Iterator[str]:
    for alphabet in _ALPHABETS:
        if all(character in alphabet for character in value):
            yield from (character for character in alphabet if character not in value)
    if value.isalpha() and value.islower() and value.upper() != value:
        yield value.upper()


def _elements(site: Site, node: ast.expr, elements: Sequence[ast.expr]) -> Iterator[Edit]:
    texts = [site.module.text(element) for element in elements]
    if not texts:
        yield from (
            site.replace(node, other, "default value", 2.5)
            for other in ("[0]", "[1]", "[[]]", "['']", "None", "{}")
        )
    if any(isinstance(element, ast.Starred) for element in elements):
        return
    for index in range(len(texts) if len(texts) > 1 else 0):
        rest = texts[:index] + texts[index + 1 :]
        yield site.replace(node, _rebuilt(node, rest), "container element", 2.0)
    for left in range(len(texts)):
        for right in range(left + 1, min(len(texts), left + 4)):
            swapped = list(texts)
            swapped[left], swapped[right] = swapped[right], swapped[left]
            yield site.replace(node, _rebuilt(node, swapped), "swapped elements", 1.6)
    strings = [item.value for item in elements if isinstance(item, ast.Constant)]
    if strings and all(isinstance(item, str) for item in strings):
        for word in site.vocabulary.words:
            if word not in strings:
                grown = _rebuilt(node, [*texts, repr(word)])
                yield site.replace(node, grown, "container element", 2.5)


def _format_parts(site: Site, node: ast.JoinedStr) -> Iterator[Edit]:
    """Exchange two of the expressions in an f-string."""
    placed = set(site.nodes)
    parts = [
        part.value
        for part in node.values
        if isinstance(part, ast.FormattedValue) and part.value in placed
    ]
    for place, left in enumerate(parts):
        for right in parts[place + 1 :]:
            first, second = site.module.span(left), site.module.span(right)
            between = site.module.data[first[1] : second[0]].decode()
            text = f"{site.module.text(right)}{between}{site.module.text(left)}"
            yield site.splice(first[0], second[1], text, "swapped elements", 1.5, line=left.lineno)


def _rebuilt(node: ast.expr, texts: Sequence[str]) -> str:
    inner = ", ".join(texts)
    if isinstance(node, ast.List):
        return f"[{inner}]"
    if isinstance(node, ast.Set):
        return f"{{{inner}}}"
    return f"({inner},)" if len(texts) == 1 else f"({inner})"


def _dict_items(site: Site, node: ast.Dict) -> Iterator[Edit]:
    values = node.values
    for left, right in pairwise(values):
        start, end = site.module.span(left)[0], site.module.span(right)[1]
        between = site.module.data[slice(*site.module.between(left, right))].decode()
        first, second = site.module.text(left), site.module.text(right)
        yield site.splice(
            start, end, f"{second}{between}{first}", "swapped elements", 2.2, line=left.lineno
        )
    items = list(zip(node.keys, values, strict=True))
    for index in range(len(items) if len(items) > 1 else 0):
        rest = [
            f"{site.module.text(key)}: {site.module.text(value)}" if key else ""
            for place, (key, value) in enumerate(items)
            if place != index
        ]
        if all(rest):
            yield site.replace(node, "{" + ", ".join(rest) + "}", "container element", 2.8)
