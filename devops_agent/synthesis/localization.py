"""Fault localization: which lines the failures come from.

Ochiai over line coverage (Abreu et al. 2007), with graded losses in the place of pass and fail,
and a bonus for lines that tracebacks name.
"""

import ast
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from devops_agent.synthesis.port import CaseScore
from devops_agent.synthesis.source import Edit, Program, functions

TRACEBACK_BONUS = 0.5
"""Added to the suspicion of a line that the traceback of a failing run names."""

UNSEEN_PENALTY = 3.0
"""Added to the cost of edits on lines that no failing case executes."""

SUSPICION_WEIGHT = 1.5
"""How many steps of cost the most suspicious line gains on one without suspicion."""

_FRAME = re.compile(r'(?:File "([^"\n]+)", line |^ *([^"\n:]+):)(\d+)(?:,? in |$)', re.MULTILINE)
"""A frame of Python's own tracebacks, or of the sandbox's, which are ``path:line in name``."""

Coverage = Mapping[str, Mapping[str, frozenset[int]]]
"""By case id, by path, the executed lines."""


@dataclass(frozen=True, kw_only=True)
class Localization:
    """How suspicious each line is.

    Attributes:
        suspicion: by path and line, from 0.0 up to 1.0; lines that were not executed are absent.
        coverage: the executed lines of each traced case.
    """

    suspicion: Mapping[tuple[str, int], float]
    coverage: Coverage = field(default_factory=dict, repr=False)

    def rank(self, edit: Edit) -> float:
        """Return the cost of an edit, less for suspicious places; lower is tried earlier."""
        suspicion = self.suspicion.get((edit.path, edit.line))
        if suspicion is None or suspicion == 0.0:
            return edit.cost + UNSEEN_PENALTY
        return edit.cost - SUSPICION_WEIGHT * suspicion


def localize(
    program: Program,
    scores: Mapping[str, CaseScore],
    coverage: Coverage,
    tracebacks: Sequence[str],
) -> Localization:
    """Rank lines by weighted Ochiai, spread over whole statements, the maximum being 1.0.

    Without any coverage (no tracer) every line is equally suspicious.
    """
    raw = _ochiai(scores, coverage)
    for path, line in _frames(program, tracebacks):
        raw[(path, line)] = raw.get((path, line), 0.0) + TRACEBACK_BONUS
    suspicion: dict[tuple[str, int], float] = {}
    for path, module in program.modules.items():
        heads = _statement_heads(module.tree)
        for line in range(1, len(module.line_starts) + 1):
            here = (path, line)
            head = (path, heads.get(line, line))
            known = [raw[place] for place in (here, head) if place in raw]
            if known:
                suspicion[here] = max(known)
            elif not coverage:
                suspicion[here] = 1.0
        suspicion.update(_module_lines(path, module.tree, suspicion))
    top = max(suspicion.values(), default=0.0)
    if top > 0:
        suspicion = {place: value / top for place, value in suspicion.items()}
    return Localization(suspicion=suspicion, coverage=coverage)


def _ochiai(scores: Mapping[str, CaseScore], coverage: Coverage) -> dict[tuple[str, int], float]:
    failed: dict[tuple[str, int], float] = {}
    passed: dict[tuple[str, int], float] = {}
    total = 0.0
    for case_id in sorted(coverage):
        loss = scores[case_id].loss
        total += loss
        for path, lines in coverage[case_id].items():
            for line in lines:
                place = (path, line)
                failed[place] = failed.get(place, 0.0) + loss
                passed[place] = passed.get(place, 0.0) + 1.0 - loss
    return {
        place: loss / math.sqrt(total * (loss + passed[place])) if loss > 0 else 0.0
        for place, loss in failed.items()
    }


def _frames(program: Program, tracebacks: Sequence[str]) -> Sequence[tuple[str, int]]:
    found: dict[tuple[str, int], None] = {}
    for text in tracebacks:
        frames = _FRAME.findall(text)
        for absolute, own, line in frames[::-1]:
            name = absolute or own
            path = next((path for path in program.modules if name.endswith(path)), None)
            if path is not None:
                found.setdefault((path, int(line)))
                break
    return list(found)


def _statement_heads(tree: ast.Module) -> Mapping[int, int]:
    """Map the lines of a statement to its first, so that continued lines share its suspicion."""
    heads: dict[int, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if body else (node.end_lineno or node.lineno)
            for line in range(node.lineno, max(last, node.lineno) + 1):
                heads[line] = node.lineno
    return heads


def _module_lines(
    path: str, tree: ast.Module, suspicion: Mapping[tuple[str, int], float]
) -> Mapping[tuple[str, int], float]:
    """Give module-level statements the suspicion of the places where their names are used.

    They run on import, which line coverage of a case does not tell apart.
    """
    uses: dict[str, float] = {}
    for _, function in functions(tree):
        for node in ast.walk(function):
            if isinstance(node, ast.Name):
                value = suspicion.get((path, node.lineno), 0.0)
                uses[node.id] = max(uses.get(node.id, 0.0), value)
    found: dict[tuple[str, int], float] = {}
    for _ in range(2):  # a constant may be used through another one
        for statement in tree.body:
            if not isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
                continue
            targets = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
            value = max((uses.get(name, 0.0) for name in targets), default=0.0)
            for name in targets:
                uses[name] = max(uses.get(name, 0.0), value)
            for line in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1):
                found[(path, line)] = value
    return found
