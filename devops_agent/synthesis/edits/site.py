"""A site: one function, or one statement of the module, with what an edit there may use."""

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from devops_agent.synthesis.edits.kinds import ANY, NUMBER, infer_names, kind_of
from devops_agent.synthesis.source import Edit, Module, functions, replacement

MAX_COMPONENTS = 40
"""Expressions of a function that are reused elsewhere in it; the most frequent are kept."""

_COMPONENT_TYPES = (ast.Name, ast.Attribute, ast.Subscript, ast.Call, ast.BinOp)
_SCOPES = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_CONTEXTS = (ast.Load, ast.Store, ast.Del, ast.operator, ast.cmpop, ast.boolop, ast.unaryop)


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Words and samples that the dev cases offer.

    Attributes:
        words: short strings that recur across groups, such as labels and keys.
        neighbours: short strings that recur directly beside missed values.
        results: source texts of plain results (``0``, ``[]``, ``None``) that failing cases expect.
        samples: by label, values that failing cases expect and the incumbent does not give.
    """

    words: Sequence[str] = ()
    neighbours: Sequence[str] = ()
    results: Sequence[str] = ()
    samples: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Component:
    """An expression of the function that may stand elsewhere in it."""

    text: str
    kind: str
    names: frozenset[str]


@dataclass(frozen=True, eq=False)
class Site:
    """Where a family proposes edits.

    Attributes:
        module: the file.
        root: the function, or the module-level statement.
        function: its qualified name; "" for a module-level statement.
        vocabulary: what the dev cases offer.
    """

    module: Module
    root: ast.stmt
    function: str
    vocabulary: Vocabulary

    @cached_property
    def nodes(self) -> Sequence[ast.AST]:
        """The nodes of the site in source order, without nested functions."""
        return list(_walk(self.root, self.module))

    def find(self, *types: type[ast.AST]) -> Iterator[ast.AST]:
        """Iterate over nodes of the types."""
        return (node for node in self.nodes if isinstance(node, types))

    @cached_property
    def expressions(self) -> Sequence[ast.expr]:
        """Expressions whose value is read: what a replacement may stand for."""
        return [node for node in self.nodes if isinstance(node, ast.expr) and self.is_value(node)]

    def is_value(self, node: ast.expr) -> bool:
        """Whether the node is read for its value (no target, no callee, no piece of a string)."""
        if not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            return False
        if isinstance(node, ast.Slice | ast.Starred):
            return False
        parent = self.module.parents.get(node)
        if isinstance(parent, ast.Call) and parent.func is node:
            return False
        return not self._is_annotation(node)

    def _is_annotation(self, node: ast.AST) -> bool:
        while node is not self.root and isinstance(node, ast.expr | ast.arg):
            parent = self.module.parents[node]
            if isinstance(parent, ast.arg):
                return True
            if isinstance(parent, ast.AnnAssign) and parent.annotation is node:
                return True
            if isinstance(parent, ast.FunctionDef):
                return parent.returns is node or node in parent.decorator_list
            node = parent
        return False

    @cached_property
    def kinds(self) -> Mapping[str, str]:
        """Kinds of names, inferred."""
        found: dict[str, str] = {}
        for function in self._enclosing():
            found = infer_names(function, found)
        return found

    def kind(self, node: ast.expr) -> str:
        """Guess the kind of an expression of the site."""
        return kind_of(node, self.kinds)

    @cached_property
    def names(self) -> Sequence[str]:
        """Parameters and local names in the order of their first appearance."""
        found: dict[str, None] = {}
        for function in self._enclosing():
            arguments = function.args
            for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
                found.setdefault(argument.arg)
            for node in _walk(function, self.module):
                if (
                    isinstance(node, ast.Name)
                    and isinstance(node.ctx, ast.Store)
                    and not self._inside_scope(node)
                ):
                    found.setdefault(node.id)
        return list(found)

    def names_at(self, node: ast.AST) -> Sequence[str]:
        """Names in scope at a node: those of the comprehensions around it come first."""
        inner: dict[str, None] = {}
        current: ast.AST | None = node
        while current is not None and current is not self.root:
            if isinstance(current, _SCOPES):
                for generator in current.generators:
                    for target in ast.walk(generator.target):
                        if isinstance(target, ast.Name):
                            inner.setdefault(target.id)
            elif isinstance(current, ast.Lambda):
                inner.update(dict.fromkeys(argument.arg for argument in current.args.args))
            current = self.module.parents.get(current)
        return [*inner, *(name for name in self.names if name not in inner)]

    def loop_names_at(self, node: ast.AST) -> Sequence[str]:
        """Names that the comprehensions and loops around a node bind."""
        names: list[str] = []
        current: ast.AST | None = node
        while current is not None and current is not self.root:
            targets: list[ast.expr] = []
            if isinstance(current, _SCOPES):
                targets = [generator.target for generator in current.generators]
            elif isinstance(current, ast.For):
                targets = [current.target]
            for target in targets:
                names += [leaf.id for leaf in ast.walk(target) if isinstance(leaf, ast.Name)]
            current = self.module.parents.get(current)
        return names

    @cached_property
    def components(self) -> Sequence[Component]:
        """Expressions of the function, the most frequent first."""
        counts: Counter[str] = Counter()
        found: dict[str, Component] = {}
        for node in self.expressions:
            if isinstance(node, _COMPONENT_TYPES) and len(self.module.text(node)) <= 40:  # noqa: PLR2004 - characters; longer ones never recur
                text = " ".join(self.module.text(node).split())
                counts[text] += 1
                used = {leaf.id for leaf in ast.walk(node) if isinstance(leaf, ast.Name)}
                names = frozenset(used & self._bound_names)
                found.setdefault(text, Component(text=text, kind=self.kind(node), names=names))
        order = {text: place for place, text in enumerate(found)}
        ranked = sorted(found, key=lambda text: (-counts[text], order[text]))
        return [found[text] for text in ranked[:MAX_COMPONENTS]]

    def components_at(self, node: ast.AST) -> Iterator[Component]:
        """Iterate over the components whose names are in scope at a node."""
        names = set(self.names_at(node))
        return (component for component in self.components if component.names <= names)

    @cached_property
    def _bound_names(self) -> set[str]:
        bound = set(self.names)
        for node in self.nodes:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                bound.add(node.id)
            elif isinstance(node, ast.Lambda):
                bound.update(argument.arg for argument in node.args.args)
        return bound

    @cached_property
    def constants(self) -> Sequence[object]:
        """Numbers and strings of the site, in order of appearance, each once."""
        found: dict[tuple[type, object], object] = {}
        for node in self.find(ast.Constant):
            value = node.value  # type: ignore[attr-defined]
            if isinstance(value, int | float | str) and not isinstance(value, bool):
                found.setdefault((type(value), value), value)
        return list(found.values())

    def blocks(self) -> Iterator[Sequence[ast.stmt]]:
        """Iterate over the statement lists of the site."""
        for node in self.nodes:
            for name in ("body", "orelse", "finalbody"):
                block = getattr(node, name, None)
                if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                    yield block

    def loop_of(self, node: ast.AST) -> ast.For | ast.While | None:
        """Return the innermost loop statement around a node."""
        current = self.module.parents.get(node)
        while current is not None and current is not self.root:
            if isinstance(current, ast.For | ast.While):
                return current
            current = self.module.parents.get(current)
        return None

    def replace(self, node: ast.AST, expression: str, family: str, cost: float) -> Edit:
        """Put an expression in the place of another."""
        start, end = self.module.span(node)
        text = replacement(self.module, node, expression)
        return self.splice(start, end, text, family, cost, line=node.lineno)  # type: ignore[attr-defined]

    def splice(
        self,
        start: int,
        end: int,
        text: str,
        family: str,
        cost: float,
        *,
        line: int,
        pattern: str | None = None,
    ) -> Edit:
        """Put a text in the place of a byte range; `pattern` as in `Edit`."""
        return Edit(
            path=self.module.path,
            start=start,
            end=end,
            text=text,
            family=family,
            cost=cost,
            line=line,
            function=self.function,
            pattern=pattern,
        )

    def begins_line(self, statement: ast.stmt) -> bool:
        """Whether nothing but white space stands before the statement on its line."""
        return not self.module.indent(statement).strip()

    def _enclosing(self) -> Sequence[ast.FunctionDef]:
        chain: list[ast.FunctionDef] = []
        current: ast.AST | None = self.root
        while current is not None:
            if isinstance(current, ast.FunctionDef):
                chain.append(current)
            current = self.module.parents.get(current)
        return chain[::-1]

    def _inside_scope(self, node: ast.AST) -> bool:
        current = self.module.parents.get(node)
        while isinstance(current, ast.expr | ast.comprehension):
            if isinstance(current, _SCOPES):
                return True
            current = self.module.parents.get(current)
        return False


def sites(module: Module, vocabulary: Vocabulary) -> Iterator[Site]:
    """Iterate over the functions and then the other statements of a module."""
    for name, function in functions(module.tree):
        yield Site(module, function, name, vocabulary)
    classes = (node for node in module.tree.body if isinstance(node, ast.ClassDef))
    for statement in [*module.tree.body, *(inner for cls in classes for inner in cls.body)]:
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
            yield Site(module, statement, "", vocabulary)


def numeric(kind: str) -> bool:
    """Whether arithmetic on the kind makes sense as far as is known."""
    return kind in (NUMBER, ANY)


def _walk(root: ast.AST, module: Module) -> Iterator[ast.AST]:
    yield root
    if isinstance(root, ast.JoinedStr):
        for part in root.values:
            if isinstance(part, ast.FormattedValue) and _is_placed(part.value, module):
                yield from _walk(part.value, module)
        return
    for child in ast.iter_child_nodes(root):
        if isinstance(child, _CONTEXTS):
            continue
        if isinstance(child, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            continue
        yield from _walk(child, module)


def _is_placed(node: ast.expr, module: Module) -> bool:
    """Whether the position of an f-string's part is right, which Python 3.11 does not promise."""
    try:
        found = ast.parse(module.text(node), mode="eval").body
    except (SyntaxError, ValueError, IndexError):
        return False
    return ast.dump(found) == ast.dump(node)
