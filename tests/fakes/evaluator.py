"""A DevEvaluator without a sandbox: variants run in this process, under a step limit."""

import copy
import hashlib
import json
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any

from aem.artifact import Bundle
from devops_agent.synthesis import BudgetExhaustedError, CaseScore, DevCase, Evaluation

MANIFEST = """name = "acme/{name}"
kind = "python"
entry = "program:run"
input_schema = "input.json"
output_schema = "output.json"
"""


def python_bundle(source: str, name: str = "program") -> Bundle:
    """Make the smallest valid python artifact around one module, ``program.py``."""
    return Bundle(
        {
            "artifact.toml": MANIFEST.format(name=name).encode(),
            "input.json": b"{}",
            "output.json": b"{}",
            "program.py": source.encode(),
        }
    )


class StepLimitError(Exception):
    pass


class FakeEvaluator:
    """Runs ``run(input, context)`` of program.py and scores outputs by a function.

    `score` takes a case and the output and returns the loss; errors have loss 1.0.
    """

    def __init__(
        self,
        cases: Sequence[DevCase],
        score: Callable[[DevCase, Any], float],
        *,
        runs: int = 30_000,
        step_limit: int = 4_000,
        hard_types: Sequence[str] = ("invariant", "structure", "adversarial"),
    ) -> None:
        self.cases = {case.id: case for case in cases}
        self.remaining_runs = runs
        self.log: list[tuple[str, ...]] = []
        self._score = score
        self._step_limit = step_limit
        self._hard_types = hard_types

    def evaluate(
        self, bundle: Bundle, case_ids: Sequence[str], *, stop_above: float | None
    ) -> Evaluation:
        self.log.append((hashlib.sha256(bundle.files["program.py"]).hexdigest(), *case_ids))
        function = _load(bundle)
        scores: dict[str, CaseScore] = {}
        total = 0.0
        for case_id in case_ids:
            scores[case_id] = self._run(function, self.cases[case_id], None)
            total += scores[case_id].loss
            if stop_above is not None and total > stop_above:
                break
        return Evaluation(scores=scores)

    def lines(
        self, bundle: Bundle, case_ids: Sequence[str]
    ) -> Mapping[str, Mapping[str, frozenset[int]]]:
        function = _load(bundle)
        found = {}
        for case_id in case_ids:
            lines: set[int] = set()
            self._run(function, self.cases[case_id], lines)
            found[case_id] = {"program.py": frozenset(lines)}
        return found

    def _run(self, function: Any, case: DevCase, lines: set[int] | None) -> CaseScore:
        if self.remaining_runs <= 0:
            raise BudgetExhaustedError("the run budget is used up")
        self.remaining_runs -= 1
        hard = case.type in self._hard_types
        try:
            given = copy.deepcopy(case.input)
            output = _limited(function, given, self._step_limit, lines)
            output = json.loads(json.dumps(output, allow_nan=False))
        except Exception:  # noqa: BLE001 - whatever a faulty program raises
            text = traceback.format_exc(limit=-3)
            return CaseScore(passed=False, loss=1.0, hard=hard, error=text)
        loss = self._score(case, output)
        return CaseScore(passed=loss == 0.0, loss=loss, hard=hard, output=output)


def _load(bundle: Bundle) -> Any:
    namespace: dict[str, Any] = {"__name__": "program"}
    try:
        exec(compile(bundle.files["program.py"], "/program.py", "exec"), namespace)  # noqa: S102
        return namespace["run"]
    except Exception as error:  # noqa: BLE001 - import-time faults of a variant
        return _failing(error)


def _failing(error: Exception) -> Any:
    def run(given: Any, context: Any) -> Any:
        raise error

    return run


def _limited(function: Any, given: Any, limit: int, lines: set[int] | None) -> Any:
    steps = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal steps
        if frame.f_code.co_filename != "/program.py":
            return None
        if event == "line":
            steps += 1
            if lines is not None:
                lines.add(frame.f_lineno)
            if steps > limit:
                raise StepLimitError
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        return function(given, None)
    finally:
        sys.settrace(before)


def exact(case: DevCase, output: Any) -> float:
    """Score by equality, as invariant cases do."""
    expected = case.expectation["expected"]
    return 0.0 if json.dumps(output) == json.dumps(expected) else 1.0


def entity_loss(case: DevCase, output: Any) -> float:
    """Score by one minus F1 over entities, as robustness cases do."""

    def items(value: Any) -> Counter[str]:
        found = value.get("entities") if isinstance(value, dict) else None
        listed = found if isinstance(found, list) else []
        return Counter(json.dumps(item, sort_keys=True) for item in listed)

    expected, given = items(case.expectation), items(output)
    total = expected.total() + given.total()
    return 1.0 - 2 * (expected & given).total() / total if total else 0.0
