"""Unbound names: an assignment or an import that is missing."""

import ast
import builtins
from collections.abc import Iterator, Sequence

from devops_agent.synthesis.edits.kinds import NUMBER
from devops_agent.synthesis.edits.site import Site
from devops_agent.synthesis.edits.statements import lines_of
from devops_agent.synthesis.source import Edit, Module

MAX_PARTS = 8
"""Expressions of the function that a missing assignment may be made of."""

_EMPTIES = ("0", "[]", "''", "{}", "set()", "1", "None", "True", "False", "-1")
_MODULES = (
    *("math", "re", "json", "string", "itertools", "functools", "collections", "datetime"),
    *("statistics", "random", "heapq", "bisect", "copy", "operator", "hashlib", "unicodedata"),
    *("decimal", "fractions", "textwrap", "html", "base64", "binascii", "time", "typing"),
)
_HOMES = {
    **dict.fromkeys(
        ("Counter", "defaultdict", "deque", "OrderedDict", "namedtuple"), "collections"
    ),
    **dict.fromkeys(("reduce", "partial", "lru_cache"), "functools"),
    **dict.fromkeys(("Decimal", "ROUND_HALF_UP", "InvalidOperation"), "decimal"),
    **dict.fromkeys(("combinations", "permutations", "product", "chain", "groupby"), "itertools"),
    **dict.fromkeys(("date", "timedelta"), "datetime"),
    **dict.fromkeys(("ceil", "floor", "sqrt", "gcd", "pi"), "math"),
}
_CALLS = ("len", "min", "max", "sum", "sorted", "set", "list", "str", "int", "abs")


def propose(site: Site) -> Iterator[Edit]:
    """Propose a binding for each name of a function that has none anywhere."""
    if not isinstance(site.root, ast.FunctionDef):
        return
    bound = _module_names(site.module.tree) | set(dir(builtins))
    only_updated = _only_updated(site)
    done: set[str] = set()
    for node in site.nodes:
        if not isinstance(node, ast.Name) or node.id in done or node.id in bound:
            continue
        if node.id in site.names_at(node) and node.id not in only_updated:
            continue
        done.add(node.id)
        import_statement = _import(node.id)
        if import_statement is not None:
            top = _top(site.module)
            yield site.splice(top, top, import_statement, "missing import", 1.0, line=node.lineno)
        else:
            yield from _assigned(site, node)


def _only_updated(site: Site) -> set[str]:
    """Return names that are changed in place (``total += 1``) and never set before."""
    updated = {
        id(node.target): node.target.id
        for node in site.nodes
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name)
    }
    arguments = {node.arg for node in ast.walk(site.root) if isinstance(node, ast.arg)}
    bound = {
        node.id
        for node in site.nodes
        if isinstance(node, ast.Name)
        and isinstance(node.ctx, ast.Store)
        and id(node) not in updated
    }
    return set(updated.values()) - bound - arguments


def _module_names(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            names.add(node.name)
        elif isinstance(node, ast.arg) and node.arg:
            names.add(node.arg)
    for statement in tree.body:
        if not isinstance(statement, ast.FunctionDef | ast.ClassDef):
            names.update(
                leaf.id
                for leaf in ast.walk(statement)
                if isinstance(leaf, ast.Name) and isinstance(leaf.ctx, ast.Store)
            )
    return names


def _top(module: Module) -> int:
    """Return where an import may stand: behind the docstring and imports from the future."""
    for statement in module.tree.body:
        is_docstring = isinstance(statement, ast.Expr) and isinstance(
            statement.value, ast.Constant
        )
        if not is_docstring and getattr(statement, "module", None) != "__future__":
            return module.span(statement)[0]
    return len(module.data)


def _import(name: str) -> str | None:
    if name in _MODULES:
        return f"import {name}\n"
    return f"from {_HOMES[name]} import {name}\n" if name in _HOMES else None


def _assigned(site: Site, node: ast.Name) -> Iterator[Edit]:
    values = _values(site)
    for statement in _statements_around(site, node):
        lines = lines_of(site, statement)
        start = site.module.span(statement)[0]
        if lines is None or site.module.data[start : start + 4] == b"elif":
            continue
        indent = site.module.indent(statement)
        for place, value in enumerate(values):
            text = f"{indent}{node.id} = {value}\n"
            yield site.splice(
                lines[0],
                lines[0],
                text,
                "missing assignment",
                1.5 + 0.02 * place,
                line=statement.lineno,
            )


def _values(site: Site) -> Sequence[str]:
    parts = [part for part in site.components if part.names <= set(site.names)][:MAX_PARTS]
    found = dict.fromkeys(_EMPTIES)
    found.update(dict.fromkeys(part.text for part in parts))
    for part in parts:
        if part.kind != NUMBER:
            found.update(dict.fromkeys(f"{call}({part.text})" for call in _CALLS))
    return list(found)


def _statements_around(site: Site, node: ast.AST) -> Sequence[ast.stmt]:
    """Return the statements that hold a node, the outermost first."""
    chain: list[ast.stmt] = []
    current: ast.AST | None = node
    while current is not None and current is not site.root:
        if isinstance(current, ast.stmt):
            chain.append(current)
        current = site.module.parents.get(current)
    return chain[::-1]
