"""A rough guess of what kind of value an expression has, so that senseless edits are left out.

A kind is one of ``number``, ``text``, ``list``, ``dict``, ``set``, ``flag``, ``any``. A wrong
guess costs a missed edit or a wasted run, never a wrong candidate: variants are judged by running
them.
"""

import ast
from collections.abc import Iterator, Mapping

NUMBER, TEXT, LIST, DICT, SET, FLAG, ANY = "number", "text", "list", "dict", "set", "flag", "any"

_CALL_KINDS = {
    **dict.fromkeys(("len", "int", "float", "sum", "abs", "ord", "round", "pow", "hash"), NUMBER),
    **dict.fromkeys(("str", "chr", "repr", "bin", "hex", "oct", "format", "input"), TEXT),
    **dict.fromkeys(("sorted", "list", "tuple", "range", "enumerate", "zip", "reversed"), LIST),
    **dict.fromkeys(("map", "filter"), LIST),
    **dict.fromkeys(("set", "frozenset"), SET),
    **dict.fromkeys(("dict", "Counter", "defaultdict", "OrderedDict"), DICT),
    **dict.fromkeys(("any", "all", "bool", "isinstance", "callable", "hasattr"), FLAG),
}
_METHOD_KINDS = {
    **dict.fromkeys(("strip", "lstrip", "rstrip", "lower", "upper", "casefold", "title"), TEXT),
    **dict.fromkeys(("replace", "join", "format", "swapcase", "capitalize", "zfill"), TEXT),
    **dict.fromkeys(("group", "sub", "translate", "removeprefix", "removesuffix"), TEXT),
    **dict.fromkeys(("split", "rsplit", "splitlines", "findall", "finditer", "items"), LIST),
    **dict.fromkeys(("keys", "values", "groups", "partition"), LIST),
    **dict.fromkeys(("find", "rfind", "index", "count", "bit_length"), NUMBER),
    **dict.fromkeys(("startswith", "endswith", "isdigit", "isalpha", "isalnum"), FLAG),
    **dict.fromkeys(("isupper", "islower", "isspace", "isnumeric"), FLAG),
}
_ANNOTATION_KINDS = {
    **dict.fromkeys(("int", "float", "complex", "Decimal"), NUMBER),
    "str": TEXT,
    **dict.fromkeys(("list", "List", "tuple", "Tuple", "Sequence", "Iterable"), LIST),
    **dict.fromkeys(("dict", "Dict", "Mapping"), DICT),
    **dict.fromkeys(("set", "Set", "frozenset"), SET),
    "bool": FLAG,
}
_LITERAL_KINDS: Mapping[type[ast.expr], str] = {
    ast.JoinedStr: TEXT,
    ast.List: LIST,
    ast.ListComp: LIST,
    ast.Tuple: LIST,
    ast.GeneratorExp: LIST,
    ast.Dict: DICT,
    ast.DictComp: DICT,
    ast.Set: SET,
    ast.SetComp: SET,
    ast.Compare: FLAG,
}


def annotation_kind(annotation: ast.expr | None) -> str:
    """Return the kind that a parameter's annotation names."""
    if isinstance(annotation, ast.Subscript):
        annotation = annotation.value
    if isinstance(annotation, ast.Attribute):
        return _ANNOTATION_KINDS.get(annotation.attr, ANY)
    if isinstance(annotation, ast.Name):
        return _ANNOTATION_KINDS.get(annotation.id, ANY)
    return ANY


def element_kind(annotation: ast.expr | None) -> str:
    """Return the kind of the elements that an annotation such as ``list[int]`` names."""
    if isinstance(annotation, ast.Subscript):
        inner = annotation.slice
        return annotation_kind(inner.elts[0] if isinstance(inner, ast.Tuple) else inner)
    if isinstance(annotation, ast.Name) and annotation.id == "str":
        return TEXT
    return ANY


def kind_of(node: ast.expr, names: Mapping[str, str]) -> str:  # noqa: C901, PLR0911 - a case per node type
    """Guess the kind of an expression, given the kinds of names."""
    if type(node) in _LITERAL_KINDS:
        return _LITERAL_KINDS[type(node)]
    match node:
        case ast.Name(id=name):
            return names.get(name, ANY)
        case ast.Constant(value=value):
            return _constant_kind(value)
        case ast.BinOp(left=left, right=right, op=operator):
            return _operation_kind(kind_of(left, names), kind_of(right, names), operator)
        case ast.UnaryOp(op=ast.Not()):
            return FLAG
        case ast.UnaryOp():
            return NUMBER
        case ast.BoolOp(values=[first, *_]):
            return kind_of(first, names)
        case ast.IfExp(body=body):
            return kind_of(body, names)
        case ast.Call(func=ast.Name(id=name)):
            return _CALL_KINDS.get(name, names.get(f"{name}()", ANY))
        case ast.Call(func=ast.Attribute(attr=method)):
            return _METHOD_KINDS.get(method, ANY)
        case ast.Subscript(value=value, slice=index):
            return _item_kind(value, index, names)
    return ANY


def _constant_kind(value: object) -> str:
    if isinstance(value, bool):
        return FLAG
    if isinstance(value, int | float):
        return NUMBER
    return TEXT if isinstance(value, str) else ANY


def _operation_kind(left: str, right: str, operator: ast.operator) -> str:
    for kind in (TEXT, LIST, SET):
        if kind in (left, right):
            return kind
    if NUMBER in (left, right) or not isinstance(operator, ast.Add):
        return NUMBER
    return ANY


def _item_kind(value: ast.expr, index: ast.expr, names: Mapping[str, str]) -> str:
    whole = kind_of(value, names)
    if isinstance(index, ast.Slice) or whole == TEXT:
        return whole
    if isinstance(value, ast.Name):
        return names.get(f"{value.id}[]", ANY)
    return ANY


def infer_names(function: ast.FunctionDef, outer: Mapping[str, str]) -> dict[str, str]:
    """Guess the kinds of a function's names; ``x[]`` stands for the elements of ``x``."""
    kinds = dict(outer)
    arguments = function.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        kinds[argument.arg] = annotation_kind(argument.annotation)
        kinds[f"{argument.arg}[]"] = element_kind(argument.annotation)
    for _ in range(2):  # names that are assigned from names assigned further down
        for target, kind in _bindings(function, kinds):
            if kinds.get(target, ANY) == ANY:
                kinds[target] = kind
    return kinds


def _bindings(function: ast.FunctionDef, kinds: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, kind_of(value, kinds)
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
                for target, value in zip(targets, values, strict=False):
                    if isinstance(target, ast.Name):
                        yield target.id, kind_of(value, kinds)
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                yield name, annotation_kind(annotation)
            case ast.NamedExpr(target=ast.Name(id=name), value=value):
                yield name, kind_of(value, kinds)
            case (
                ast.For(target=target, iter=source) | ast.comprehension(target=target, iter=source)
            ):
                yield from _loop_bindings(target, source, kinds)


def _loop_bindings(
    target: ast.expr, source: ast.expr, kinds: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    match target, source:
        case ast.Name(id=name), ast.Call(func=ast.Name(id="range")):
            yield name, NUMBER
        case (
            ast.Tuple(elts=[ast.Name(id=name), element]),
            ast.Call(func=ast.Name(id="enumerate"), args=[inner, *_]),
        ):
            yield name, NUMBER
            yield from _loop_bindings(element, inner, kinds)
        case ast.Name(id=name), ast.Name(id=iterable):
            yield name, kinds.get(f"{iterable}[]", ANY)
            if kinds.get(iterable) == TEXT:
                yield name, TEXT
        case ast.Name(id=name), _ if kind_of(source, kinds) == TEXT:
            yield name, TEXT
        case ast.Name(id=name), ast.Call(func=ast.Attribute(attr="split")):
            yield name, TEXT
