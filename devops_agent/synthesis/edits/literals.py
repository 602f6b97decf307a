"""String literals that are regular expressions, character by character as the source spells them.

Adjacent literals and f-strings are read too: what stands in braces is a hole, one opaque character
of the pattern that edits may move around but not look into.
"""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from devops_agent.synthesis.edits.patterns import Token, tokenize_pattern
from devops_agent.synthesis.edits.site import Site
from devops_agent.synthesis.source import Edit

_CALLEES = frozenset(
    ("compile", "match", "search", "fullmatch", "findall", "finditer", "sub", "subn", "split")
)
_LOOKS_LIKE = re.compile(r"\\[dwsbDWSB]|\[[^\]]+\]|\(\?|[)\]\w.][*+?]|\{\d")
_OPENING = re.compile(r"([a-zA-Z]*)('''|\"\"\"|'|\")")
_SPACE = re.compile(r"(?:\s|#[^\n]*\n|\\\n)*")
_HOLE = re.compile(r"\{[^{}'\"]+\}|\{[^{}]*\}")
_FIRST_HOLE = 0xE000  # Unicode's private use area: no real pattern contains it


@dataclass(frozen=True, kw_only=True)
class _Style:
    """How a literal spells its characters."""

    is_raw: bool
    is_format: bool
    quote: str

    def spell(self, text: str, holes: Mapping[str, str]) -> str | None:
        """Write pattern text as the literal would; None when it cannot."""
        if self.quote[0] in text or "\n" in text:
            return None
        spelled = text if self.is_raw else text.replace("\\", "\\\\")
        if self.is_format:
            spelled = spelled.replace("{", "{{").replace("}", "}}")
        elif any(hole in text for hole in holes):
            return None
        for hole, source in holes.items():
            spelled = spelled.replace(hole, source)
        return spelled


@dataclass(frozen=True, kw_only=True)
class _Character:
    """A character of the pattern and the bytes of the file that spell it."""

    value: str
    start: int
    end: int
    style: _Style


@dataclass(frozen=True, kw_only=True)
class PatternLiteral:
    """A regular expression in the source.

    Attributes:
        node: the string constant or f-string.
        pattern: its value, with holes.
        tokens: the pattern's tokens.
        call: the call of the ``re`` module that it is an argument of, if any.
    """

    node: ast.expr
    pattern: str
    tokens: Sequence[Token]
    call: ast.Call | None
    characters: Sequence[_Character]
    holes: Mapping[str, str]

    def edit(self, site: Site, start: int, end: int, text: str, cost: float) -> Edit | None:
        """Replace a range of the pattern; None when the source cannot spell the result.

        Whether the result is a regular expression is left to be checked when the edit is tried.
        """
        changed = self.pattern[:start] + text + self.pattern[end:]
        if changed == self.pattern:
            return None
        neighbour = self.characters[min(start, len(self.characters) - 1)]
        last = self.characters[end - 1] if end > start else neighbour
        if last.style != neighbour.style:
            return None
        spelled = neighbour.style.spell(text, self.holes)
        if spelled is None:
            return None
        low = neighbour.start if start < len(self.characters) else neighbour.end
        high = last.end if end > start else low
        return site.splice(
            low,
            high,
            spelled,
            "regular expression",
            cost,
            line=site.module.line_of(low),
            pattern=changed,
        )


def pattern_literals(site: Site) -> Iterator[PatternLiteral]:
    """Iterate over the strings of a site that are used as regular expressions."""
    if b"re" not in site.module.data:
        return
    for node in site.find(ast.Constant, ast.JoinedStr):
        if isinstance(node, ast.Constant) and not isinstance(node.value, str):
            continue
        parent = site.module.parents.get(node)
        if not isinstance(node, ast.expr) or isinstance(parent, ast.Expr):
            continue
        literal = _literal(site, node, parent)
        if literal is not None:
            yield literal


def _literal(site: Site, node: ast.expr, parent: ast.AST | None) -> PatternLiteral | None:
    characters, holes = _read(site.module.text(node), site.module.span(node)[0])
    pattern = "".join(character.value for character in characters)
    if isinstance(node, ast.Constant) and pattern != node.value:
        return None  # escapes were translated: positions would not match
    call = parent if isinstance(parent, ast.Call) and _is_re_call(parent, node) else None
    if call is None and not _LOOKS_LIKE.search(pattern):
        return None
    tokens = tokenize_pattern(pattern)
    if not tokens:
        return None
    return PatternLiteral(
        node=node, pattern=pattern, tokens=tokens, call=call, characters=characters, holes=holes
    )


def _is_re_call(call: ast.Call, node: ast.expr) -> bool:
    return (
        isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in ("re", "regex")
        and call.func.attr in _CALLEES
        and bool(call.args)
        and call.args[0] is node
    )


def _read(source: str, offset: int) -> tuple[Sequence[_Character], Mapping[str, str]]:
    """Take adjacent literals apart; nothing is returned for what is not understood."""
    characters: list[_Character] = []
    holes: dict[str, str] = {}
    position = 0
    while position < len(source):
        opening = _OPENING.match(source, position)
        if opening is None or "b" in opening.group(1).lower():
            return [], {}
        prefix, quote = opening.group(1).lower(), opening.group(2)
        end = _closing(source, opening.end(), quote)
        style = _Style(is_raw="r" in prefix, is_format="f" in prefix, quote=quote)
        start = opening.end()
        while start < end:
            value, length = _next(source, start, end, style, holes)
            first = offset + len(source[:start].encode())
            size = len(source[start : start + length].encode())
            characters.append(_Character(value=value, start=first, end=first + size, style=style))
            start += length
        space = _SPACE.match(source, end + len(quote))
        position = space.end() if space else len(source)
    return characters, holes


def _closing(source: str, position: int, quote: str) -> int:
    while position < len(source) and not source.startswith(quote, position):
        position += 2 if source[position] == "\\" else 1
    return position


def _next(
    source: str, start: int, end: int, style: _Style, holes: dict[str, str]
) -> tuple[str, int]:
    if style.is_format and source[start] in "{}":
        if source.startswith(("{{", "}}"), start):
            return source[start], 2
        found = _HOLE.match(source, start, end)
        if found is not None:
            hole = chr(_FIRST_HOLE + len(holes))
            holes[hole] = found.group()
            return hole, len(found.group())
    if not style.is_raw and source.startswith("\\\\", start):
        return "\\", 2
    return source[start], 1
