"""Cases: inputs of the types that a task takes, with the right solution's answers."""

import ast
import doctest
import json
import random
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from aem.proof import canonical_json
from breaking.process import ORACLE_LINES, oracle, recorded_calls, repeated
from breaking.program import called_by_name, is_settled, settled
from breaking.tasks import Task
from breaking.values import changed, fresh, learn

Json = Any

POOL = 300
"""Inputs that are made in a round; the right solution refuses some, and answers are balanced."""

ROUNDS = 6
"""A task whose inputs are few gets more of them, from twice as far away, in each further round."""

HASH_SEEDS = (1, 2, 3, 4, 5)
"""Besides 0: a set of two texts keeps its order under all of them once in 32 times."""

MAX_CASE_CHARACTERS = 4_000


class NotExpressibleError(Exception):
    """JSON cannot carry the task's inputs or answers as they are."""


class TooFewCasesError(Exception):
    """The task has fewer different inputs than a dataset needs."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """Arguments by name, and the right answer."""

    input: dict[str, Json]
    expected: Json


def make_cases(task: Task, *, least: int, most: int, seed: int) -> list[Case]:
    """Return different cases: the task's own first, then made ones, answers balanced.

    Raises:
        NotExpressibleError: names what JSON cannot carry.
        TooFewCasesError: the task has no so many different inputs.
    """
    calls = _seeds(task)
    rng = random.Random(f"cases {seed} {task.id}")
    maker = _Maker(task, calls, rng)
    cases = _answered(task, calls)
    own = len(cases)
    for round_ in range(ROUNDS):
        known = {_identity(call) for call in maker.calls}
        made = [call for call in _distinct(maker.pool(2**round_)) if _identity(call) not in known]
        maker.calls += made
        cases += _answered(task, made)
        if len(cases) >= most:
            break
    chosen = cases[: min(own, most)]
    chosen += balanced(cases[len(chosen) :], most - len(chosen))
    if len(chosen) < least:
        raise TooFewCasesError(
            f"only {len(chosen)} different inputs were found that it answers within"
            f" {ORACLE_LINES} lines and 64 bits"
        )
    return chosen


def _seeds(task: Task) -> list[list[Json]]:
    recorded = recorded_calls(task.source, task.entry, task.test)
    if recorded.problems:
        raise NotExpressibleError(recorded.problems[0])
    return _distinct([*recorded.calls, *_documented(task)])


def _documented(task: Task) -> Iterator[list[Json]]:
    """Yield the arguments of the prompt's own examples, where they are plain values."""
    try:
        examples = doctest.DocTestParser().get_examples(task.prompt)
    except ValueError:
        return
    for example in examples:
        try:
            found = ast.parse(example.source.strip(), mode="eval").body
            calls = [node for node in ast.walk(found) if isinstance(node, ast.Call)]
            call = next(node for node in calls if ast.unparse(node.func) == task.entry)
            arguments = [ast.literal_eval(argument) for argument in call.args]
            if json.loads(json.dumps(arguments)) == arguments:
                yield arguments
        except (SyntaxError, ValueError, TypeError, StopIteration):
            continue


class _Maker:
    """Makes arguments like those that a task's test and examples pass."""

    def __init__(self, task: Task, calls: Sequence[list[Json]], rng: random.Random) -> None:
        width = max(map(len, calls))
        self.calls = list(calls)
        self._whole = [call for call in calls if len(call) == width]
        self._ties = _ties(self._whole)
        self._rng = rng
        self._kinds = [
            learn([call[place] for call in self._whole], _hint(argument))
            for place, argument in enumerate(task.function.args.args[:width])
        ]

    def pool(self, reach: int) -> Iterator[list[Json]]:
        """Yield calls; numbers and lengths go further from the examples with `reach`."""
        for _ in range(POOL):
            yield self._tied(self._one(reach), reach)

    def _one(self, reach: int) -> list[Json]:
        draw, rng, kinds = self._rng.random(), self._rng, self._kinds
        call = list(rng.choice(self._whole))
        if draw < 0.4:
            place = rng.randrange(len(kinds))
            call[place] = changed(call[place], kinds[place], rng, reach)
            return call
        if draw < 0.55:
            return [rng.choice(self._whole)[place] for place in range(len(kinds))]
        if draw < 0.7:
            return [
                changed(value, kind, rng, reach) for value, kind in zip(call, kinds, strict=True)
            ]
        return [fresh(kind, rng, reach) for kind in kinds]

    def _tied(self, call: list[Json], reach: int) -> list[Json]:
        """Cut or lengthen arguments whose lengths go with those of others."""
        for first, second, gap in self._ties:
            value, wanted = call[second], len(call[first]) - gap
            while len(value) < wanted:
                more = fresh(self._kinds[second], self._rng, reach)
                value = value + (more[: wanted - len(value)])
            call[second] = value[: max(wanted, 0)]
        return call


def _hint(argument: ast.arg) -> str:
    return "" if argument.annotation is None else ast.unparse(argument.annotation)


def _ties(calls: Sequence[list[Json]]) -> list[tuple[int, int, int]]:
    """Find pairs of arguments whose lengths always differ by the same: they go together."""
    ties = []
    width = len(calls[0])
    for i in range(width):
        for j in range(i + 1, width):
            if not all(isinstance(call[k], list | str) for call in calls for k in (i, j)):
                continue
            gaps = {len(call[i]) - len(call[j]) for call in calls}
            if len(gaps) == 1 and len({len(call[i]) for call in calls}) > 1:
                ties.append((i, j, gaps.pop()))
    return ties


def _answered(task: Task, calls: Sequence[list[Json]]) -> list[Case]:
    """Keep the calls that the right solution answers, quickly and always the same.

    Where the hash seed changes an answer, as the order of a set does, there is no right one.
    """
    inputs = [dict(zip(task.parameters, call, strict=False)) for call in calls]
    source = called_by_name(task)
    first = oracle(source, inputs)
    answered = [
        (value, result.output)
        for value, result in zip(inputs, first, strict=True)
        if result.is_answered
    ]
    again = [repeated(source, [each for each, _ in answered], seed) for seed in HASH_SEEDS]
    cases = []
    for (value, output), *others in zip(answered, *again, strict=True):
        expected = settled(output)
        size = len(_key(value)) + len(_key(expected))
        is_same = all(_key(other.output) == _key(output) for other in others)
        if is_same and is_settled(output, expected) and size <= MAX_CASE_CHARACTERS:
            cases.append(Case(input=value, expected=expected))
    return cases


def balanced(cases: Sequence[Case], count: int) -> list[Case]:
    """Take cases in turns by their answers, so that no answer has nearly all of them."""
    by_answer: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        by_answer[_key(case.expected)].append(case)
    chosen: list[Case] = []
    while by_answer and len(chosen) < count:
        for answer in list(by_answer):
            chosen.append(by_answer[answer].pop(0))
            if not by_answer[answer]:
                del by_answer[answer]
    return chosen[: max(count, 0)]


def _distinct(calls: Iterable[list[Json]]) -> list[list[Json]]:
    return list({_identity(call): call for call in reversed(list(calls))}.values())[::-1]


def _identity(call: list[Json]) -> str:
    """Return what the gold room tells inputs apart by, whatever their case and spacing."""
    text = unicodedata.normalize("NFKC", canonical_json(call).decode()).casefold()
    return "".join(text.split())


def _key(value: Json) -> str:
    return json.dumps(value, sort_keys=True)
