"""Names: variables, attributes, methods and functions that were mixed up."""

import ast
from collections.abc import Iterator

from devops_agent.synthesis.edits.kinds import ANY
from devops_agent.synthesis.edits.site import Site
from devops_agent.synthesis.source import Edit, functions

MAX_NAMES = 14
"""Names tried in the place of one."""

_METHODS = (
    ("lower", "upper", "casefold", "title", "capitalize", "swapcase"),
    ("strip", "lstrip", "rstrip"),
    ("startswith", "endswith"),
    ("find", "rfind", "index", "rindex", "count"),
    ("split", "rsplit", "splitlines", "partition"),
    ("partition", "rpartition"),
    ("ljust", "rjust", "center", "zfill"),
    ("removeprefix", "removesuffix", "strip"),
    ("append", "extend"),
    ("add", "discard", "remove"),
    ("pop", "popleft"),
    ("append", "appendleft", "add"),
    ("keys", "values", "items"),
    ("isdigit", "isalpha", "isalnum", "isnumeric", "isdecimal", "isspace"),
    ("isupper", "islower", "istitle", "isalpha"),
    ("get", "pop", "setdefault"),
    ("match", "search", "fullmatch"),
    ("findall", "finditer"),
    ("group", "groups", "groupdict"),
    ("start", "end"),
    ("union", "intersection", "difference", "symmetric_difference"),
    ("issubset", "issuperset"),
    ("floor", "ceil", "trunc"),
    ("sin", "cos", "tan"),
    ("log", "log2", "log10", "sqrt"),
)
_FUNCTIONS = (
    ("min", "max", "sum", "len"),
    ("any", "all"),
    ("sorted", "list", "set", "reversed", "tuple"),
    ("int", "float", "round", "str", "abs", "bool"),
    ("ord", "chr"),
    ("range", "enumerate"),
    ("str", "repr"),
    ("bin", "hex", "oct"),
)
_ONE_ARGUMENT = (
    *("len", "int", "str", "abs", "sum", "max", "min", "sorted", "list", "set", "float", "ord"),
    *("bool", "tuple", "round", "chr", "any", "all", "reversed"),
)


def propose(site: Site) -> Iterator[Edit]:
    """Propose other names in scope, sibling methods and sibling functions."""
    attributes = _module_attributes(site)
    for node in site.nodes:
        match node:
            case ast.Name(ctx=ast.Load()) if site.is_value(node):
                yield from _other_names(site, node)
            case ast.Name(ctx=ast.Store()) if node.id in site.names:
                for name in site.names[:MAX_NAMES]:
                    if name != node.id:
                        yield site.replace(node, name, "assigned name", 2.5)
            case ast.Call(func=ast.Name(id=name) as callee):
                yield from _other_functions(site, callee, name, len(node.args))
            case ast.Attribute(ctx=ast.Load()):
                yield from _other_attributes(site, node, attributes)


def _other_names(site: Site, node: ast.Name) -> Iterator[Edit]:
    kind = site.kind(node)
    scope = site.names_at(node)
    module_names = _module_names(site) if node.id not in scope else []
    for name in [*scope, *module_names][:MAX_NAMES]:
        if name == node.id:
            continue
        other = site.kinds.get(name, ANY)
        same = kind == other or ANY in (kind, other)
        yield site.replace(node, name, "name", 1.2 if same else 2.4)


def _module_names(site: Site) -> list[str]:
    names: dict[str, None] = {}
    for statement in site.module.tree.body:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    names.setdefault(target.id)
    return list(names)


def _other_functions(site: Site, callee: ast.Name, name: str, arity: int) -> Iterator[Edit]:
    costs: dict[str, float] = {}
    for group in _FUNCTIONS:
        if name in group:
            costs.update(dict.fromkeys(group, 1.3))
    if arity == 1 and name in _ONE_ARGUMENT:
        for other in _ONE_ARGUMENT:
            costs.setdefault(other, 2.2)
    own = dict(functions(site.module.tree))
    if name in own:
        for other, function in own.items():
            if "." not in other and len(function.args.args) == arity:
                costs.setdefault(other, 1.8)
    for other, cost in costs.items():
        if other != name:
            yield site.replace(callee, other, "function", cost)


def _other_attributes(site: Site, node: ast.Attribute, attributes: list[str]) -> Iterator[Edit]:
    start, end = site.module.span(node.value)[1], site.module.span(node)[1]
    start = site.module.data.index(b".", start, end) + 1
    costs: dict[str, float] = {}
    for group in _METHODS:
        if node.attr in group:
            costs.update(dict.fromkeys(group, 1.2))
    is_call = isinstance(site.module.parents.get(node), ast.Call)
    if not is_call:
        for name in attributes[:MAX_NAMES]:
            costs.setdefault(name, 2.0)
    for other, cost in costs.items():
        if other != node.attr:
            yield site.splice(start, end, other, "attribute", cost, line=node.lineno)


def _module_attributes(site: Site) -> list[str]:
    found: dict[str, None] = {}
    parents = site.module.parents
    for node in ast.walk(site.module.tree):
        if isinstance(node, ast.Attribute) and not isinstance(parents.get(node), ast.Call):
            found.setdefault(node.attr)
    return list(found)
