"""Regular expressions: quantifiers, classes, separators, anchors, groups, flags, alternatives."""

import ast
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from devops_agent.synthesis.edits.literals import PatternLiteral, pattern_literals
from devops_agent.synthesis.edits.patterns import Token, class_items, group_spans, shapes
from devops_agent.synthesis.edits.site import Site
from devops_agent.synthesis.source import Edit

MAX_ALTERNATIVES = 12
"""Words or shapes tried as a further alternative of one pattern."""

MAX_WRAPPED_TOKENS = 6

_ADDITIONS = (
    *("-", ".", " ", r"\s", "'", "_", "+", "%", "/", ",", ":", "&", "#", "@", "\u2019"),
    *("a-z", "A-Z", "0-9", r"\w", "\u00c0-\u024f", r"\d", "*", "()", "!", "=", "~"),
)
_ESCAPES = {
    r"\d": ("[\\d,]", "[\\d.]", "[\\d ]", "[\\d-]", "[\\d., ]", r"\w", "[A-Z0-9]", "[\\d*xX]"),
    r"\w": ("[\\w-]", "[\\w.-]", "[\\w'-]", "[\\w.+-]", "[\\w\\s]", r"\S", "[A-Za-z]", r"\d"),
    r"\s": ("[\\s-]", "[\\s,.:;-]", " ", "[-.\\s]", "[\\s.]", "[\\s_]", r"\W"),
    r"\S": (r"\w", "[\\w.-]", "[^\\s,]", "[^\\s.,;:!?]"),
    r"\.": (".", "[.,]", "[.\\s]"),
    r"\$": ("[$\u20ac\u00a3]", "[$\u20ac\u00a3]?"),
}
_SEPARATORS = set("-. /:,#_") | {r"\-", r"\.", r"\s", r"\ ", r"\/", r"\#"}
_SEPARATOR_SHAPES = (
    *("[-.\\s]?", "[-\\s]?", "\\s*", "\\s+", "[-./\\s]", "[-.\\s/]?", "[-\\s]*", "\\s?"),
    *("[\\s:]*", "[\\s#:]*", "[-_\\s]?", "[.,]"),
)
_OPTIONALS = (
    *("\\s*", "\\s?", "[-.\\s]?", "[-\\s]?", "[.,]?", "\\.?", "\\(?", "\\)?", "#?", ":?"),
    *("[\\s#:.-]*", "-?", "(?:\\.\\d+)?", "(?:,\\d{3})*", "(?:\\+\\d{1,3}[-.\\s]?)?", "s?"),
)
_LEADING = (
    "\\b",
    "^",
    "(?<!\\d)",
    "(?<!\\w)",
    "(?<![\\w.])",
    "(?<!\\S)",
    "(?:\\+\\d{1,3}[-.\\s]?)?",
)
_TRAILING = ("\\b", "$", "(?!\\d)", "(?!\\w)", "(?!\\S)", "(?=\\s|$)", "(?![\\w-])")
_FLAGS = ("re.IGNORECASE", "re.MULTILINE", "re.DOTALL")
_BOUNDS = re.compile(r"\{(\d*)(,?)(\d*)\}")


def propose(site: Site) -> Iterator[Edit]:
    """Propose other regular expressions in the place of the site's."""
    for literal in pattern_literals(site):
        for edit in _all(site, literal):
            if edit is not None:
                yield edit
        yield from _flags(site, literal)


def _all(site: Site, literal: PatternLiteral) -> Iterator[Edit | None]:
    for token in literal.tokens:
        for text, cost in _requantified(token):
            yield literal.edit(site, token.end, token.stop, text, cost)
        for text, cost in _respelled(token):
            yield literal.edit(site, token.start, token.stop, text, cost)
        if token.kind not in ("open", "close"):
            yield literal.edit(site, token.start, token.stop, "", 1.9)
        for place, text in enumerate(_OPTIONALS):
            yield literal.edit(site, token.start, token.start, text, 2.2 + 0.02 * place)
    for start, end, text, cost in _everywhere(literal):
        yield literal.edit(site, start, end, text, cost)
    for start, end, text, cost in _outlines(literal):
        yield literal.edit(site, start, end, text, cost)
    for start, end, text, cost in _groups(literal):
        yield literal.edit(site, start, end, text, cost)
    for start, end, text, cost in _alternatives(site, literal):
        yield literal.edit(site, start, end, text, cost)


def _requantified(token: Token) -> Iterator[tuple[str, float]]:
    if token.kind in ("open", "bar", "anchor"):
        return
    current = token.quantifier
    bounds = _BOUNDS.fullmatch(current.rstrip("?")) if current.startswith("{") else None
    if bounds is not None:
        yield from _rebounded(bounds)
    elif current.startswith(("+", "*")):
        lazy = current[1:]
        yield ("*" if current[0] == "+" else "+") + lazy, 1.2
        yield current[0] + ("" if lazy else "?"), 1.4
        yield "{2,}", 2.0
        yield "?", 2.0
        yield "", 1.8
    elif current:
        yield "", 1.4
        yield "*", 1.6
        yield "+", 2.0
    else:
        for text, cost in (("?", 1.4), ("+", 1.4), ("*", 1.6), ("{1,2}", 2.0), ("{2,}", 2.4)):
            yield text, cost if token.kind != "literal" else cost + 0.2


def _rebounded(bounds: re.Match[str]) -> Iterator[tuple[str, float]]:
    low = int(bounds.group(1) or 0)
    high = int(bounds.group(3)) if bounds.group(3) else (None if bounds.group(2) else low)
    yield f"{{{low},}}", 1.4
    yield "+", 1.6
    for other, cost in ((low - 1, 1.2), (low + 1, 1.2), (1, 1.6), (low - 2, 1.8)):
        if other >= 0 and high is None:
            yield f"{{{other},}}", cost
        elif other >= 0 and high is not None and other <= high:
            yield f"{{{other},{high}}}", cost
    if high is not None:
        for other, cost in ((high + 1, 1.2), (high - 1, 1.2), (high + 2, 1.6), (high * 2, 2.0)):
            if other >= low:
                yield f"{{{low},{other}}}", cost
        for other in (high + 3, high + 4):
            yield f"{{{low},{other}}}", 2.0
    if low == high:
        yield f"{{{low + 1}}}", 1.2
        yield f"{{{max(low - 1, 1)}}}", 1.2


def _respelled(token: Token) -> Iterator[tuple[str, float]]:
    quantifier = token.quantifier
    if token.kind == "class":
        yield from ((text + quantifier, cost) for text, cost in _other_classes(token.text))
    for text in _ESCAPES.get(token.text, ()):
        yield text + quantifier, 1.8
    if token.text in _SEPARATORS:
        for place, text in enumerate(_SEPARATOR_SHAPES):
            yield text, 1.4 + 0.05 * place
    if token.kind == "dot":
        yield "\\." + quantifier, 1.4
        yield "[\\s\\S]" + quantifier, 2.0
        yield "[^\\s]" + quantifier, 2.2
    if token.kind == "literal" and token.text.isalpha():
        yield f"[{token.text.upper()}{token.text.lower()}]{quantifier}", 2.0
    if token.text == "-":
        yield "[-\u2013\u2014]" + quantifier, 2.0
    if token.kind == "anchor" and token.text == "\\b":
        yield from ((text, 1.8) for text in (*_LEADING[1:], *_TRAILING[1:]))


def _everywhere(literal: PatternLiteral) -> Iterator[tuple[int, int, str, float]]:
    """Change all tokens that are the same in the same way, as both separators of a date."""
    found: dict[tuple[str, str], list[Token]] = {}
    for token in literal.tokens:
        if token.kind in ("class", "escape", "literal", "dot"):
            found.setdefault((token.text, token.quantifier), []).append(token)
    for same in found.values():
        first, last = same[0], same[-1]
        if first is last or (first.kind == "literal" and first.text not in _SEPARATORS):
            continue
        for text, cost in _respelled(first):
            changed = literal.pattern[first.start : last.stop]
            for token in reversed(same):
                low, high = token.start - first.start, token.stop - first.start
                changed = changed[:low] + text + changed[high:]
            yield first.start, last.stop, changed, cost + 0.2


def _other_classes(text: str) -> Iterator[tuple[str, float]]:
    head = "[^" if text.startswith("[^") else "["
    items = list(class_items(text))
    for place, addition in enumerate(_ADDITIONS):
        if addition not in items:
            grown = [*items, addition]
            if addition == "-" or "-" in items:  # a hyphen stands for itself only at the end
                grown = [*(item for item in grown if item != "-"), "-"]
            yield f"{head}{''.join(grown)}]", 1.5 + 0.03 * place
    for index in range(len(items) if len(items) > 1 else 0):
        rest = items[:index] + items[index + 1 :]
        yield f"{head}{''.join(rest)}]", 1.8
    opposite = "[" if head == "[^" else "[^"
    yield f"{opposite}{''.join(items)}]", 2.6


def _outlines(literal: PatternLiteral) -> Iterator[tuple[int, int, str, float]]:
    """Anchors and prefixes at both ends of the pattern."""
    size = len(literal.pattern)
    for text in _LEADING:
        yield 0, 0, text, 1.8
    for text in _TRAILING:
        yield size, size, text, 1.8
    first, last = literal.tokens[0], literal.tokens[-1]
    if first.kind == "anchor":
        for text in _LEADING:
            yield first.end, first.end, text, 2.4
    if last.kind == "anchor":
        for text in (*_OPTIONALS, *_TRAILING):
            yield last.start, last.start, text, 2.4


def _groups(literal: PatternLiteral) -> Iterator[tuple[int, int, str, float]]:
    tokens = literal.tokens
    for opening, closing in group_spans(tokens):
        if opening.text == "(":
            yield opening.start, opening.end, "(?:", 2.2
        elif opening.text == "(?:":
            yield opening.start, opening.end, "(", 2.2
        inner = literal.pattern[opening.end : closing.start]
        yield opening.start, closing.stop, inner, 2.4
        yield opening.start, closing.stop, "", 2.0
        bars = [
            token
            for token in tokens
            if token.kind == "bar"
            and opening.start < token.start < closing.start
            and token.depth == opening.depth + 1
        ]
        edges = [opening.end, *(bar.start for bar in bars), closing.start]
        for low, high in pairwise(edges):
            if bars:  # the bar before an alternative goes with it, or the one behind the first
                yield low, high + (low == opening.end), "", 2.2
    for index, token in enumerate(tokens):
        for length in range(2, MAX_WRAPPED_TOKENS + 1):
            run = tokens[index : index + length]
            if len(run) == length and _is_run(run):
                inner = literal.pattern[token.start : run[-1].stop]
                for quantifier, cost in (("?", 2.4), ("*", 2.6), ("+", 2.7), ("{1,2}", 2.9)):
                    yield token.start, run[-1].stop, f"(?:{inner}){quantifier}", cost


def _is_run(run: Sequence[Token]) -> bool:
    level = run[0].depth
    if any(token.kind == "bar" and token.depth == level for token in run):
        return False
    opened = sum(token.kind == "open" for token in run)
    closed = sum(token.kind == "close" for token in run)
    return opened == closed and all(token.depth >= level for token in run)


def _alternatives(site: Site, literal: PatternLiteral) -> Iterator[tuple[int, int, str, float]]:
    """Further alternatives: words of the dev cases, and shapes of values that are missed."""
    beside = [re.escape(word) for word in site.vocabulary.neighbours[:MAX_ALTERNATIVES]]
    words = [re.escape(word) for word in site.vocabulary.words[:MAX_ALTERNATIVES]]
    costs = {**dict.fromkeys(words, 2.6), **dict.fromkeys(beside, 2.0)}
    for _, closing in group_spans(literal.tokens):
        for word, cost in costs.items():
            yield closing.start, closing.start, f"|{word}", cost
    for label in sorted(site.vocabulary.samples):
        for shape in shapes(site.vocabulary.samples[label])[:MAX_ALTERNATIVES]:
            size = len(literal.pattern)
            yield 0, size, f"(?:{literal.pattern}|{shape})", 2.6
            yield 0, size, f"(?:\\b{shape}\\b|{literal.pattern})", 2.8
            for opening, closing in group_spans(literal.tokens):
                if not opening.text.startswith(("(?=", "(?!", "(?<=", "(?<!")):
                    yield closing.start, closing.start, f"|{shape}", 2.6


def _flags(site: Site, literal: PatternLiteral) -> Iterator[Edit]:
    call = literal.call
    if call is None:
        edit = literal.edit(site, 0, 0, "(?i)", 1.6)
        if edit is not None:
            yield edit
        return
    flags = [keyword.value for keyword in call.keywords if keyword.arg == "flags"]
    callee = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    place = {"compile": 1, "sub": 4, "subn": 4, "split": 3}.get(callee, 2)
    flags += call.args[place : place + 1]
    for flag in _FLAGS:
        cost = 1.3 if flag == "re.IGNORECASE" else 2.0
        if flags:
            yield site.replace(flags[0], f"{site.module.text(flags[0])} | {flag}", "flag", cost)
        else:
            end = site.module.span(call)[1] - 1
            comma = site.module.data[:end].rstrip().endswith(b",")
            text = f"flags={flag}" if comma else f", flags={flag}"
            yield site.splice(end, end, text, "flag", cost, line=call.lineno)
    for value in flags:
        yield site.replace(value, "0", "flag", 2.0)
