"""What a first look at the incumbent tells of how long a case may take."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from aem.artifact import Bundle
from devops_agent.candidates import CASE_WALL_MIN_S, PACE_TIMEOUTS, CandidateSearch
from devops_agent.domain import WorkKey
from devops_agent.uses import Use
from devops_agent.work import UseMeter
from gold import load_dataset
from sandbox import CaseRun
from tests.fakes.gold import DATA, gold_files

KEY = WorkKey(order_id="ord_1", stage="synthesis", round=0, attempt=1)
FAULTY = Bundle.from_folder(DATA / "artifact-faulty")
LIMIT_S = FAULTY.manifest.limits.wall_s


class DealtSession:
    """Ends its cases as they are dealt: milliseconds, or None for a case that loops."""

    def __init__(self, dealt: Sequence[int | None]) -> None:
        self.dealt = list(dealt)
        self.runs = 0

    def load(self, _name: str, _bundle: Bundle) -> Any:
        return SimpleNamespace(error=None)

    def run(self, _name: str, case_id: str, _input: Any) -> CaseRun:
        wall_ms = self.dealt[self.runs % len(self.dealt)]
        self.runs += 1
        if wall_ms is None:
            return CaseRun(case_id=case_id, status="timeout", wall_ms=int(LIMIT_S * 1000))
        return CaseRun(case_id=case_id, status="answered", output_text=b"1", wall_ms=wall_ms)

    def close(self) -> None:
        pass

    def usage(self) -> Any:
        return SimpleNamespace(wall_ms=1)


def pace_s(session: DealtSession) -> float:
    sandbox = SimpleNamespace(open=lambda **_options: session)
    search = CandidateSearch(**{**dict.fromkeys(PARTS), "sandbox": sandbox})  # type: ignore[arg-type]
    bound = Use(sandbox_ms=60_000)
    return search._pace(KEY, FAULTY, load_dataset(gold_files()), bound, UseMeter()).case_wall_s


PARTS = tuple(
    name for name in CandidateSearch.__init__.__annotations__ if name not in ("return", "self")
)


def test_a_case_may_take_ten_times_the_slowest_that_ended() -> None:
    assert pace_s(DealtSession([20, 300, 40])) == pytest.approx(3.0)


def test_a_fast_incumbent_leaves_a_floor() -> None:
    assert pace_s(DealtSession([1])) == CASE_WALL_MIN_S


def test_a_case_that_loops_says_nothing_of_the_pace() -> None:
    assert pace_s(DealtSession([100, None])) == pytest.approx(1.0)


def test_an_incumbent_that_only_loops_is_asked_a_few_times() -> None:
    session = DealtSession([None])
    assert pace_s(session) >= LIMIT_S
    assert session.runs == PACE_TIMEOUTS
