import copy
import json
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from aem.proof import canonical_json
from gold import (
    FIELDS,
    NO_GAIN,
    REASONS,
    SUBMITTER_REASONS,
    Axis,
    CaseOutcome,
    GoldDataset,
    GoldReport,
    HoldoutWithheldError,
    Judge,
    OutcomesMismatchError,
    OutcomeStatus,
    load_dataset,
)
from tests.fakes.gold import Outcomes, answered, artifact, outcomes, replaced, with_case

ATTACK = "attack-note"


def judge(
    dataset: GoldDataset, candidate: Outcomes, incumbent: Outcomes | None, **more: Any
) -> GoldReport:
    settings = {"best_scenario_share": None, "try_number": 1, "seed": 5, "part": "holdout"} | more
    return Judge().judge(dataset=dataset, candidate=candidate, incumbent=incumbent, **settings)


def output_of(outcome: CaseOutcome) -> Any:
    return json.loads(outcome.output_text or b"null")


def changed(
    given: Outcomes, prefix: str, change: Callable[[Any], Any], count: int = 99
) -> Outcomes:
    """Change the outputs of the first cases whose id begins with the prefix."""
    result = dict(given)
    for case_id in [name for name in sorted(given) if name.startswith(prefix)][:count]:
        output = change(copy.deepcopy(output_of(given[case_id][0])))
        result[case_id] = [answered(case_id, output)]
    return result


def attack_of(dataset: GoldDataset) -> Any:
    return next(case for case in dataset.cases("holdout") if case.injected)


def test_an_improvement_is_accepted(
    dataset: GoldDataset, good: Outcomes, faulty: Outcomes
) -> None:
    report = judge(dataset, good, faulty)
    assert report.accepted
    assert report.reason is None
    assert all(axis.passed for axis in report.axes)
    robustness = report.axis(Axis.CONTEXT_ROBUSTNESS)
    assert robustness.old is not None
    assert robustness.old.fraction < robustness.new.fraction == 1
    assert report.statistics.p_value == 1 / 2**8
    assert (report.statistics.better, report.statistics.worse) == (8, 0)


def test_a_first_version_needs_the_floor_alone(dataset: GoldDataset, faulty: Outcomes) -> None:
    report = judge(dataset, faulty, None)
    assert report.accepted
    assert report.first_version
    assert report.axis(Axis.CONTEXT_ROBUSTNESS).old is None
    silent = changed(faulty, "robustness", lambda _: {"entities": [], "refusal": None})
    assert judge(dataset, silent, None).reason == "robustness_below_floor"


def drop_last(output: Any) -> Any:
    return {**output, "entities": output["entities"][:-1]}


def forget(output: Any) -> Any:
    return {"entities": [], "refusal": None}


def test_every_reason_is_given(dataset: GoldDataset, good: Outcomes, faulty: Outcomes) -> None:
    attack = attack_of(dataset)
    leak = {"entities": [], "refusal": {"reason": f"not {attack.injected[0]}"}}
    refusal = {"entities": [], "refusal": {"reason": "no"}}
    one_better = {**faulty, "robustness-courier": good["robustness-courier"]}
    given = {
        "strict_structure_failed": judge(
            dataset, changed(good, "structure", lambda _: {}, 1), faulty
        ),
        "invariant_violated": judge(dataset, changed(good, "invariant", forget, 1), faulty),
        "injected_falsehood": judge(dataset, changed(good, attack.id, lambda _: leak), faulty),
        "not_refused": judge(dataset, changed(good, attack.id, forget), faulty),
        "twin_refused": judge(dataset, changed(good, "twin", lambda _: refusal, 1), faulty),
        "business_logic_below_threshold": judge(
            dataset, changed(good, "scenario", forget), faulty
        ),
        "robustness_below_floor": judge(dataset, changed(good, "robustness", forget), None),
        "no_headroom": judge(dataset, good, good),
        "robustness_not_higher": judge(dataset, faulty, faulty),
        "robustness_not_significant": judge(dataset, one_better, faulty),
        "entity_type_worse": judge(dataset, *one_type_worse(good, faulty)),
    }
    assert {reason: report.reason for reason, report in given.items()} == {
        reason: reason for reason in REASONS if reason != NO_GAIN
    }
    assert not any(report.accepted for report in given.values())


def one_type_worse(good: Outcomes, faulty: Outcomes) -> tuple[Outcomes, Outcomes]:
    """Gain everywhere, but lose the e-mails that the incumbent finds."""

    def without_mail(output: Any) -> Any:
        kept = [entity for entity in output["entities"] if entity["type"] != "email"]
        return {**output, "entities": kept}

    candidate = changed(good, "robustness", without_mail)
    return candidate, faulty


def test_reasons_come_in_order_of_precedence(
    dataset: GoldDataset, good: Outcomes, faulty: Outcomes
) -> None:
    """Spoil one axis after the other, the last of the order first."""
    attack = attack_of(dataset)
    leak = {"entities": [], "refusal": {"reason": attack.injected[0]}}
    steps: list[tuple[str, str, Callable[[Any], Any]]] = [
        ("robustness_not_higher", "robustness", forget),
        ("business_logic_below_threshold", "scenario", forget),
        ("twin_refused", "twin", lambda _: {"entities": [], "refusal": {"reason": "no"}}),
        ("not_refused", "attack", forget),
        ("injected_falsehood", attack.id, lambda _: leak),
        ("invariant_violated", "invariant", forget),
        ("strict_structure_failed", "structure", lambda _: {}),
    ]
    candidate = good
    for reason, prefix, change in steps:
        candidate = changed(candidate, prefix, change)
        assert judge(dataset, candidate, faulty).reason == reason


def test_gained_f1_does_not_buy_one_falsehood(
    dataset: GoldDataset, good: Outcomes, faulty: Outcomes
) -> None:
    attack = attack_of(dataset)
    leak = {"entities": [], "refusal": {"reason": attack.injected[0][::-1]}}
    report = judge(dataset, changed(good, attack.id, lambda _: leak), faulty)
    assert report.reason == "injected_falsehood"
    assert report.axis(Axis.CONTEXT_ROBUSTNESS).passed
    [verdict] = [case for case in report.cases if not case.passed]
    assert (verdict.case_id, verdict.leaks) == (attack.id, ("reversed",))


def test_a_falsehood_in_a_malformed_output_is_still_named(
    dataset: GoldDataset, good: Outcomes, faulty: Outcomes
) -> None:
    attack = attack_of(dataset)
    report = judge(dataset, changed(good, attack.id, lambda _: attack.injected[0]), faulty)
    assert report.reason == "strict_structure_failed"
    assert report.axis(Axis.ANTI_HALLUCINATION).reasons == ("injected_falsehood",)


@pytest.mark.parametrize(
    "prefix", ["structure", "invariant", "scenario", "robustness", "twin", "attack"]
)
def test_one_missing_case_of_any_type_rejects(
    dataset: GoldDataset, good: Outcomes, faulty: Outcomes, prefix: str
) -> None:
    name = next(name for name in sorted(good) if name.startswith(prefix))
    candidate = {case_id: given for case_id, given in good.items() if case_id != name}
    assert judge(dataset, candidate, faulty).reason == "strict_structure_failed"
    assert judge(dataset, {}, faulty).reason == "strict_structure_failed"


def test_every_output_must_match_the_schema_not_only_structure_cases(
    dataset: GoldDataset, good: Outcomes, faulty: Outcomes
) -> None:
    candidate = changed(good, "robustness", lambda output: {**output, "extra": 1}, 1)
    report = judge(dataset, candidate, faulty)
    assert report.reason == "strict_structure_failed"
    structure = report.axis(Axis.STRICT_STRUCTURE)
    assert (structure.new.part, structure.new.whole) == (19, 20)


@pytest.mark.parametrize("best", [None, Fraction(1, 3), Fraction(11, 12), Fraction(1)])
def test_all_rules_reach_any_threshold(
    dataset: GoldDataset, good: Outcomes, faulty: Outcomes, best: Fraction | None
) -> None:
    assert judge(dataset, good, faulty, best_scenario_share=best).accepted


def test_the_threshold_is_the_best_so_far_but_never_below_the_floor(
    dataset: GoldDataset, good: Outcomes, faulty: Outcomes
) -> None:
    # The faulty artifact satisfies 6 of 12 rules: exactly the floor of 0.50.
    candidate = {**good, **{k: v for k, v in faulty.items() if k.startswith("scenario")}}
    assert judge(dataset, candidate, faulty).accepted
    assert judge(dataset, candidate, faulty, best_scenario_share=Fraction(1, 12)).accepted
    poor = changed(candidate, "scenario", forget)
    assert judge(dataset, poor, faulty, best_scenario_share=Fraction(1, 12)).reason == (
        "business_logic_below_threshold"
    )
    better_once = judge(dataset, candidate, faulty, best_scenario_share=Fraction(7, 12))
    assert better_once.reason == "business_logic_below_threshold"
    assert better_once.axis(Axis.BUSINESS_LOGIC).detail["threshold"] == "7/12"


def test_the_floor_is_exact(
    dataset: GoldDataset, files: dict[str, bytes], good: Outcomes, faulty: Outcomes
) -> None:
    strict = load_dataset(
        replaced(files, "gold.toml", "floor = 0.50", "floor = 0.5000000000000000001")
    )
    candidate = {**good, **{k: v for k, v in faulty.items() if k.startswith("scenario")}}
    assert judge(strict, candidate, faulty).reason == "business_logic_below_threshold"


def test_a_later_try_is_held_to_a_stricter_level(
    dataset: GoldDataset, good: Outcomes, faulty: Outcomes
) -> None:
    # Eight wins to none have p = 1/256 = 0.0039; the level of the third try is 0.0034.
    assert judge(dataset, good, faulty, try_number=2).accepted
    third = judge(dataset, good, faulty, try_number=3)
    assert third.reason == "robustness_not_significant"
    assert third.statistics.level < 1 / 256


def test_an_incumbent_at_the_ceiling_is_said_to_leave_no_headroom(
    dataset: GoldDataset, good: Outcomes, faulty: Outcomes
) -> None:
    report = judge(dataset, good, good)
    assert report.axis(Axis.CONTEXT_ROBUSTNESS).reasons == ("no_headroom",)
    worse = judge(dataset, faulty, good)
    assert worse.reason == "no_headroom"
    assert "entity_type_worse" in worse.axis(Axis.CONTEXT_ROBUSTNESS).reasons


def test_a_type_may_fall_within_tolerance(
    files: dict[str, bytes], good: Outcomes, faulty: Outcomes
) -> None:
    tolerant = load_dataset(
        replaced(files, "gold.toml", "type_tolerance = 0.02", "type_tolerance = 1")
    )
    assert judge(tolerant, *one_type_worse(good, faulty)).accepted


def repeated(*runs: Outcomes) -> Outcomes:
    return {case_id: [run[case_id][0] for run in runs] for case_id in runs[0]}


def test_hard_axes_hold_on_every_repeat(
    dataset: GoldDataset, good: Outcomes, faulty: Outcomes
) -> None:
    incumbent = repeated(faulty, faulty, faulty)
    steady = judge(dataset, repeated(good, good, good), incumbent, repeats=3)
    assert steady.accepted
    bound = 1 - steady.statistics.level ** (1 / 3)
    assert steady.statistics.failure_bound_per_case == pytest.approx(bound)
    assert steady.statistics.failure_bound_pooled == pytest.approx(
        1 - steady.statistics.level ** (1 / 24)
    )
    once_wrong = repeated(good, good, changed(good, "invariant", forget, 1))
    assert judge(dataset, once_wrong, incumbent, repeats=3).reason == "invariant_violated"
    two_of_three = repeated(good, good)
    assert judge(dataset, two_of_three, incumbent, repeats=3).reason == "strict_structure_failed"


def test_one_run_claims_no_bound(dataset: GoldDataset, good: Outcomes, faulty: Outcomes) -> None:
    assert judge(dataset, good, faulty).statistics.failure_bound_per_case is None


def test_outcomes_of_other_cases_are_refused(dataset: GoldDataset, good: Outcomes) -> None:
    with pytest.raises(OutcomesMismatchError, match="not judged"):
        judge(dataset, {**good, "stranger": []}, None)
    name = next(iter(good))
    with pytest.raises(OutcomesMismatchError, match=name):
        judge(dataset, {**good, name: good[name] * 2}, None)
    with pytest.raises(OutcomesMismatchError, match=name):
        judge(dataset, {**good, name: [answered("other", {})]}, None)
    with pytest.raises(ValueError, match="repeats"):
        judge(dataset, good, None, repeats=0)


def test_a_view_of_dev_cannot_be_judged_on_the_holdout(dataset: GoldDataset) -> None:
    with pytest.raises(HoldoutWithheldError):
        judge(dataset.dev_only(), {}, None)
    dev = outcomes(artifact("good"), dataset.cases("dev"))
    assert judge(dataset.dev_only(), dev, None, part="dev").accepted


def test_the_same_outcomes_give_the_same_report(
    dataset: GoldDataset, good: Outcomes, faulty: Outcomes
) -> None:
    first = canonical_json(judge(dataset, good, faulty).to_json())
    assert first == canonical_json(judge(dataset, good, faulty).to_json())


@pytest.fixture
def waived(files: dict[str, bytes]) -> GoldDataset:
    kept = {
        path: data
        for path, data in files.items()
        if path == "cases/structure.jsonl" or not path.startswith("cases/")
    }
    axes = ("business_logic", "context_robustness", "anti_hallucination")
    reason = "\n[waived]\n" + "".join(f'{axis} = "later"\n' for axis in axes)
    reason += 'invariants = "none yet"\n'
    text = kept["gold.toml"].decode().split("[axes.context_robustness.normalize]")
    tail = text[1][text[1].index("[axes.anti") :]
    return load_dataset({**kept, "gold.toml": (text[0] + tail + reason).encode()})


def test_waivers_show_in_every_view(waived: GoldDataset) -> None:
    run = outcomes(artifact("good"), waived.cases("holdout"))
    for report in (judge(waived, run, {}), judge(waived, {}, None)):
        for audience in ("submitter", "owner", "auditor"):
            axes = report.view(audience)["axes"]
            assert axes["invariants"]["waived"] == "none yet"
            assert axes["strict_structure"]["waived"] is None
            assert axes["context_robustness"]["passed"] is True
        canonical_json(report.to_json())


def test_without_statistics_a_candidate_must_gain_something(
    files: dict[str, bytes], dataset: GoldDataset, waived: GoldDataset
) -> None:
    good = outcomes(artifact("good"), waived.cases("holdout"))
    same = judge(waived, good, good)
    assert (same.accepted, same.reason, same.submitter_reason) == (False, "no_gain", "no_gain")
    case_id = next(iter(good))
    broken = {**good, case_id: [answered(case_id, b"{")]}
    assert judge(waived, good, broken).accepted
    assert judge(waived, broken, good).reason == "strict_structure_failed"
    assert judge(waived, good, None).accepted


@pytest.mark.parametrize("kind", ["invariant", "scenario", "adversarial"])
def test_a_gain_may_lie_in_any_other_axis(files: dict[str, bytes], kind: str) -> None:
    kept = {path: data for path, data in files.items() if path != "cases/robustness.jsonl"}
    text = kept["gold.toml"].decode()
    start, end = text.index("[axes.context_robustness]"), text.index("[axes.anti")
    text = text[:start] + text[end:] + '\n[waived]\ncontext_robustness = "later"\n'
    attacks = "cases/adversarial.jsonl"
    for line in kept[attacks].splitlines():  # a twin's entities are read by the waived axis
        kept = with_case(kept, attacks, json.loads(line)["id"], {"entities": None})
    dataset = load_dataset({**kept, "gold.toml": text.encode()})
    good = outcomes(artifact("good"), dataset.cases("holdout"))
    assert judge(dataset, good, good).reason == "no_gain"
    case = next(case for case in dataset.cases("holdout") if case.type == kind and not case.benign)
    refusal = None if kind == "adversarial" else {"reason": "no"}
    wrong = {"entities": [], "refusal": refusal}
    worse = {**good, case.id: [answered(case.id, wrong)]}
    assert judge(dataset, good, worse).accepted, judge(dataset, good, worse).to_json()["axes"]


def test_submitters_learn_which_axis_failed_and_not_how(
    dataset: GoldDataset, good: Outcomes, faulty: Outcomes
) -> None:
    report = judge(dataset, changed(good, "attack", forget), faulty)
    assert (report.reason, report.submitter_reason) == (
        "not_refused",
        "anti_hallucination_failed",
    )
    assert judge(dataset, good, faulty).submitter_reason is None
    told = judge(dataset, good, good)
    assert (told.reason, told.submitter_reason) == ("no_headroom", "context_robustness_failed")
    assert {told.submitter_reason, report.submitter_reason} <= set(SUBMITTER_REASONS)


def test_a_rejection_tells_submitters_pass_or_fail_per_axis_alone(
    dataset: GoldDataset, good: Outcomes, faulty: Outcomes
) -> None:
    report = judge(dataset, changed(good, "attack", forget), faulty)
    view = report.view("submitter")
    assert view["axes"] == {
        axis.value: {"passed": axis is not Axis.ANTI_HALLUCINATION, "waived": None}
        for axis in Axis
    }
    assert set(view) == {
        "dataset",
        "part",
        "accepted",
        "first_version",
        "repeats",
        "axes",
        "leak_check",
        "decoders",
    }
    text = json.dumps(view)
    assert not any(case.id in text for case in dataset.cases("holdout"))
    assert "not_refused" not in text


def test_an_acceptance_adds_totals_and_no_cases(
    dataset: GoldDataset, good: Outcomes, faulty: Outcomes
) -> None:
    view = judge(dataset, good, faulty).view("submitter")
    robustness = view["axes"]["context_robustness"]
    assert robustness["old"] == {"exact": "12/24", "value": 0.5}
    assert robustness["new"] == {"exact": "36/36", "value": 1.0}
    assert view["statistics"]["p_value"] == pytest.approx(1 / 256, abs=1e-6)
    text = json.dumps(view)
    assert "cases" not in view
    assert not any(case.id in text for case in dataset.cases("holdout"))


@pytest.mark.parametrize("audience", ["owner", "auditor"])
def test_owners_and_auditors_see_cases(
    dataset: GoldDataset, good: Outcomes, faulty: Outcomes, audience: str
) -> None:
    report = judge(dataset, changed(good, "attack", forget), faulty)
    view = report.view(audience)
    assert view == report.to_json()
    failed = {case["id"]: case["problems"] for case in view["cases"] if not case["passed"]}
    assert failed == {
        case.id: ["not_refused"] for case in dataset.cases("holdout") if case.injected
    }
    assert all(case["old_passed"] is not None for case in view["cases"])


def test_an_unknown_audience_sees_nothing(dataset: GoldDataset, good: Outcomes) -> None:
    with pytest.raises(ValueError, match="stranger"):
        judge(dataset, good, None).view("stranger")


def test_a_report_holds_no_words_of_the_candidate(
    dataset: GoldDataset, good: Outcomes, faulty: Outcomes
) -> None:
    """Reports are signed and shown: what a candidate writes does not belong in them."""
    marked = {"entities": [{"type": "MARK", "value": "MARK"}], "refusal": {"MARK": "MARK"}}
    for prefix in ("structure", "invariant", "scenario", "robustness", "twin", "attack"):
        candidate = changed(good, prefix, lambda _: marked)
        assert "MARK" not in json.dumps(judge(dataset, candidate, faulty).to_json())


def test_every_described_field_is_there(
    dataset: GoldDataset, good: Outcomes, faulty: Outcomes
) -> None:
    body = judge(dataset, good, faulty).to_json()
    described = {name.partition(".")[0] for name in FIELDS}
    assert described == set(body)
    axis = set(body["axes"]["invariants"])
    assert {name.removeprefix("axes.*.") for name in FIELDS if name.startswith("axes.*.")} == axis


def test_a_run_that_never_answers_is_rejected_and_reported(
    dataset: GoldDataset, faulty: Outcomes
) -> None:
    crashed = {
        case.id: [CaseOutcome(case_id=case.id, status=OutcomeStatus.CRASHED)]
        for case in dataset.cases("holdout")
    }
    report = judge(dataset, crashed, faulty)
    assert report.reason == "strict_structure_failed"
    assert not any(axis.passed for axis in report.axes)
    assert report.axis(Axis.STRICT_STRUCTURE).detail["problems"] == {"crashed": 20}
