"""Candidates that quote gold are found however they quote it; honest ones are not."""

import base64
import json
import random
from collections import Counter

import pytest

from aem.artifact import Bundle
from gold import MAX_DEMONSTRATIONS, GoldCase, GoldDataset, LeakCheck, check_leaks, load_dataset
from gold.leakage import TEMPLATE_GROUPS, view_leak_check
from tests.fakes.bundles import MANIFEST
from tests.fakes.gold import DATA, gold_files, with_line
from tests.fakes.prompts import prompt_files

WORDS = [
    "parcel", "garden", "window", "orange", "castle", "violin", "pepper", "sailor", "meadow",
    "copper", "ladder", "winter", "pocket", "rocket", "saddle", "tunnel", "velvet", "walnut",
]  # fmt: skip
TEMPLATE = "Thank you for writing to us, one of my colleagues will look into your case at once."
CASES = 60


def story(number: int) -> str:
    """Ten words that stand together in no other case."""
    rng = random.Random(number)
    return " ".join(rng.choices(WORDS, k=12)) + f" {number}"


@pytest.fixture(scope="module")
def dataset() -> GoldDataset:
    files = gold_files()
    for number in range(CASES):
        turns = [{"role": "user", "text": story(number)}, {"role": "agent", "text": TEMPLATE}]
        case = {
            "id": f"story-{number}",
            "type": "structure",
            "group": f"story-{number}",
            "input": {"conversation": turns},
        }
        files = with_line(files, "cases/structure.jsonl", json.dumps(case).encode())
    return load_dataset(files)


def stories(dataset: GoldDataset, part: str) -> list[GoldCase]:
    return [case for case in dataset.cases(part) if case.id.startswith("story-")]


@pytest.fixture(scope="module")
def secret(dataset: GoldDataset) -> str:
    return str(stories(dataset, "holdout")[0].input["conversation"][0]["text"])


def program(source: str = "", **files: bytes) -> Bundle:
    code = source + "\n\ndef run(value, context):\n    return {'entities': []}\n"
    contents = {
        "artifact.toml": MANIFEST.replace("[self_test]\n", "")
        .replace('cases = "self_test.jsonl"\n', "")
        .encode(),
        "echo.py": code.encode(),
        "schema/input.json": b"{}",
        "schema/output.json": b"{}",
    }
    return Bundle({**contents, **files})


def check(dataset: GoldDataset, candidate: Bundle, incumbent: Bundle | None = None) -> LeakCheck:
    return check_leaks(dataset, candidate, incumbent=incumbent)


def split(text: str) -> str:
    return "[" + ", ".join(repr(text[i : i + 7]) for i in range(0, len(text), 7)) + "]"


DISGUISES = {
    "verbatim": lambda text: f"TABLE = {{{text!r}: 1}}",
    "as a comment": lambda text: f"# {text}",
    "in other capitals": lambda text: f"X = {text.upper()!r}",
    "with other spacing": lambda text: "X = '''" + text.replace(" ", "\n   ") + "'''",
    "without spaces": lambda text: f"X = {text.replace(' ', '_')!r}",
    "escaped": lambda text: "X = '" + "".join(f"\\x{ord(c):02x}" for c in text) + "'",
    "in pieces": lambda text: f"X = ''.join({split(text)})",
    "added up": lambda text: "X = " + " + ".join(split(text)[1:-1].split(", ")),
    "one word a line": lambda text: (
        "X = [\n" + "".join(f"    {w!r},\n" for w in text.split()) + "]"
    ),
    "added line by line": lambda text: (
        "X = ''" + "".join(f"\nX += {piece}" for piece in split(text)[1:-1].split(", "))
    ),
    "as bytes": lambda text: f"X = {text.encode()!r}",
    "in code that is no Python": lambda text: f"def (:\n'{text}'",
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_quoted_holdout_case_is_a_leak(dataset: GoldDataset, secret: str, disguise: str) -> None:
    found = check(dataset, program(DISGUISES[disguise](secret)))
    assert not found.accepted
    assert found.reason == "gold_leak"
    assert [leak.case_id for leak in found.holdout] == [stories(dataset, "holdout")[0].id]


def test_a_json_file_is_read_as_well(dataset: GoldDataset, secret: str) -> None:
    table = json.dumps({"\u00e9": [{"q": secret}]}, indent=4).encode()
    found = check(dataset, program(**{"data/table.json": table}))
    assert [leak.path for leak in found.holdout] == ["data/table.json"]


def test_a_table_of_short_cases_is_a_long_run(dataset: GoldDataset) -> None:
    texts = [case.input["conversation"] for case in stories(dataset, "holdout")]
    halves = [turns[0]["text"][:30] for turns in texts]
    assert check(dataset, program(f"X = {halves!r}")).accepted
    table = {turns[0]["text"]: turns[1]["text"] for turns in texts}
    assert len(check(dataset, program(f"X = {table!r}")).holdout) == len(texts)


def test_submitters_learn_only_that_the_holdout_was_quoted(
    dataset: GoldDataset, secret: str
) -> None:
    case = stories(dataset, "holdout")[0]
    figures = check(dataset, program(f"X = {secret!r}")).figures()
    assert figures["holdout"]["leaks"][0]["case_id"] == case.id
    shown = view_leak_check(figures)
    assert shown["holdout"] == {"passed": False}
    assert case.id not in json.dumps(shown)


def test_dev_cases_in_a_program_are_memorizing(dataset: GoldDataset) -> None:
    case = stories(dataset, "dev")[0]
    found = check(dataset, program(f"X = {json.dumps(case.input)}"))
    assert (found.accepted, found.holdout) == (False, ())
    leaks = view_leak_check(found.figures())["dev"]["leaks"]
    assert [leak["case_id"] for leak in leaks] == [case.id]


def prompt(demonstrations: int, dataset: GoldDataset, extra: str = "") -> Bundle:
    shots = [json.dumps(case.input) for case in stories(dataset, "dev")[:demonstrations]]
    return Bundle({**prompt_files(), "notes.txt": "\n".join([*shots, extra]).encode()})


def test_a_prompt_may_show_some_dev_cases(dataset: GoldDataset, secret: str) -> None:
    assert len(stories(dataset, "dev")) > MAX_DEMONSTRATIONS
    most = prompt(MAX_DEMONSTRATIONS, dataset)
    assert check(dataset, most).accepted
    more = prompt(MAX_DEMONSTRATIONS + 1, dataset)
    assert not check(dataset, more).accepted
    assert not check(dataset, more, incumbent=most).accepted
    assert check(dataset, more, incumbent=more).accepted
    assert not check(dataset, prompt(1, dataset, extra=secret)).accepted


def test_what_the_incumbent_says_is_no_leak(dataset: GoldDataset, secret: str) -> None:
    incumbent = program(f"X = {secret!r}")
    assert check(dataset, program(f"Y = [{secret!r}]  # new"), incumbent).accepted
    other = stories(dataset, "holdout")[1].input["conversation"][0]["text"]
    assert not check(dataset, program(f"X = {other!r}"), incumbent).accepted


def test_what_dev_says_too_is_no_secret_of_the_holdout() -> None:
    files = gold_files()
    for number in range(40):
        pair = story(number % 20)  # each story in two groups, often one on each side
        case = {"id": f"p{number}", "type": "structure", "group": f"p{number}"}
        case["input"] = {"conversation": [{"role": "user", "text": f"{pair} {number}"}]}
        files = with_line(files, "cases/structure.jsonl", json.dumps(case).encode())
    dataset = load_dataset(files)
    told = {
        part: {int(case.id[1:]) % 20 for case in dataset.cases(part) if case.id[0] == "p"}
        for part in ("dev", "holdout")
    }
    shared = min(told["dev"] & told["holdout"])
    found = check(dataset, program(f"X = {story(shared)!r}"))
    assert (found.holdout, [leak.path for leak in found.dev]) == ((), ["echo.py"])


def test_whether_dev_text_is_a_template_says_nothing_of_the_holdout() -> None:
    files = gold_files()
    for number in range(60):
        case = {"id": f"t{number}", "type": "structure", "group": f"t{number}"}
        text = f"{story(number % 15)} {number}"  # each story in four groups
        case["input"] = {"conversation": [{"role": "user", "text": text}]}
        files = with_line(files, "cases/structure.jsonl", json.dumps(case).encode())
    dataset = load_dataset(files)
    told = Counter(int(case.id[1:]) % 15 for case in dataset.cases("dev") if case.id[1:].isdigit())
    rare = next(number for number, groups in sorted(told.items()) if groups < TEMPLATE_GROUPS)
    often = next(number for number, groups in sorted(told.items()) if groups >= TEMPLATE_GROUPS)
    assert not check(dataset, program(f"X = {story(rare)!r}")).accepted
    assert check(dataset, program(f"X = {story(often)!r}")).accepted


def test_a_template_of_many_cases_is_nobodys_secret(dataset: GoldDataset) -> None:
    assert check(dataset, program(f"GREETING = {TEMPLATE!r}")).accepted


@pytest.mark.parametrize(
    "source",
    [
        "import string\nX = string.ascii_letters",
        "X = 'abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz0123456789'",
        "X = " + "0" * 200,
    ],
)
def test_alphabets_and_rows_of_zeros_are_no_secrets(source: str) -> None:
    value = {"text": source}
    files = gold_files()
    for number in range(2):  # in more groups it would be a template
        case = {"id": f"n{number}", "type": "structure", "group": f"n{number}"}
        case["input"] = {**value, "conversation": story(number)}
        files = with_line(files, "cases/structure.jsonl", json.dumps(case).encode())
    assert check(load_dataset(files), program(source)).accepted


@pytest.mark.parametrize("name", ["artifact-good", "artifact-faulty"])
def test_honest_programs_quote_nothing(name: str) -> None:
    bundle = Bundle.from_folder(DATA / name)
    found = check(load_dataset(gold_files()), bundle)
    assert found.accepted
    assert found.dev == ()


def test_what_is_out_of_reach(dataset: GoldDataset, secret: str) -> None:
    """Documented: encoded text, hashes, and runs that are too short."""
    encoded = base64.b64encode(secret.encode()).decode()
    hashes = [hash(case.id) for case in stories(dataset, "holdout")]
    for source in (f"X = {encoded!r}", f"X = {hashes!r}", f"X = {secret[:40]!r}"):
        assert check(dataset, program(source)).accepted
