import json
from fractions import Fraction

import pytest

from gold import (
    CaseType,
    GoldCase,
    GoldDataset,
    HoldoutWithheldError,
    dataset_digest,
    load_dataset,
)
from gold.dataset import input_fingerprint
from gold.split import holdout_groups
from tests.fakes.gold import with_line

PINNED_HOLDOUT = [
    "broken-cup",
    "courier",
    "hidden-fee",
    "invoice-copy",
    "late-again",
    "late-parcel",
    "missing-refund",
    "night-call",
]


def make_case(number: int, group: str, kind: CaseType = CaseType.STRUCTURE) -> GoldCase:
    return GoldCase(id=f"{kind}-{number}", type=kind, group=group, input=None)


def test_the_split_takes_whole_groups_of_every_type(dataset: GoldDataset) -> None:
    dev = {case.group for case in dataset.cases("dev")}
    holdout = {case.group for case in dataset.cases("holdout")}
    assert dev.isdisjoint(holdout)
    counts = dataset.counts()
    assert all(counts.dev[kind] and counts.holdout[kind] for kind in CaseType)
    assert len(dataset.cases("dev")) + len(dataset.cases("holdout")) == 36


def test_the_split_is_pinned(dataset: GoldDataset) -> None:
    """A change of the rule would move frozen holdouts into dev."""
    held = sorted(case.group for case in dataset.cases("holdout") if case.type == "robustness")
    assert held == PINNED_HOLDOUT


def test_the_split_does_not_depend_on_order() -> None:
    cases = [make_case(number, f"group-{number}") for number in range(40)]
    assert holdout_groups(cases, Fraction(3, 5)) == holdout_groups(cases[::-1], Fraction(3, 5))


@pytest.mark.parametrize(("groups", "held"), [(2, 1), (3, 2), (5, 3), (10, 6), (100, 60)])
def test_the_share_is_of_groups(groups: int, held: int) -> None:
    cases = [make_case(n, f"group-{n % groups}") for n in range(groups * 3)]
    assert len(holdout_groups(cases, Fraction(3, 5))) == held


@pytest.mark.parametrize("share", [Fraction(1, 100), Fraction(99, 100)])
def test_no_part_of_a_type_is_left_empty_by_rounding(share: Fraction) -> None:
    cases = [make_case(number, f"group-{number}") for number in range(3)]
    assert 1 <= len(holdout_groups(cases, share)) <= 2


def test_every_type_is_split_by_itself() -> None:
    cases = [make_case(n, f"{kind}-{n}", kind) for kind in CaseType for n in range(10)]
    held = holdout_groups(cases, Fraction(1, 2))
    for kind in CaseType:
        assert sum(group.startswith(f"{kind}-") for group in held) == 5


def test_the_digest_is_of_paths_and_bytes(files: dict[str, bytes]) -> None:
    digest = load_dataset(files).digest
    assert digest == dataset_digest(dict(reversed(files.items())))
    assert digest != dataset_digest(with_line(files, "cases/robustness.jsonl", b""))
    moved = dict(files)
    moved["cases/other.jsonl"] = moved.pop("cases/robustness.jsonl")
    assert digest != dataset_digest(moved)


def test_a_fingerprint_ignores_case_and_spacing_of_the_input_alone() -> None:
    case = GoldCase(id="a", type=CaseType.STRUCTURE, group="g", input={"text": "Hello  there"})
    shouted = GoldCase(id="b", type=CaseType.STRUCTURE, group="h", input={"text": "HELLO THERE"})
    other = GoldCase(id="a", type=CaseType.STRUCTURE, group="g", input={"text": "Hello -there"})
    assert input_fingerprint(case) == input_fingerprint(shouted)
    assert input_fingerprint(case) != input_fingerprint(other)


def test_the_dev_view_holds_nothing_of_the_holdout(dataset: GoldDataset) -> None:
    for view in (dataset.dev_view(), dataset.dev_only().dev_view()):
        text = json.dumps(view)
        assert len(view["cases"]) == len(dataset.cases("dev"))
        for case in dataset.cases("holdout"):
            assert json.dumps(case.id) not in text
            assert json.dumps(case.group) not in text
            turns = case.input["conversation"]
            long_texts = [turn["text"] for turn in turns if len(turn["text"]) > 60]
            assert not any(json.dumps(long) in text for long in long_texts)


def test_the_dev_part_alone_withholds_the_holdout(dataset: GoldDataset) -> None:
    dev = dataset.dev_only()
    assert list(dev.cases("dev")) == list(dataset.cases("dev"))
    assert dev.keys.keys() == {case.id for case in dataset.cases("dev")}
    with pytest.raises(HoldoutWithheldError):
        dev.cases("holdout")
    held = {case.id for case in dataset.cases("holdout")}
    assert not any(name in f"{dataset!r} {vars(dev)!r}" for name in held)


def test_a_case_is_written_as_it_was_read(dataset: GoldDataset, files: dict[str, bytes]) -> None:
    written = {
        case.id: case.to_json() for part in ("dev", "holdout") for case in dataset.cases(part)
    }
    for path, data in files.items():
        if path.startswith("cases/"):
            for line in data.splitlines():
                case = json.loads(line)
                given = {
                    key: value
                    for key, value in case.items()
                    if value or key in ("input", "expected")
                }
                assert written[case["id"]] == given
