"""Completion of partial repairs: the same edit, but only where a condition holds."""

import ast
from collections.abc import Iterator

from devops_agent.synthesis.edits.predicates import predicates
from devops_agent.synthesis.edits.site import Site, Vocabulary
from devops_agent.synthesis.source import Edit, Module, Program, functions

_INDENT = "    "


def guarded(program: Program, edit: Edit) -> Iterator[Edit]:
    """Propose an edit under each condition that makes sense at its place."""
    module = program.modules[edit.path]
    site = _site(module, edit)
    if site is None:
        return
    if edit.start == edit.end and edit.text.endswith("\n"):
        yield from _guarded_statement(site, edit)
        return
    node = _replaced(site, edit)
    if isinstance(node, ast.expr) and site.is_value(node):
        yield from _conditional_expression(site, node, edit)
    elif isinstance(node, ast.stmt) and edit.text:
        yield from _conditional_statement(site, node, edit)


def _site(module: Module, edit: Edit) -> Site | None:
    for name, function in functions(module.tree):
        if name == edit.function:
            return Site(module, function, name, Vocabulary())
    return None


def _replaced(site: Site, edit: Edit) -> ast.AST | None:
    """Return the smallest expression or statement that holds the edit."""
    found: ast.AST | None = None
    size = len(site.module.data) + 1
    for node in site.nodes:
        if not isinstance(node, ast.expr | ast.stmt) or isinstance(node, ast.FunctionDef):
            continue
        start, end = site.module.span(node)
        usable = isinstance(node, ast.stmt) or site.is_value(node)
        if start <= edit.start and edit.end <= end and end - start < size and usable:
            found, size = node, end - start
    return found


def _changed(site: Site, node: ast.AST, edit: Edit) -> str:
    start, end = site.module.span(node)
    data = site.module.data
    return data[start : edit.start].decode() + edit.text + data[edit.end : end].decode()


def _guarded_statement(site: Site, edit: Edit) -> Iterator[Edit]:
    anchor = next(
        (
            node
            for node in site.nodes
            if isinstance(node, ast.stmt) and node.lineno == edit.line and node is not site.root
        ),
        None,
    )
    if anchor is None:
        return
    indent = edit.text[: len(edit.text) - len(edit.text.lstrip())]
    body = "".join(f"{_INDENT}{line}\n" for line in edit.text.splitlines())
    for place, condition in enumerate(predicates(site, anchor)):
        text = f"{indent}if {condition}:\n{body}"
        cost = edit.cost + 1.0 + 0.01 * place
        yield site.splice(edit.start, edit.end, text, "inserted guard", cost, line=edit.line)


def _conditional_expression(site: Site, node: ast.expr, edit: Edit) -> Iterator[Edit]:
    changed, text = _changed(site, node, edit), site.module.text(node)
    for place, condition in enumerate(predicates(site, node)):
        cost = edit.cost + 1.2 + 0.01 * place
        yield site.replace(
            node, f"{changed} if {condition} else {text}", "conditional expression", cost
        )


def _conditional_statement(site: Site, node: ast.stmt, edit: Edit) -> Iterator[Edit]:
    changed = _changed(site, node, edit)
    if not site.begins_line(node) or "\n" in changed:
        return
    indent = site.module.indent(node)
    text = site.module.text(node)
    for place, condition in enumerate(predicates(site, node)):
        cost = edit.cost + 1.2 + 0.01 * place
        branches = (
            f"if {condition}:\n{indent}{_INDENT}{changed}\n{indent}else:\n{indent}{_INDENT}{text}"
        )
        if "\n" not in text:
            start, end = site.module.span(node)
            yield site.splice(
                start, end, branches, "conditional statement", cost, line=node.lineno
            )
