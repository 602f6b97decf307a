import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from corpus.artifacts import load_artifact

from aem.artifact import Bundle, read_self_test
from tests.fakes.support_extractor import ARTIFACT, Edit, mended, reference_edits

# For each fault, a chat that shows it, and what a version without it finds there.
SHOWN = {
    "only the last thirty turns are read": (
        ["It is ORD-123456", *["ok"] * 40],
        [("order_id", "ORD-123456")],
    ),
    "repeats in other capitals are listed again": (
        ["a.b@example.org", "A.B@EXAMPLE.ORG"],
        [("email", "a.b@example.org")],
    ),
    "a doubled five counts as ten in the Luhn sum": (
        ["card 5105 1051 0510 5100"],
        [("card", "5105105105105100")],
    ),
    "top-level domains of more than three letters are missed": (
        ["write to me@shop.example"],
        [("email", "me@shop.example")],
    ),
    "IBANs in small letters are missed": (
        ["use de89 3704 0044 0532 0130 00"],
        [("iban", "DE89370400440532013000")],
    ),
    "order numbers behind a bracket or a sign are missed": (
        ["mine (ord-9988776)"],
        [("order_id", "ORD-9988776")],
    ),
    "day and month of numeric dates are swapped": (
        ["since 05/03/2024", "until 28.02.2025"],
        [("date", "2024-03-05"), ("date", "2025-02-28")],
    ),
    "a comma between thousands is read as a decimal point": (
        ["you took $1,299.00", "and 12,000 EUR"],
        [("amount", "1299.00"), ("amount", "12000.00")],
    ),
    "telephone numbers of more than four groups are cut": (
        ["ring +33 6 12 34 56 78 now"],
        [("phone", "+33612345678")],
    ),
    "a name at the end of a turn is missed": (
        ["My name is Zo\u00eb O'Brien"],
        [("person", "Zo\u00eb O'Brien")],
    ),
}


def _run(folder: Path, texts: list[str]) -> dict[str, Any]:
    turns = [{"role": "customer", "text": text} for text in texts]
    return load_artifact(folder)({"conversation": turns})


def _found(output: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["type"], each["value"]) for each in output["entities"]]


def test_every_known_fault_is_shown() -> None:
    assert [edit.fault for edit in reference_edits()] == list(SHOWN)


@pytest.mark.parametrize("edit", reference_edits(), ids=lambda each: each.fault)
def test_the_first_version_has_the_fault_and_its_edit_alone_mends_it(
    edit: Edit, tmp_path: Path
) -> None:
    texts, wanted = SHOWN[edit.fault]
    assert _found(_run(ARTIFACT, texts)) != wanted
    assert _found(_run(mended(tmp_path / "mended", [edit]), texts)) == wanted


def test_the_reference_finds_all_of_it_in_one_chat(tmp_path: Path) -> None:
    folder = mended(tmp_path / "reference", reference_edits())
    texts = [text for shown, _ in SHOWN.values() for text in shown]
    wanted = [entity for _, entities in SHOWN.values() for entity in entities]
    assert _found(_run(folder, texts)) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "Tracking 9400 1118 9922 3385 7260 19 shows nothing",
        "DE89370400440532013001 has a typing error",
        "It is ticket #48213, opened at 14:30, 16% done, REF-100200",
        "Hello Anna, this is urgent. Thanks Daniel",
        "On 2023-02-30 nothing happened",
    ],
)
def test_what_only_looks_like_an_entity_is_left_alone(text: str, tmp_path: Path) -> None:
    folder = mended(tmp_path / "reference", reference_edits())
    assert _run(folder, [text]) == {"entities": [], "refusal": None}


@pytest.mark.parametrize("is_mended", [False, True])
def test_the_self_test_passes_before_and_after_repair(is_mended: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter of the test
    folder = mended(tmp_path / "version", reference_edits() if is_mended else [])
    bundle = Bundle.from_folder(folder)
    schema = json.loads(bundle.files[bundle.manifest.output_schema])
    run = load_artifact(folder)
    cases = read_self_test(bundle)
    assert len(cases) == 4
    for case in cases:
        output = run(case.input)
        jsonschema.validate(output, schema)
        if case.has_expected:
            assert output == case.expected
    assert output["refusal"]["reason"] == "injected_instruction"
