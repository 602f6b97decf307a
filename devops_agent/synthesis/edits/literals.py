"""String literals that are regular expressions, piece by piece as the source spells them."""

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from devops_agent.synthesis.edits.patterns import Token, compiles, tokenize_pattern
from devops_agent.synthesis.edits.site import Site
from devops_agent.synthesis.source import Edit

_CALLEES = (
    "compile",
    "match",
    "search",
    "fullmatch",
    "findall",
    "finditer",
    "sub",
    "subn",
    "split",
)
_LOOKS_LIKE = re.compile(r"\\[dwsbDWSB]|\[[^\]]+\]|\(\?|[)\]\w.][*+?]|\{\d")
_PREFIX = re.compile(r"([a-zA-Z]*)('''|\"\"\"|'|\")")


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """One of the adjacent literals that make a string: its place in the file and in the string."""

    source_start: int
    text: str
    value_start: int
    is_raw: bool
    quote: str


@dataclass(frozen=True, kw_only=True)
class PatternLiteral:
    """A regular expression in the source.

    Attributes:
        node: the string constant.
        pattern: its value.
        tokens: the pattern's tokens.
        call: the call of the ``re`` module that it is an argument of, if any.
    """

    node: ast.Constant
    pattern: str
    tokens: Sequence[Token]
    call: ast.Call | None
    pieces: Sequence[_Piece]

    def edit(self, site: Site, start: int, end: int, text: str, cost: float) -> Edit | None:
        """Replace a range of the pattern; None when the result is no regular expression."""
        changed = self.pattern[:start] + text + self.pattern[end:]
        if changed == self.pattern or not compiles(changed):
            return None
        for piece in self.pieces:
            if piece.value_start <= start and end <= piece.value_start + len(piece.text):
                return self._splice(site, piece, start, end, text, cost)
        return None

    def _splice(
        self, site: Site, piece: _Piece, start: int, end: int, text: str, cost: float
    ) -> Edit | None:
        if piece.quote[0] in text or "\n" in text:
            return None
        low, high = start - piece.value_start, end - piece.value_start
        offset = piece.source_start + len(piece.text[:low].encode())
        length = len(piece.text[low:high].encode())
        spelled = text if piece.is_raw else text.replace("\\", "\\\\")
        line = site.module.data.count(b"\n", 0, offset) + 1
        return site.splice(offset, offset + length, spelled, "regular expression", cost, line=line)


def pattern_literals(site: Site) -> Iterator[PatternLiteral]:
    """Iterate over the string constants of a site that are used as regular expressions."""
    if b"re" not in site.module.data:
        return
    for node in site.find(ast.Constant):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        parent = site.module.parents.get(node)
        if isinstance(parent, ast.Expr):
            continue
        call = parent if isinstance(parent, ast.Call) and _is_re_call(parent, node) else None
        if call is None and not _LOOKS_LIKE.search(node.value):
            continue
        tokens = tokenize_pattern(node.value)
        pieces = _pieces(site, node)
        if tokens and pieces:
            yield PatternLiteral(
                node=node, pattern=node.value, tokens=tokens, call=call, pieces=pieces
            )


def _is_re_call(call: ast.Call, node: ast.Constant) -> bool:
    return (
        isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in ("re", "regex")
        and call.func.attr in _CALLEES
        and bool(call.args)
        and call.args[0] is node
    )


def _pieces(site: Site, node: ast.Constant) -> Sequence[_Piece]:
    start, _ = site.module.span(node)
    source = site.module.text(node)
    lines = source.splitlines(keepends=True)
    pieces: list[_Piece] = []
    value_start = 0
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(f"({source})").readline))
    except (tokenize.TokenError, SyntaxError):
        return []
    for token in tokens:
        if token.type != tokenize.STRING:
            continue
        row, column = token.start
        before = "".join(lines[: row - 1]) + lines[row - 1][: column - (row == 1)]
        found = _PREFIX.match(token.string)
        if found is None or set(found.group(1).lower()) & {"b", "f"}:
            return []
        quote = found.group(2)
        body = token.string[found.end() : -len(quote)]
        if _value(token.string) != body:
            return []  # escapes were translated: positions would not match
        pieces.append(
            _Piece(
                source_start=start + len((before + found.group()).encode()),
                text=body,
                value_start=value_start,
                is_raw="r" in found.group(1).lower(),
                quote=quote,
            )
        )
        value_start += len(body)
    return pieces


def _value(literal: str) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape such as "\d" is what we look for
        return ast.literal_eval(literal)
