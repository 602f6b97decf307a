"""Answers that attack the judge: written past the runner, and named by gold for what they are."""

import pytest

from gold import CaseOutcome, CaseScore, GoldDataset, load_dataset, score_case
from tests.fakes.gold import gold_files
from tests.integration.sandbox.conftest import LIMITS, Opener

pytestmark = pytest.mark.slow

WRITER = """import os

def write(fd, text):
    while text:
        text = text[os.write(fd, text):]

def run(input, context):
    texts = [{expression}, b'{{"status": "answered", "lines": {{}}, "error": null}}']
    for fd in range(3, 30):
        try:
            write(fd, texts[0])
            del texts[0]
        except OSError:
            pass
        if not texts:
            os._exit(0)
"""
"""Writes an answer where the runner would have written it, and a report that claims it."""

GOOD = b'{"entities": [], "refusal": null}'


@pytest.fixture(scope="module")
def dataset() -> GoldDataset:
    return load_dataset(gold_files())


def judged(opened: Opener, dataset: GoldDataset, source: str) -> CaseScore:
    case = next(
        case
        for part in ("dev", "holdout")
        for case in dataset.cases(part)
        if case.id == "structure-1"
    )
    run = opened(source).run("v", case.id, case.input)
    outcome = CaseOutcome(case_id=case.id, status=run.status, output_text=run.output_text)
    return score_case(dataset, case, outcome)


def test_a_good_answer_written_past_the_runner_is_as_good(
    opened_for_real: Opener, dataset: GoldDataset
) -> None:
    assert judged(opened_for_real, dataset, WRITER.format(expression=repr(GOOD))).passed


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        pytest.param(repr(b'{"entities": [], "refusal": NaN}'), "non_finite_number", id="nan"),
        pytest.param(repr(b'{"entities": -Infinity}'), "non_finite_number", id="infinity"),
        pytest.param(
            repr(b'{"entities": [], "refusal": null, "refusal": {}}'), "duplicate_key", id="keys"
        ),
        pytest.param("b'[' * 9_000 + b']' * 9_000", "too_deep", id="deep"),
        pytest.param("b'[' * 300 + b']' * 300", "too_deep", id="levels"),
        pytest.param(
            f"b'[' + b'1,' * {LIMITS.output_bytes} + b'1]'", "output_too_large", id="huge"
        ),
        pytest.param(repr(b'{"entities": [], "refusal": "\xff\xfe"}'), "invalid_utf8", id="bytes"),
        pytest.param(repr(b'{"refusal": "\\ud800"}'), "lone_surrogate", id="surrogate"),
        pytest.param(repr(GOOD + GOOD), "trailing_text", id="two values"),
        pytest.param(repr(b'{"entities": 1e999}'), "number_out_of_range", id="float"),
        pytest.param("b'1' * 5_000", "number_out_of_range", id="integer"),
        pytest.param("b''", "not_json", id="nothing"),
    ],
)
def test_a_hostile_answer_is_named(
    opened_for_real: Opener, dataset: GoldDataset, expression: str, problem: str
) -> None:
    score = judged(opened_for_real, dataset, WRITER.format(expression=expression))
    assert (score.passed, score.well_formed, score.problem) == (False, False, problem)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("{'entities': [], 'refusal': float('nan')}", id="nan"),
        pytest.param("{'entities': [Equal()], 'refusal': None}", id="equals everything"),
        pytest.param("{'entities': Endless(), 'refusal': None}", id="endless list"),
    ],
)
def test_an_object_that_is_no_json_is_no_answer(
    opened_for_real: Opener, dataset: GoldDataset, value: str
) -> None:
    source = (
        "class Equal:\n    __hash__ = None\n    def __eq__(self, other): return True\n"
        "class Endless(list):\n    def __iter__(self):\n        while True: yield 1\n"
        "    def __len__(self): return 1\n"
        f"def run(input, context):\n    return {value}\n"
    )
    score = judged(opened_for_real, dataset, source)
    assert not score.passed
    assert not score.well_formed
