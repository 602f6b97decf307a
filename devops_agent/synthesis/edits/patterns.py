"""Regular expressions as tokens with positions, and shapes generalized from sample strings.

The standard library's own parser keeps no positions; edits need them, so that the rest of a
pattern stays as its author wrote it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from devops_agent.synthesis.source import compiles_pattern

MAX_PATTERN_CHARACTERS = 1_000
"""Longer patterns are left alone: their edits would fill the budget."""

_QUANTIFIER = re.compile(r"(?:[*+?]|\{\d*,?\d*\})[?+]?")
_GROUP_OPENING = re.compile(
    r"\((?:\?(?:P<\w+>|P=\w+\)|<[=!]|[:=!>]|#[^)]*\)|[aiLmsux-]+[:)]|P>))?"
)
_ESCAPE = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|[0-9]{1,2}|.)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Token:
    """A piece of a pattern with the quantifier behind it.

    Attributes:
        kind: literal, escape, class, dot, anchor, bar, open or close.
        text: the piece without its quantifier.
        start: where it begins.
        end: where it ends, before its quantifier.
        quantifier: what repeats it; "" for once. A group's stands at its closing token.
        depth: how many groups are open around it.
    """

    kind: str
    text: str
    start: int
    end: int
    quantifier: str
    depth: int

    @property
    def stop(self) -> int:
        """Where the token ends with its quantifier."""
        return self.end + len(self.quantifier)


def tokenize_pattern(pattern: str) -> Sequence[Token] | None:
    """Split a pattern; None when it is too long or not understood."""
    if len(pattern) > MAX_PATTERN_CHARACTERS or not compiles_pattern(pattern):
        return None
    tokens: list[Token] = []
    position = depth = 0
    while position < len(pattern):
        kind, end = _next(pattern, position)
        if kind == "close":
            depth -= 1
        quantifier = ""
        if kind not in ("open", "bar", "anchor"):
            found = _QUANTIFIER.match(pattern, end)
            quantifier = found.group() if found else ""
        text = pattern[position:end]
        tokens.append(
            Token(
                kind=kind, text=text, start=position, end=end, quantifier=quantifier, depth=depth
            )
        )
        if kind == "open" and not text.endswith(")"):
            depth += 1
        position = end + len(quantifier)
    return tokens if depth == 0 else None


def _next(pattern: str, position: int) -> tuple[str, int]:
    character = pattern[position]
    if character == "\\":
        found = _ESCAPE.match(pattern, position)
        end = found.end() if found else position + 1
        return ("anchor" if pattern[position + 1 : end] in ("b", "B", "A", "Z") else "escape"), end
    if character == "[":
        return "class", _class_end(pattern, position)
    if character == "(":
        found = _GROUP_OPENING.match(pattern, position)
        return "open", found.end() if found else position + 1
    kinds = {")": "close", "|": "bar", "^": "anchor", "$": "anchor", ".": "dot"}
    return kinds.get(character, "literal"), position + 1


def _class_end(pattern: str, position: int) -> int:
    end = position + 1
    if pattern[end : end + 1] == "^":
        end += 1
    if pattern[end : end + 1] == "]":
        end += 1
    while end < len(pattern) and pattern[end] != "]":
        end += 2 if pattern[end] == "\\" else 1
    return end + 1


def class_items(text: str) -> Sequence[str]:
    r"""Split a character class into its items: ``[\w.-]`` gives ``\w``, ``.``, ``-``."""
    inner = text[2:-1] if text.startswith("[^") else text[1:-1]
    return re.findall(r"\\?.-\\?[^\\]|\\.|.", inner, re.DOTALL)


def group_spans(tokens: Sequence[Token]) -> Iterator[tuple[Token, Token]]:
    """Pair the opening and closing tokens of groups."""
    stack: list[Token] = []
    for token in tokens:
        if token.kind == "open" and not token.text.endswith(")"):
            stack.append(token)
        elif token.kind == "close" and stack:
            yield stack.pop(), token


def shapes(samples: Sequence[str]) -> Sequence[str]:
    """Generalize sample strings to patterns: runs of letters and digits become classes.

    Samples with the same sequence of runs give one pattern, which keeps a run of letters as it is
    when all of them share it. A shape that a single sample shows is not generalized: it would be
    the sample itself.
    """
    found: dict[tuple[str, ...], list[list[str]]] = {}
    for sample in samples:
        runs = [(kind, "".join(run)) for kind, run in groupby(sample, key=_character_kind)]
        found.setdefault(tuple(kind for kind, _ in runs), []).append([text for _, text in runs])
    ranked = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    return [
        "".join(
            _run_pattern(kind, texts)
            for kind, texts in zip(key, zip(*rows, strict=True), strict=True)
        )
        for key, rows in ranked
        if len({tuple(row) for row in rows}) > 1
    ]


def _character_kind(character: str) -> str:
    if character.isdigit():
        return "digit"
    if character.isalpha():
        return "upper" if character.isupper() else "lower"
    return "space" if character.isspace() else character


def _run_pattern(kind: str, texts: Sequence[str]) -> str:
    lengths = sorted({len(text) for text in texts})
    classes = {"digit": r"\d", "upper": "[A-Z]", "lower": "[a-z]", "space": r"\s"}
    if kind not in classes:
        return re.escape(texts[0])
    if kind in ("upper", "lower") and len(set(texts)) == 1 and len(texts) > 1:
        return re.escape(texts[0])
    if kind in ("lower", "space"):
        return classes[kind] + "+"
    if len(lengths) == 1:
        return classes[kind] + (f"{{{lengths[0]}}}" if lengths[0] > 1 else "")
    return f"{classes[kind]}{{{lengths[0]},{lengths[-1]}}}"
