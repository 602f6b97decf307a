"""Python source as bytes with a syntax tree, so that an edit is a splice and nothing else moves.

The tree's columns count UTF-8 bytes, therefore all offsets here are byte offsets.
"""

import ast
import hashlib
import re
import warnings
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

MAX_SOURCE_BYTES = 200_000
"""Larger modules are left alone: parsing them for every variant would eat the budget."""

_ATOMS = (
    ast.Name,
    ast.Constant,
    ast.Attribute,
    ast.Subscript,
    ast.Call,
    ast.List,
    ast.Dict,
    ast.Set,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.JoinedStr,
)
_BINDING_PARENTS = (
    ast.BinOp,
    ast.UnaryOp,
    ast.Compare,
    ast.BoolOp,
    ast.Attribute,
    ast.Subscript,
    ast.Call,
    ast.IfExp,
    ast.Starred,
    ast.Await,
    ast.comprehension,
    ast.GeneratorExp,
    ast.FormattedValue,
)


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A replacement of a byte range of one file.

    Attributes:
        path: the file in the bundle.
        start: first byte replaced.
        end: one past the last byte replaced; `start` for an insertion.
        text: what stands there afterwards.
        family: the kind of edit, for statistics and rationale.
        cost: how unusual the fault is that it would mend; 1.0 is the commonest.
        line: the line that it is about.
        function: qualified name of the function around it; "" at module level.
        pattern: the regular expression that it makes, which must compile; None when it makes none.
    """

    path: str
    start: int
    end: int
    text: str
    family: str
    cost: float
    line: int
    function: str
    pattern: str | None = None

    @property
    def growth_bytes(self) -> int:
        """By how much the file becomes longer."""
        return len(self.text.encode()) - (self.end - self.start)

    def overlaps(self, other: "Edit") -> bool:
        """Whether both touch the same place, so that their order would matter."""
        if self.path != other.path:
            return False
        return self.start <= other.end and other.start <= self.end

    def key(self) -> tuple[str, int, int, str]:
        """Tell edits apart: same key, same effect."""
        return (self.path, self.start, self.end, self.text)


@dataclass(frozen=True, eq=False)
class Module:
    """One parsed file.

    Attributes:
        path: its path in the bundle.
        data: its bytes.
        tree: its syntax tree.
    """

    path: str
    data: bytes
    tree: ast.Module
    line_starts: Sequence[int] = field(repr=False)
    parents: Mapping[ast.AST, ast.AST] = field(repr=False)

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Return the byte range of a node, decorators included."""
        line, column = node.lineno, node.col_offset  # type: ignore[attr-defined]
        for decorator in getattr(node, "decorator_list", ()):
            line = min(line, decorator.lineno)
        start = self.line_starts[line - 1] + column
        end_line, end_column = node.end_lineno, node.end_col_offset  # type: ignore[attr-defined]
        return start, self.line_starts[end_line - 1] + end_column

    def text(self, node: ast.AST) -> str:
        """Return the source of a node."""
        start, end = self.span(node)
        return self.data[start:end].decode()

    def between(self, left: ast.AST, right: ast.AST) -> tuple[int, int]:
        """Return the range between two neighbouring nodes: operators, commas, brackets."""
        return self.span(left)[1], self.span(right)[0]

    def indent(self, statement: ast.stmt) -> str:
        """Return the white space before a statement that begins its line."""
        start = self.line_starts[statement.lineno - 1]
        return self.data[start : start + statement.col_offset].decode()

    def line_of(self, offset: int) -> int:
        """Return the line of a byte; the first is 1."""
        return bisect_right(self.line_starts, offset)

    def unit_of(self, edit: Edit) -> int | None:
        """Return the index of the top-level statement around an edit; None between two."""
        for index, (start, end) in enumerate(self.unit_spans):
            if start <= edit.start and edit.end <= end:
                return index
        return None

    @cached_property
    def unit_spans(self) -> Sequence[tuple[int, int]]:
        """The byte ranges of the top-level statements, with the rest of their last lines."""
        spans = []
        for statement in self.tree.body:
            start, end = self.span(statement)
            line_end = self.data.find(b"\n", end) + 1 or len(self.data)
            is_last = self.data[end:line_end].strip() == b""
            spans.append((start, line_end if is_last else end))
        return spans


def parse_module(path: str, data: bytes) -> Module | None:
    """Parse a file; None when it is too large, no UTF-8, or no Python."""
    if len(data) > MAX_SOURCE_BYTES:
        return None
    tree = parse_tree(data)
    if tree is None:
        return None
    starts = [0]
    for line in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    parents = {
        child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)
    }
    return Module(path, data, tree, starts, parents)


def parse_tree(data: bytes) -> ast.Module | None:
    """Parse and compile; None when Python would refuse the text (also a stray ``break``)."""
    try:
        data.decode()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # faulty programs may compare with `is` and the like
            tree = ast.parse(data)
            compile(tree, "<variant>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree


def compiles_pattern(pattern: str) -> bool:
    """Whether a text is a valid regular expression."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # possible nested sets and the like
            re.compile(pattern)
    except (re.error, RecursionError, OverflowError, ValueError):
        return False
    return True


@lru_cache(maxsize=4096)
def is_atomic(expression: str) -> bool:
    """Whether an expression keeps its meaning wherever it is put, without parentheses."""
    try:
        return isinstance(ast.parse(expression, mode="eval").body, _ATOMS)
    except (SyntaxError, ValueError):
        return False


def replacement(module: Module, node: ast.AST, expression: str) -> str:
    """Return the text that puts `expression` in the place of `node`, in parentheses if needed."""
    parent = module.parents.get(node)
    if isinstance(parent, ast.Call) and node is not parent.func and len(parent.args) > 1:
        return expression  # commas separate already
    if isinstance(parent, ast.Subscript) and node is parent.slice:
        return expression
    if isinstance(parent, _BINDING_PARENTS) and not is_atomic(expression):
        return f"({expression})"
    return expression


def splice(data: bytes, edits: Sequence[Edit]) -> bytes:
    """Apply edits of one file that do not overlap."""
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end), reverse=True):
        data = data[: edit.start] + edit.text.encode() + data[edit.end :]
    return data


@dataclass(frozen=True, eq=False)
class Program:
    """The Python files of an artifact, parsed.

    Attributes:
        modules: by path, in sorted order.
    """

    modules: Mapping[str, Module]

    def apply(self, edits: Sequence[Edit]) -> Mapping[str, bytes] | None:
        """Return the changed files; None when one would not compile any more."""
        changed = self.splice(edits)
        return changed if all(parse_tree(data) for data in changed.values()) else None

    def splice(self, edits: Sequence[Edit]) -> Mapping[str, bytes]:
        """Return the changed files without a look at the result: see `variant_key`."""
        changed = {}
        for path in sorted({edit.path for edit in edits}):
            here = [edit for edit in edits if edit.path == path]
            changed[path] = splice(self.modules[path].data, here)
        return changed

    def variant_key(self, edit: Edit) -> bytes | None:
        """Identify what the edit makes of the program, whatever its spelling.

        Only the top-level statement around the edit is parsed, which is what makes this cheap.
        None when the variant would not compile.
        """
        if edit.pattern is not None and not compiles_pattern(edit.pattern):
            return None
        module = self.modules[edit.path]
        unit = module.unit_of(edit)
        start, end = (0, len(module.data)) if unit is None else module.unit_spans[unit]
        text = module.data[start : edit.start] + edit.text.encode() + module.data[edit.end : end]
        tree = parse_tree(text)
        if tree is None:
            return None
        place = f"{edit.path}:{unit}:".encode()
        return hashlib.sha256(place + ast.dump(tree).encode()).digest()

    def with_files(self, files: Mapping[str, bytes]) -> "Program":
        """Return the program with some files changed; the others stay parsed."""
        modules = dict(self.modules)
        for path, data in files.items():
            module = parse_module(path, data)
            if module is not None:
                modules[path] = module
        return Program(modules)


def parse_program(files: Mapping[str, bytes]) -> Program:
    """Parse every Python file that can be parsed."""
    modules = {}
    for path in sorted(files):
        if path.endswith(".py"):
            module = parse_module(path, files[path])
            if module is not None:
                modules[path] = module
    return Program(modules)


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    """Walk over all functions and methods, with qualified names, outer before inner."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            yield prefix + node.name, node
            yield from functions(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, f"{prefix}{node.name}.")
        else:
            yield from functions(node, prefix)
