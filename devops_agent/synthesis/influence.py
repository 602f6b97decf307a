"""Influence: which sorts of facts in the output depend on which part of the program.

A part is knocked out, a few cases are run, and the labels of the facts that change are the part's
influence. Edits of a part are then tried on cases with those symptoms only, which is what makes a
search in a program with many functions and many faults affordable.
"""

import ast
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from devops_agent.synthesis.edits.literals import pattern_literals
from devops_agent.synthesis.edits.site import Vocabulary, sites
from devops_agent.synthesis.port import CaseScore
from devops_agent.synthesis.source import Edit, Module, Program, functions
from devops_agent.synthesis.symptoms import Dictionary, Fact

MIN_REGIONS = 5
"""Programs with fewer parts are searched as a whole."""

Runner = Callable[[Edit, Sequence[str]], Mapping[str, CaseScore] | None]
"""Runs the program with one edit on some cases; None when it would not compile."""

_EMPTIES = ("[]", "None", "''")
_NEVER = "(?!)"


@dataclass(frozen=True, kw_only=True)
class Region:
    """A part of the program: a function, a regular expression, a module-level statement.

    Attributes:
        path: the file.
        start: its first byte.
        end: one past its last byte.
        content: its source, by which it is known again when the program has changed elsewhere;
            empty of statements.
        labels: labels of the facts that depend on it; empty when no effect was seen.
    """

    path: str
    start: int
    end: int
    content: bytes
    labels: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Influence:
    """The regions of a program, the smallest first; none when it was not measured."""

    regions: Sequence[Region]
    _known: dict[tuple[str, int, int], frozenset[str]] = field(default_factory=dict, repr=False)

    def labels(self, edit: Edit) -> frozenset[str]:
        """Return the labels of the smallest region with an effect around an edit."""
        place = (edit.path, edit.start, edit.end)
        if place not in self._known:
            self._known[place] = self._find(edit)
        return self._known[place]

    def _find(self, edit: Edit) -> frozenset[str]:
        for region in self.regions:
            inside = region.start <= edit.start and edit.end <= region.end
            if region.path == edit.path and inside and region.labels:
                return region.labels
        return frozenset()


@dataclass(frozen=True, kw_only=True)
class _Knockout:
    path: str
    name: str
    span: tuple[int, int]
    edits: Sequence[Edit]


def measure_influence(
    *,
    program: Program,
    run: Runner,
    dictionary: Dictionary,
    baseline: Mapping[str, CaseScore],
    case_ids: Sequence[str],
    known: Influence,
) -> Influence:
    """Knock out every part once and compare the outputs of the cases with the baseline's.

    Parts whose influence is known from before, and which have not changed, are not run again.

    Raises:
        BudgetExhaustedError: the evaluator's budget ended.
    """
    knockouts = [
        knockout for module in program.modules.values() for knockout in _knockouts(module)
    ]
    if len(knockouts) < MIN_REGIONS:
        return Influence(regions=())
    before = {case_id: dictionary.facts(baseline[case_id].output) for case_id in case_ids}
    remembered = {(region.path, region.content): region.labels for region in known.regions}
    regions = []
    by_name: dict[str, frozenset[str]] = {}
    for knockout in knockouts:
        start, end = knockout.span
        content = program.modules[knockout.path].data[start:end]
        labels = remembered.get((knockout.path, content), frozenset())
        for edit in knockout.edits if not labels else ():
            scores = run(edit, case_ids)
            if scores is not None and all(score.error is None for score in scores.values()):
                labels = _changed_labels(dictionary, before, scores)
                break
        by_name[knockout.name] = by_name.get(knockout.name, frozenset()) | labels
        regions.append(
            Region(path=knockout.path, start=start, end=end, content=content, labels=labels)
        )
    regions.extend(_assigned_regions(program, by_name))
    regions.sort(key=lambda region: (region.end - region.start, region.path, region.start))
    return Influence(regions=regions)


def _changed_labels(
    dictionary: Dictionary,
    before: Mapping[str, Counter[Fact]],
    scores: Mapping[str, CaseScore],
) -> frozenset[str]:
    labels: set[str] = set()
    for case_id, score in scores.items():
        after = dictionary.facts(score.output)
        changed = (before[case_id] - after) + (after - before[case_id])
        labels.update(fact.label for fact in changed)
    return frozenset(labels)


def _assigned_regions(
    program: Program, by_function: Mapping[str, frozenset[str]]
) -> Iterator[Region]:
    """Give module-level assignments the labels of the functions that use their names."""
    labels: dict[str, frozenset[str]] = {}
    assignments = [
        (module, statement)
        for module in program.modules.values()
        for statement in module.tree.body
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign)
    ]
    for module in program.modules.values():
        for name, function in functions(module.tree):
            for used in _names(function):
                labels[used] = labels.get(used, frozenset()) | by_function.get(name, frozenset())
    for _, statement in reversed(assignments):  # a constant may be used through a later one
        names = _names(statement)
        reached = frozenset[str]().union(*(labels.get(name, frozenset()) for name in names))
        labels.update(dict.fromkeys(names - labels.keys(), reached))
    for module, statement in assignments:
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        names = {name for target in targets for name in _names(target)}
        reached = frozenset[str]().union(*(labels.get(name, frozenset()) for name in names))
        start, end = module.span(statement)
        yield Region(path=module.path, start=start, end=end, content=b"", labels=reached)


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _knockouts(module: Module) -> Iterator[_Knockout]:
    for name, function in functions(module.tree):
        edits = [
            edit
            for empty in _empties(function)
            if (edit := _emptied(module, name, function, empty))
        ]
        yield _Knockout(path=module.path, name=name, span=module.span(function), edits=edits)
    for site in sites(module, Vocabulary()):
        for literal in pattern_literals(site):
            edit = literal.edit(site, 0, len(literal.pattern), _NEVER, 0.0)
            if edit is not None:
                span = module.span(literal.node)
                yield _Knockout(path=module.path, name=site.function, span=span, edits=[edit])


def _empties(function: ast.FunctionDef) -> Sequence[str]:
    """Return what the function may return for nothing, the likeliest first."""
    may_be_none = any(
        isinstance(node, ast.Return)
        and (
            node.value is None
            or (isinstance(node.value, ast.Constant) and node.value.value is None)
        )
        for node in ast.walk(function)
    )
    return ("None", "[]", "''") if may_be_none else ("[]", "None", "''")


def _emptied(module: Module, name: str, function: ast.FunctionDef, empty: str) -> Edit | None:
    first = function.body[0]
    if module.indent(first).strip():
        return None
    offset = module.span(first)[0]
    return Edit(
        path=module.path,
        start=offset,
        end=offset,
        text=f"return {empty}\n{module.indent(first)}",
        family="knockout",
        cost=0.0,
        line=first.lineno,
        function=name,
    )
