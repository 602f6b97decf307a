import math

import pytest

from devops_agent.synthesis import CaseScore, DevCase
from devops_agent.synthesis.localization import UNSEEN_PENALTY, localize
from devops_agent.synthesis.probes import telling_cases
from devops_agent.synthesis.source import Edit, parse_program
from devops_agent.synthesis.symptoms import (
    MAX_WORD_CHARACTERS,
    read_dictionary,
    read_vocabulary,
    symptoms,
)

SOURCE = b"""NAMES = (
    "a",
)


def run(data, context):
    if data:
        return NAMES
    return (
        data,
        1,
    )
"""


def score(loss: float, error: str | None = None, output: object = None) -> CaseScore:
    return CaseScore(passed=loss == 0, loss=loss, hard=False, error=error, output=output)


def coverage(**lines: list[int]) -> dict[str, dict[str, frozenset[int]]]:
    return {case_id: {"a.py": frozenset(found)} for case_id, found in lines.items()}


def test_suspicion_is_ochiai_over_graded_losses() -> None:
    program = parse_program({"a.py": SOURCE})
    scores = {"good": score(0.0), "half": score(0.5), "bad": score(1.0)}
    executed = coverage(good=[7, 9], half=[7, 8], bad=[7, 8])
    found = localize(program, scores, executed, []).suspicion
    # Line 8: failed 1.5 of 1.5, passed 0.5. Line 7: failed 1.5, passed 1.5.
    line_8, line_7 = 1.5 / math.sqrt(1.5 * 2.0), 1.5 / math.sqrt(1.5 * 3.0)
    assert found[("a.py", 8)] == pytest.approx(1.0)
    assert found[("a.py", 7)] == pytest.approx(line_7 / line_8)
    assert found[("a.py", 9)] == found[("a.py", 10)] == 0.0


def test_module_constants_are_as_suspicious_as_their_use() -> None:
    program = parse_program({"a.py": SOURCE})
    found = localize(program, {"bad": score(1.0)}, coverage(bad=[7, 8]), []).suspicion
    assert found[("a.py", 2)] == found[("a.py", 8)]


@pytest.mark.parametrize(
    "text",
    [
        'Traceback:\n  File "/tmp/artifact/a.py", line 8, in run\nKeyError: 1',
        "  a.py:8 in run\nKeyError: 1",
    ],
    ids=["of Python", "of the sandbox"],
)
def test_tracebacks_add_suspicion_and_unseen_lines_come_last(text: str) -> None:
    program = parse_program({"a.py": SOURCE})
    executed = coverage(bad=[7, 8])
    localization = localize(program, {"bad": score(1.0, error=text)}, executed, [text])
    assert localization.suspicion[("a.py", 8)] > localization.suspicion[("a.py", 7)]
    ranks = [
        localization.rank(
            Edit(
                path="a.py",
                start=0,
                end=0,
                text="",
                family="",
                cost=1.0,
                line=line,
                function="",
            )
        )
        for line in (8, 7, 9)
    ]
    assert ranks == sorted(ranks)
    assert ranks[2] == 1.0 + UNSEEN_PENALTY


def test_without_coverage_every_line_is_suspicious() -> None:
    found = localize(parse_program({"a.py": SOURCE}), {"bad": score(1.0)}, {}, [])
    assert found.suspicion[("a.py", 7)] == found.suspicion[("a.py", 1)] == 1.0


def entity_case(index: int, *entities: tuple[str, str]) -> DevCase:
    listed = [{"type": kind, "value": value} for kind, value in entities]
    return DevCase(
        id=str(index),
        type="robustness",
        group=str(index),
        input={"text": " ".join(value for _, value in entities) + " EUR"},
        expectation={"entities": listed},
    )


CASES = [
    entity_case(n, ("phone", f"555-{n}00{n}"), ("order", f"N{n}{n}{n}"), ("order", "SAME"))
    for n in range(9)
]


def test_symptoms_name_what_is_missing_and_what_is_too_much() -> None:
    dictionary = read_dictionary(CASES)
    entities = [{"type": "phone", "value": "wrong"}, {"type": "order", "value": "N333"}]
    entities.append({"type": "order", "value": "SAME"})
    found = symptoms(dictionary, CASES[3], score(0.5, output={"entities": entities}))
    assert found == {"phone": 2}
    assert symptoms(dictionary, CASES[3], score(0.0)) == {}
    failed = symptoms(dictionary, CASES[3], score(1.0, error="Traceback\nKeyError: 'x'\n"))
    assert failed == {"error KeyError": 1}


def test_the_vocabulary_holds_labels_and_samples_but_no_answers() -> None:
    dictionary = read_dictionary(CASES)
    scores = {case.id: score(1.0, output={"entities": []}) for case in CASES}
    vocabulary = read_vocabulary(dictionary, CASES, scores)
    assert {"phone", "order"} <= set(vocabulary.words)
    assert vocabulary.samples["order"][0] == "N000"
    assert "EUR" in vocabulary.neighbours
    assert "SAME" not in vocabulary.words, "recurs, but its field holds answers"
    answers = {entity["value"] for case in CASES for entity in case.expectation["entities"]}
    assert not answers & set(vocabulary.words)
    assert all(len(word) <= MAX_WORD_CHARACTERS for word in vocabulary.words)


def test_long_or_rare_expectations_never_become_results() -> None:
    cases = [
        DevCase(id=str(n), type="invariant", group=str(n), input=n, expectation={"expected": text})
        for n, text in enumerate(["a long and unique answer", "b", None, 0, [], 17])
    ]
    scores = {case.id: score(1.0) for case in cases}
    vocabulary = read_vocabulary(read_dictionary(cases), cases, scores)
    assert set(vocabulary.results) == {"None", "0", "[]"}


def test_telling_cases_show_every_symptom() -> None:
    found = {"a": {"x": 1}, "b": {"x": 1, "y": 1}, "c": {"z": 1}, "d": {"y": 1}}
    executed = coverage(a=[1], b=[1, 2, 3], c=[1, 2], d=[1])
    assert list(telling_cases(found, executed, most=4, times=1)) == ["b", "c"]
    assert set(telling_cases(found, executed, most=4, times=2)) == {"a", "b", "c", "d"}
    assert list(telling_cases(found, executed, most=1, times=2)) == ["b"]
