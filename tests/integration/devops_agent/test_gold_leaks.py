"""A candidate that quotes gold is rejected before it runs, and learns nothing by it."""

import json

import pytest

from aem.artifact import Bundle
from gold import load_dataset
from tests.fakes.gold import gold_files
from tests.fakes.running_service import FAULTY, GOOD, RunningService
from tests.fakes.staged_sandbox import StagedSandbox


def quoting(part: str) -> tuple[str, Bundle]:
    """The good artifact with a long case of one part in a table of its own."""
    cases = load_dataset(gold_files()).cases(part)
    case = max(cases, key=lambda case: len(json.dumps(case.input)))
    table = f"\nSEEN = {case.input!r}\n".encode()
    return case.id, GOOD.replace({"extractor.py": GOOD.files["extractor.py"] + table})


@pytest.mark.parametrize("part", ["holdout", "dev"])
def test_a_quoting_candidate_is_rejected_without_a_run(
    house: RunningService, gold: str, sandbox: StagedSandbox, part: str
) -> None:
    case_id, candidate = quoting(part)
    order = house.order(FAULTY, gold=gold, candidate=candidate)
    assert (order["outcome"], order["reason"]) == ("rejected", "gold_leak")
    assert house.counts("gold_tries", "gold_reports", "versions") == {
        "gold_tries": 1,
        "gold_reports": 1,
        "versions": 0,
    }
    shown = json.dumps([order, house.agent.order_report(order["id"])])
    assert (case_id in shown) == (part == "dev")
    check = house.agent.order_report(order["id"])["leak_check"]
    assert check["holdout"]["passed"] == (part == "dev")
    assert check["dev"]["passed"] == (part == "holdout")
    full = house.team.order_report(order["id"])["leak_check"]
    assert [leak["case_id"] for leak in full[part]["leaks"]] == [case_id]


def test_an_honest_candidate_s_report_says_that_it_was_looked_at(
    house: RunningService, gold: str
) -> None:
    order = house.order(FAULTY, gold=gold, candidate=GOOD)
    assert order["outcome"] == "accepted"
    assert house.agent.order_report(order["id"])["leak_check"]["passed"] is True


def test_what_was_merely_submitted_excuses_no_quote_of_the_holdout(
    house: RunningService, gold: str
) -> None:
    _, candidate = quoting("holdout")
    table = candidate.files["extractor.py"].removeprefix(GOOD.files["extractor.py"])
    submitted = FAULTY.replace({"extractor.py": FAULTY.files["extractor.py"] + table})
    order = house.order(submitted, gold=gold, candidate=candidate)
    assert (order["outcome"], order["reason"]) == ("rejected", "gold_leak")
