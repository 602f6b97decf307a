"""Scores variants on dev cases: runs them in one sandbox session and lets gold judge each case."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from aem.artifact import Bundle
from devops_agent.synthesis.errors import BudgetExhaustedError
from devops_agent.synthesis.port import CaseScore, DevCase, Evaluation
from gold import CaseOutcome, CaseType, DatasetRef, GoldCase, GoldDataset, score_case
from sandbox import CaseRun, SandboxSession, SessionExpiredError

HOLDOUT = "holdout"
"""The part of a dataset that only the judge sees."""

HARD_TYPES = (CaseType.STRUCTURE, CaseType.INVARIANT, CaseType.ADVERSARIAL)
"""One failed case of these rejects a candidate, whatever it gains elsewhere."""


VARIANT = "variant"

PACE_RUNS = 100
"""From so many case runs on, the pace so far tells how many more the time allows."""

PACE_SHARE = 0.05
"""So much of the session tells it too: where cases take seconds, so many runs may never come."""

SHORTEST_S = 0.001


class SandboxEvaluator:
    """Implements `DevEvaluator` on a sandbox session; counts every case run."""

    def __init__(
        self,
        *,
        session: SandboxSession,
        dataset: GoldDataset,
        cases: Sequence[GoldCase],
        runs_max: int,
        session_s: float,
    ) -> None:
        """Keep the collaborators; `cases` are dev cases only, `session_s` is what is left."""
        self._session = session
        self._dataset = dataset
        self._cases = {case.id: case for case in cases}
        self._runs_max = runs_max
        self._runs = 0
        self._running_s = 0.0
        self._started_s = time.monotonic()
        self._session_s = session_s
        self._loaded: Bundle | None = None

    @property
    def remaining_runs(self) -> int:
        """How many case runs are left: of the budget, or of the time at the pace so far.

        Time counts only where it would end the session first; else the answer, and with it the
        search, is the same on every machine. Waiting for a model is no part of the pace.
        """
        left_s = self._session_s - (time.monotonic() - self._started_s)
        in_time = int(left_s * self._runs / max(self._running_s, SHORTEST_S))
        left = self._runs_max - self._runs
        is_slow = self._running_s > PACE_SHARE * self._session_s
        if self._runs < PACE_RUNS and not is_slow:
            return left
        return max(0, min(left, in_time))

    def evaluate(
        self, bundle: Bundle, case_ids: Sequence[str], *, stop_above: float | None
    ) -> Evaluation:
        """Run the cases in order and score them; see the port."""
        scores: dict[str, CaseScore] = {}
        limit = math.inf if stop_above is None else stop_above
        loss = 0.0
        for case_id in case_ids:
            score = self._score(case_id, self._run(bundle, case_id))
            scores[case_id] = score
            loss += score.loss
            if loss > limit:
                break
        return Evaluation(scores=scores)

    def lines(
        self, bundle: Bundle, case_ids: Sequence[str]
    ) -> Mapping[str, Mapping[str, frozenset[int]]]:
        """Run the cases under a line tracer; see the port."""
        covered = {}
        for case_id in case_ids:
            lines = self._run(bundle, case_id, trace_lines=True).lines or {}
            covered[case_id] = {path: frozenset(numbers) for path, numbers in lines.items()}
        return covered

    def _run(self, bundle: Bundle, case_id: str, *, trace_lines: bool = False) -> CaseRun:
        if self._runs >= self._runs_max:
            raise BudgetExhaustedError("the order's budget of case runs is used up")
        self._runs += 1
        begun_s = time.monotonic()
        try:
            variant = self._load(bundle)
            return self._session.run(
                variant, case_id, self._cases[case_id].input, trace_lines=trace_lines
            )
        except SessionExpiredError as error:
            raise BudgetExhaustedError("the sandbox's time for this order is used up") from error
        finally:
            self._running_s += time.monotonic() - begun_s

    def _load(self, bundle: Bundle) -> str:
        if bundle != self._loaded:
            self._session.load(VARIANT, bundle)  # replaces the variant before
            self._loaded = bundle
        return VARIANT

    def _score(self, case_id: str, run: CaseRun) -> CaseScore:
        outcome = CaseOutcome(case_id=case_id, status=run.status, output_text=run.output_text)
        score = score_case(self._dataset, self._cases[case_id], outcome)
        return CaseScore(
            passed=score.passed,
            loss=score.loss,
            hard=not score.well_formed or score.type in HARD_TYPES,
            error=run.error,
            output=_parsed(run.output_text),
        )


def dev_case(case: GoldCase) -> DevCase:
    """Show a dev case to synthesizers: all that it says but what names and asks is expectation."""
    expectation = case.to_json()
    for asked in ("id", "type", "group", "input"):
        del expectation[asked]
    return DevCase(
        id=case.id,
        type=case.type.value,
        group=case.group,
        input=case.input,
        expectation=expectation,
    )


def holdout_cases(dataset: DatasetRef) -> int:
    """Return how many cases of a dataset only the judge sees."""
    return sum(dataset.counts[HOLDOUT].values())


def _parsed(text: bytes | None) -> Any:
    """Return the output as JSON for a synthesizer to look at; None where it is none."""
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return None
