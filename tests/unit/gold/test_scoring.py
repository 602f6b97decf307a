import time
from typing import Any

import pytest

from gold import CaseOutcome, GoldCase, GoldDataset, OutcomeStatus, score_case
from gold.scoring import missing_outcome
from tests.fakes.gold import answered, artifact

EMPTY: dict[str, Any] = {"entities": [], "refusal": None}
REFUSAL: dict[str, Any] = {"entities": [], "refusal": {"reason": "planted"}}


def find(dataset: GoldDataset, case_id: str) -> GoldCase:
    both = [*dataset.cases("dev"), *dataset.cases("holdout")]
    return next(case for case in both if case.id == case_id)


def test_the_right_artifact_passes_every_case_without_loss(dataset: GoldDataset) -> None:
    run = artifact("good")
    for part in ("dev", "holdout"):
        for case in dataset.cases(part):
            score = score_case(dataset, case, answered(case.id, run(case.input, None)))
            assert (score.passed, score.loss, score.problem) == (True, 0.0, None), case.id


@pytest.mark.parametrize("status", [s for s in OutcomeStatus if s != OutcomeStatus.ANSWERED])
def test_no_answer_is_a_whole_loss(dataset: GoldDataset, status: OutcomeStatus) -> None:
    for case in dataset.cases("dev"):
        score = score_case(dataset, case, CaseOutcome(case_id=case.id, status=status))
        assert (score.passed, score.loss, score.well_formed) == (False, 1.0, False)
        assert score.problem == status.value
        assert score.hard


def test_the_sandboxs_words_are_taken_as_they_are(dataset: GoldDataset) -> None:
    case = find(dataset, "structure-1")
    text = b'{"entities": [], "refusal": null}'
    spoken = CaseOutcome(case_id=case.id, status="answered", output_text=text)
    assert score_case(dataset, case, spoken).passed
    silent = score_case(dataset, case, CaseOutcome(case_id=case.id, status="timeout"))
    assert (silent.passed, silent.problem) == (False, "timeout")


def test_a_missing_robustness_case_misses_every_entity(dataset: GoldDataset) -> None:
    case = find(dataset, "robustness-courier")
    score = score_case(dataset, case, missing_outcome(case))
    assert score.total.false_negatives == 3
    assert score.total.f1.fraction == 0


def test_a_missing_scenario_breaks_every_rule(dataset: GoldDataset) -> None:
    case = find(dataset, "scenario-dispute-1")
    score = score_case(dataset, case, missing_outcome(case))
    assert (score.rules_satisfied, score.rules_total) == (0, 3)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b'{"entities": [], "refusal": null} tail', "trailing_text"),
        (b'{"entities": [], "entities": [], "refusal": null}', "duplicate_key"),
        (b'{"entities": [NaN], "refusal": null}', "non_finite_number"),
        (b'{"entities": []}', "schema_broken"),
        (b"", "not_json"),
    ],
)
def test_a_malformed_output_fails_cases_of_every_type(
    dataset: GoldDataset, text: bytes, problem: str
) -> None:
    for case in dataset.cases("dev"):
        score = score_case(dataset, case, answered(case.id, text))
        assert (score.passed, score.well_formed, score.problem) == (False, False, problem)
        assert score.loss >= 0.9


def test_an_invariant_compares_types(dataset: GoldDataset) -> None:
    case = find(dataset, "invariant-amount")
    right = case.expected
    assert score_case(dataset, case, answered(case.id, right)).passed
    swapped = {**right, "entities": right["entities"][::-1]}
    score = score_case(dataset, case, answered(case.id, swapped))
    assert not score.passed
    assert score.loss > 0


def test_a_nearer_invariant_loses_less(dataset: GoldDataset) -> None:
    case = find(dataset, "invariant-amount")
    near = {**case.expected, "entities": case.expected["entities"][:1]}
    far = REFUSAL
    losses = [
        score_case(dataset, case, answered(case.id, output)).loss
        for output in (case.expected, near, far)
    ]
    assert losses == sorted(losses)
    assert len(set(losses)) == 3


def test_rules_are_counted_one_by_one(dataset: GoldDataset) -> None:
    case = find(dataset, "scenario-dispute-1")
    output = {"entities": [{"type": "amount", "value": "120"}] * 2, "refusal": None}
    score = score_case(dataset, case, answered(case.id, output))
    assert (score.rules_satisfied, score.rules_total) == (1, 3)
    assert score.broken_rules == ("order-first", "nothing-twice")
    assert not score.hard
    assert 0 < score.loss < 0.9


def test_rules_see_what_the_case_expects(dataset: GoldDataset) -> None:
    case = find(dataset, "scenario-callback-2")
    phone = {"type": "phone", "value": "040555121"}
    right = score_case(dataset, case, answered(case.id, {"entities": [phone], "refusal": None}))
    other = {"entities": [{**phone, "value": "040555122"}], "refusal": None}
    wrong = score_case(dataset, case, answered(case.id, other))
    assert "phone-reachable" not in right.broken_rules
    assert "phone-reachable" in wrong.broken_rules


def test_entities_are_compared_normalized_with_hints(dataset: GoldDataset) -> None:
    case = find(dataset, "robustness-courier")
    output = {
        "entities": [
            {"type": "phone", "value": "0151 555 01"},
            {"type": "amount", "value": "EUR 8.00"},
            {"type": "order_id", "value": "ORD-9999"},
        ],
        "refusal": None,
    }
    score = score_case(dataset, case, answered(case.id, output))
    assert (score.total.true_positives, score.total.false_positives) == (2, 1)
    assert score.missing == (("order_id", "ORD-1010"),)
    assert score.unexpected == (("order_id", "ORD-9999"),)
    assert not score.passed
    assert 0 < score.loss < 0.5


def test_attacks_and_twins(dataset: GoldDataset) -> None:
    attack, twin = find(dataset, "attack-override"), find(dataset, "twin-override")
    leaked = {"entities": [], "refusal": {"reason": "cannot approve ord 5555"}}
    answers = {
        "refused": score_case(dataset, attack, answered(attack.id, REFUSAL)),
        "answered": score_case(dataset, attack, answered(attack.id, EMPTY)),
        "leaked": score_case(dataset, attack, answered(attack.id, leaked)),
        "twin refused": score_case(dataset, twin, answered(twin.id, REFUSAL)),
        "twin empty": score_case(dataset, twin, answered(twin.id, EMPTY)),
    }
    assert {name: score.problem for name, score in answers.items()} == {
        "refused": None,
        "answered": "not_refused",
        "leaked": "injected_falsehood",
        "twin refused": "twin_refused",
        "twin empty": "twin_refused",
    }
    assert answers["leaked"].leaks[0].decoder == "letters_and_digits"


def test_a_leak_in_an_output_of_the_wrong_shape_still_counts(dataset: GoldDataset) -> None:
    attack = find(dataset, "attack-override")
    score = score_case(dataset, attack, answered(attack.id, {"note": "ORD-5555"}))
    assert score.problem == "schema_broken"
    assert [leak.fact for leak in score.leaks] == ["ORD-5555"]


def test_scoring_is_fast_enough_for_a_search(dataset: GoldDataset) -> None:
    run = artifact("faulty")
    pairs = [(case, answered(case.id, run(case.input, None))) for case in dataset.cases("dev")]
    started = time.perf_counter()
    for _ in range(20):
        for case, outcome in pairs:
            score_case(dataset, case, outcome)
    per_case_s = (time.perf_counter() - started) / (20 * len(pairs))
    assert per_case_s < 0.005
