"""Calls: arguments swapped, dropped or added, and values wrapped in a call or freed from one."""

import ast
from collections.abc import Iterator, Mapping, Sequence

from devops_agent.synthesis.edits.kinds import ANY, DICT, LIST, NUMBER, SET, TEXT
from devops_agent.synthesis.edits.site import Site
from devops_agent.synthesis.source import Edit, is_atomic

_WRAPS: Mapping[str, tuple[str, ...]] = {
    TEXT: (
        "{}.strip()",
        "{}.lower()",
        "{}.upper()",
        "{}.casefold()",
        "{}[::-1]",
        "{}.split()",
        "len({})",
        "int({})",
        "set({})",
        "sorted({})",
        "list({})",
        "float({})",
        "''.join(sorted({}))",
        "{}.replace(' ', '')",
        "{}.replace(',', '')",
        "{}.replace('-', '')",
        "{}.swapcase()",
        "{}.rstrip('.,;:!?')",
        "' '.join({}.split())",
        "ord({})",
        "{}.title()",
        "str({})",
    ),
    NUMBER: (
        "abs({})",
        "int({})",
        "{} + 1",
        "{} - 1",
        "-{}",
        "str({})",
        "round({})",
        "float({})",
        "{} // 2",
        "{} * 2",
        "{} % 2",
        "{} ** 2",
        "{} / 2",
        "{} % 10",
        "{} // 10",
        "max({}, 0)",
        "chr({})",
        "round({}, 2)",
    ),
    LIST: (
        "sorted({})",
        "{}[::-1]",
        "list(dict.fromkeys({}))",
        "list({})",
        "len({})",
        "sum({})",
        "max({})",
        "min({})",
        "tuple({})",
        "sorted(set({}))",
        "{}[0]",
        "{}[-1]",
        "{}[1:]",
        "{}[:-1]",
        "sorted({}, reverse=True)",
        "list(reversed({}))",
        "''.join({})",
        "' '.join({})",
        "any({})",
        "all({})",
        "list(map(int, {}))",
        "list(map(str, {}))",
        "{}.copy()",
        "set({})",
    ),
    SET: ("sorted({})", "list({})", "len({})", "sum({})", "max({})", "min({})"),
    DICT: ("{}.values()", "{}.items()", "{}.keys()", "len({})", "sorted({})", "list({})"),
}
_ANY_WRAPS = (
    *("len({})", "str({})", "int({})", "abs({})", "sorted({})", "list({})"),
    *("{}.strip()", "{}.lower()", "{}.upper()", "{}[::-1]", "sum({})", "max({})", "min({})"),
    *("float({})", "{}[0]", "{}[-1]", "{} + 1", "{} - 1", "-{}", "tuple({})", "round({})"),
    *("list(dict.fromkeys({}))", "bool({})", "set({})"),
)
_WRAPPED = (
    *(ast.Name, ast.Attribute, ast.Subscript, ast.Call, ast.BinOp),
    *(ast.ListComp, ast.GeneratorExp, ast.JoinedStr, ast.SetComp),
)
_KEYWORDS = {
    "sorted": ("reverse=True", "key=len", "key=abs", "key=str", "key=str.lower"),
    "sort": ("reverse=True", "key=len", "key=abs", "key=str", "key=str.lower"),
    "min": ("key=len", "key=abs", "default=0", "default=None"),
    "max": ("key=len", "key=abs", "default=0", "default=None"),
}
_KEY_LAMBDAS = (
    *("lambda x: x[0]", "lambda x: x[1]", "lambda x: -x[1]", "lambda x: (-x[1], x[0])"),
    *("lambda x: (x[1], x[0])", "lambda x: (len(x), x)", "lambda x: -x", "lambda x: x[-1]"),
)
_ARGUMENTS = {
    "split": ("' '", "','", "'\\n'"),
    "pop": ("0", "-1"),
    "int": ("2", "10", "16"),
    "round": ("0", "1", "2", "3"),
    "enumerate": ("1",),
    "get": ("0", "''", "[]", "None"),
    "group": ("0", "1", "2"),
    "sum": ("0",),
}


def propose(site: Site) -> Iterator[Edit]:
    """Propose other argument lists, and wrapped and unwrapped values."""
    for node in site.nodes:
        if isinstance(node, ast.Call):
            yield from _arguments(site, node)
            yield from _keywords(site, node)
            yield from _unwrapped(site, node)
    for node in site.expressions:
        if isinstance(node, _WRAPPED):
            yield from _wrapped(site, node)


def _arguments(site: Site, node: ast.Call) -> Iterator[Edit]:
    arguments = node.args
    if any(isinstance(argument, ast.Starred) for argument in arguments):
        return
    text = site.module.text
    for left in range(len(arguments)):
        for right in range(left + 1, len(arguments)):
            start, end = (
                site.module.span(arguments[left])[0],
                site.module.span(arguments[right])[1],
            )
            texts = [text(argument) for argument in arguments[left : right + 1]]
            texts[0], texts[-1] = texts[-1], texts[0]
            yield site.splice(
                start, end, ", ".join(texts), "swapped arguments", 1.2, line=node.lineno
            )
    if len(arguments) > 1:
        for index in range(len(arguments)):
            rest = [text(other) for place, other in enumerate(arguments) if place != index]
            start, end = site.module.span(arguments[0])[0], site.module.span(arguments[-1])[1]
            yield site.splice(
                start, end, ", ".join(rest), "dropped argument", 1.8, line=node.lineno
            )
    for value in _ARGUMENTS.get(_callee(node), ()):
        yield from _appended(site, node, value, "added argument", 1.8)


def _appended(site: Site, node: ast.Call, value: str, family: str, cost: float) -> Iterator[Edit]:
    end = site.module.span(node)[1] - 1
    if node.args or node.keywords:
        last = max(
            [*node.args, *(keyword.value for keyword in node.keywords)],
            key=lambda item: site.module.span(item)[1],
        )
        if isinstance(last, ast.GeneratorExp):
            return
        value = f", {value}"
        if site.module.data[site.module.span(last)[1] : end].strip().startswith(b","):
            value = value[1:]
    yield site.splice(end, end, value, family, cost, line=node.lineno)


def _callee(node: ast.Call) -> str:
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _keywords(site: Site, node: ast.Call) -> Iterator[Edit]:
    given = {keyword.arg for keyword in node.keywords}
    for keyword in node.keywords:
        start, end = site.module.span(keyword)
        before = site.module.data[:start].rstrip()
        if before.endswith(b","):
            start = len(before) - 1
        yield site.splice(start, end, "", "dropped keyword", 1.6, line=node.lineno)
        if keyword.arg == "key":
            for key in (*_KEY_LAMBDAS, "len", "abs", "str.lower", "str"):
                yield site.replace(keyword.value, key, "sort key", 1.8)
    for addition in _KEYWORDS.get(_callee(node), ()):
        if addition.split("=")[0] not in given:
            cost = 1.3 if addition == "reverse=True" else 1.8
            yield from _appended(site, node, addition, "added keyword", cost)
    if _callee(node) in _KEYWORDS and "key" not in given:
        for key in _KEY_LAMBDAS:
            yield from _appended(site, node, f"key={key}", "sort key", 2.4)


def _unwrapped(site: Site, node: ast.Call) -> Iterator[Edit]:
    if len(node.args) >= 1 and not isinstance(node.args[0], ast.Starred):
        inner = site.module.text(node.args[0])
        if isinstance(node.args[0], ast.GeneratorExp) and not inner.startswith("("):
            inner = f"({inner})"
        yield site.replace(node, inner, "unwrapped call", 1.3)
    if isinstance(node.func, ast.Attribute):
        base = site.module.text(node.func.value)
        yield site.replace(node, base, "unwrapped call", 1.3)


def _wrapped(site: Site, node: ast.expr) -> Iterator[Edit]:
    kind = site.kind(node)
    parent = site.module.parents.get(node)
    if isinstance(parent, ast.Attribute) and kind == ANY:
        return
    text = site.module.text(node)
    if isinstance(node, ast.GeneratorExp):
        inner = text.removeprefix("(").removesuffix(")") if text.startswith("(") else text
        for wrap in ("sorted({})", "list({})", "sum({})", "set({})", "max({})", "min({})"):
            yield site.replace(node, wrap.format(inner), "wrapped call", 1.8)
        return
    atom = text if is_atomic(text) else f"({text})"
    for wrap in _usual_wraps(node, parent, kind):
        filler = text if wrap.endswith("({})") else atom
        yield site.replace(node, wrap.format(filler), "wrapped call", 1.5)
    plain = kind != ANY
    for place, wrap in enumerate(_WRAPS.get(kind, _ANY_WRAPS)):
        cost = (1.6 if plain else 2.2) + 0.05 * place
        filler = text if wrap.endswith("({})") else atom
        yield site.replace(node, wrap.format(filler), "wrapped call", cost)


def _usual_wraps(node: ast.expr, parent: ast.AST | None, kind: str) -> Sequence[str]:
    """Return the conversions that the place of a value suggests, whatever its kind."""
    match parent:
        case ast.Call(func=ast.Name(id="len" | "sum" | "sorted" | "list")) if kind != NUMBER:
            return ("set({})",)
        case ast.Call(func=ast.Attribute(attr="join" | "write" | "append")):
            return ("str({})", "{}.strip()")
        case ast.BinOp(op=ast.Add()) if kind in (NUMBER, ANY, TEXT):
            return ("int({})",) if kind == TEXT else ("str({})", "abs({})")
        case ast.Compare() if kind in (TEXT, ANY):
            return ("{}.lower()", "{}.strip()", "int({})")
        case ast.comprehension() | ast.For() if parent.iter is node and kind != NUMBER:
            return ("sorted({})", "set({})", "str({})", "{}[::-1]")
    return ()
