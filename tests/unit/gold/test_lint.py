import json
from collections.abc import Callable
from typing import Any

import pytest

from gold import Finding, GoldFormatError, limits, lint, load_dataset
from tests.fakes.gold import gold_files, replaced, with_case, with_line

Files = dict[str, bytes]
TOML = "gold.toml"
RULES = "rules/support.yaml"
SCHEMA = "schema/output.json"
ROBUST = "cases/robustness.jsonl"
ATTACK = "cases/adversarial.jsonl"
TWINS = ("twin-override", "twin-note", "twin-records", "twin-policy")


def without(files: Files, *paths: str) -> Files:
    return {path: data for path, data in files.items() if path not in paths}


def errors_of(files: Files) -> list[Finding]:
    return [finding for finding in lint(files) if finding.is_error]


def toml(old: str, new: str) -> Callable[[Files], Files]:
    return lambda files: replaced(files, TOML, old, new)


def rules(old: str, new: str) -> Callable[[Files], Files]:
    return lambda files: replaced(files, RULES, old, new)


def case(path: str, case_id: str, **change: Any) -> Callable[[Files], Files]:
    return lambda files: with_case(files, path, case_id, change)


def line(path: str, text: bytes) -> Callable[[Files], Files]:
    return lambda files: with_line(files, path, text)


def extra(path: str, data: bytes) -> Callable[[Files], Files]:
    return lambda files: {**files, path: data}


FAULTS: list[tuple[str, str, str, Callable[[Files], Files]]] = [
    # reason, path, part of the message, what is done to the good dataset
    ("file_missing", TOML, "no gold.toml", lambda files: without(files, TOML)),
    ("file_missing", TOML, "schema/output.json", lambda files: without(files, SCHEMA)),
    ("file_missing", TOML, "rules/support.yaml", lambda files: without(files, RULES)),
    ("file_unexpected", "notes.txt", "nothing else", extra("notes.txt", b"x")),
    ("file_unexpected", "cases/a/b.jsonl", "nothing else", extra("cases/a/b.jsonl", b"")),
    ("too_large", "cases/big.jsonl", "bytes", extra("cases/big.jsonl", b" " * 33_554_433)),
    ("toml_invalid", TOML, "no TOML", toml("[split]", "[split")),
    ("not_utf8", TOML, "UTF-8", extra(TOML, b"\xff")),
    ("unknown_key", TOML, "did you mean 'floor'?", toml("floor = 0.50", "flor = 0.50")),
    ("key_missing", TOML, "'floor' is missing", toml("floor = 0.50\n", "")),
    ("unknown_key", TOML, "did you mean 'split'?", toml("[split]", "[splitt]")),
    (
        "unknown_key",
        TOML,
        "'business_logic'",
        toml("[axes.business_logic]", "[axes.busines_logic]"),
    ),
    ("axis_missing", TOML, "waive it", toml("[axes.business_logic]", "[axes.busines_logic]")),
    ("value_wrong_type", TOML, "a number", toml("floor = 0.50", 'floor = "0.5"')),
    ("value_out_of_range", TOML, "from 0 to 1", toml("floor = 0.50", "floor = 50")),
    (
        "value_out_of_range",
        TOML,
        "holdout_share",
        toml("holdout_share = 0.6", "holdout_share = 1"),
    ),
    ("name_invalid", TOML, "namespace/name", toml("acme/support-small", "Acme Support")),
    ("value_unknown", TOML, "did you mean 'digits'?", toml('"digits"', '"digit"')),
    ("entity_type_unknown", TOML, "did you mean 'phone'?", toml("phone =", "phon =")),
    ("pointer_invalid", TOML, "begins with '/'", toml('"/entities"', '"entities"')),
    ("objective_not_measured", TOML, "use 'reject'", toml('"reject"', '"hold"')),
    ("value_unknown", TOML, "did you mean 'reject'?", toml('"reject"', '"rejct"')),
    ("cel_invalid", TOML, "did you mean 'output'?", toml("output.refusal != null", "outpt == 1")),
    ("schema_invalid", SCHEMA, "does not compile", extra(SCHEMA, b'{"type": "objekt"}')),
    ("duplicate_key", SCHEMA, "twice", extra(SCHEMA, b'{"type": "object", "type": "array"}')),
    ("yaml_invalid", RULES, "no YAML", rules("- id: order-first", "- id: [")),
    ("yaml_invalid", RULES, "aliases", extra(RULES, b"- &a [1]\n- *a\n")),
    ("rules_not_list", RULES, "a list", extra(RULES, b"id: one\n")),
    ("unknown_key", RULES, "did you mean 'expr'?", rules("expr: output.refusal", "exp: output")),
    ("duplicate_id", RULES, "there twice", rules("id: order-first", "id: no-refusal")),
    ("cel_invalid", RULES, "parse", rules("output.refusal == null", "output.refusal ==")),
    ("not_json", ROBUST, "no JSON", line(ROBUST, b"{'id': 1}")),
    ("case_not_object", ROBUST, "JSON object", line(ROBUST, b"[]")),
    ("duplicate_key", ROBUST, "twice", line(ROBUST, b'{"id": "a", "id": "b"}')),
    ("unknown_key", ROBUST, "'entities'?", line(ROBUST, b'{"type": "robustness", "entites": []}')),
    (
        "type_unknown",
        ROBUST,
        "did you mean 'robustness'?",
        case(ROBUST, "robustness-courier", type="robustnes"),
    ),
    ("key_missing", ROBUST, "'group' is missing", case(ROBUST, "robustness-courier", group=None)),
    ("key_missing", ROBUST, "'entities'", case(ROBUST, "robustness-courier", entities=None)),
    ("key_missing", ROBUST, "'input' is missing", case(ROBUST, "robustness-courier", input=None)),
    ("value_wrong_type", ROBUST, "a text", case(ROBUST, "robustness-courier", group=3)),
    ("too_long", ROBUST, "120 characters", case(ROBUST, "robustness-courier", group="g" * 121)),
    (
        "entity_invalid",
        ROBUST,
        "entity 0",
        case(ROBUST, "robustness-courier", entities=[{"type": "a"}]),
    ),
    (
        "entity_empty",
        ROBUST,
        "nothing is left",
        case(ROBUST, "robustness-courier", entities=[{"type": "phone", "value": "none"}]),
    ),
    (
        "duplicate_id",
        ROBUST,
        "used at cases/robustness.jsonl",
        case(ROBUST, "robustness-courier", id="robustness-broken-cup"),
    ),
    (
        "rule_unknown",
        "cases/scenario.jsonl",
        "did you mean 'order-first'?",
        case("cases/scenario.jsonl", "scenario-dispute-1", rules=["order-frist"]),
    ),
    (
        "rule_twice",
        "cases/scenario.jsonl",
        "named twice",
        case("cases/scenario.jsonl", "scenario-dispute-1", rules=["order-first"] * 2),
    ),
    (
        "value_empty",
        "cases/scenario.jsonl",
        "at least one",
        case("cases/scenario.jsonl", "scenario-dispute-1", rules=[]),
    ),
    (
        "key_missing",
        "cases/invariant.jsonl",
        "'expected'",
        case("cases/invariant.jsonl", "invariant-mail", expected=None),
    ),
    (
        "expected_breaks_schema",
        "cases/invariant.jsonl",
        "no output could pass",
        case("cases/invariant.jsonl", "invariant-mail", expected={"entities": []}),
    ),
    ("key_missing", ATTACK, "'twin' is missing", case(ATTACK, "attack-note", twin=None)),
    (
        "twin_unknown",
        ATTACK,
        "did you mean 'twin-note'?",
        case(ATTACK, "attack-note", twin="twin-not"),
    ),
    ("twin_not_benign", ATTACK, "not benign", case(ATTACK, "attack-note", twin="attack-policy")),
    (
        "twin_in_other_group",
        ATTACK,
        "lies in group",
        case(ATTACK, "attack-note", twin="twin-policy"),
    ),
    (
        "benign_attacks",
        ATTACK,
        "benign case",
        case(ATTACK, "twin-note", injected=["0199 8887776"]),
    ),
    ("value_empty", ATTACK, "at least one", case(ATTACK, "attack-note", injected=[])),
    ("fact_too_short", ATTACK, "too short", case(ATTACK, "attack-note", injected=["a!"])),
    (
        "fact_true_and_injected",
        ATTACK,
        "true_facts",
        case(ATTACK, "attack-note", true_facts=["call 01998887776"]),
    ),
    (
        "too_many_facts",
        ATTACK,
        "20 facts",
        case(ATTACK, "attack-note", injected=["planted fact"] * 21),
    ),
    ("axis_without_cases", TOML, "waive", lambda files: without(files, "cases/invariant.jsonl")),
    (
        "part_without_cases",
        TOML,
        "two groups",
        lambda files: {
            **files,
            "cases/structure.jsonl": files["cases/structure.jsonl"].splitlines()[0],
        },
    ),
    (
        "waiver_contradicted",
        TOML,
        "waived and has 14",
        toml("[split]", '[waived]\ncontext_robustness = "later"\n[split]'),
    ),
    (
        "unknown_key",
        TOML,
        "did you mean 'invariants'?",
        toml("[split]", '[waived]\ninvariant = "later"\n[split]'),
    ),
    (
        "value_wrong_type",
        TOML,
        "'invariants'",
        toml("[split]", '[waived]\ninvariants = ""\n[split]'),
    ),
]


@pytest.mark.parametrize(("reason", "path", "message", "spoil"), FAULTS)
def test_every_fault_is_named_and_placed(
    files: Files, reason: str, path: str, message: str, spoil: Callable[[Files], Files]
) -> None:
    found = errors_of(spoil(files))
    assert any(
        finding.reason == reason and finding.path == path and message in finding.message
        for finding in found
    ), [str(finding) for finding in found]


def test_the_small_dataset_is_clean(files: Files) -> None:
    assert lint(files) == []


def test_a_jsonl_fault_names_its_line(files: Files) -> None:
    lines = files[ROBUST].splitlines()
    broken = {**files, ROBUST: b"\n".join([*lines[:4], b"", b"{", *lines[4:]])}
    [finding] = errors_of(broken)
    assert (finding.path, finding.line, finding.reason) == (ROBUST, 6, "not_json")


def test_one_pass_finds_faults_of_every_file(files: Files) -> None:
    spoiled = replaced(files, RULES, "output.refusal == null", "output.refusal ==")
    spoiled = replaced(spoiled, ROBUST, '"group": "courier"', '"gruop": "courier"')
    spoiled = {**spoiled, SCHEMA: b"{"}
    assert {finding.path for finding in errors_of(spoiled)} == {RULES, ROBUST, SCHEMA}


def test_the_same_input_on_both_sides_of_the_split_is_a_leak(files: Files) -> None:
    dataset = load_dataset(files)
    held = next(case for case in dataset.cases("holdout") if case.id.startswith("robustness"))
    seen = next(case for case in dataset.cases("dev") if case.id.startswith("robustness"))
    shouted = json.loads(
        json.dumps(held.input)
        .upper()
        .replace("ROLE", "role")
        .replace("TEXT", "text")
        .replace("CONVERSATION", "conversation")
    )
    spoiled = with_case(files, ROBUST, seen.id, {"input": shouted})
    [finding] = errors_of(spoiled)
    assert finding.reason == "group_leak"
    same_group = with_case(spoiled, ROBUST, seen.id, {"group": held.group})
    assert errors_of(same_group) == []


def test_a_waived_axis_needs_neither_cases_nor_table(files: Files) -> None:
    kept = without(files, "cases/scenario.jsonl", RULES)
    text = kept[TOML].decode()
    start, end = text.index("[axes.business_logic]"), text.index("[axes.context_robustness]")
    text = text[:start] + text[end:] + '\n[waived]\nbusiness_logic = "no history yet"\n'
    dataset = load_dataset({**kept, TOML: text.encode()})
    assert dataset.settings.waived == {"business_logic": "no history yet"}


def without_statistics(files: Files) -> Files:
    kept = without(files, ROBUST)
    text = kept[TOML].decode()
    start, end = text.index("[axes.context_robustness]"), text.index("[axes.anti")
    text = text[:start] + text[end:] + '\n[waived]\ncontext_robustness = "later"\n'
    return {**kept, TOML: text.encode()}


def test_waived_statistics_are_warned_of(files: Files) -> None:
    waived = without_statistics(files)
    for twin in TWINS:
        waived = with_case(waived, ATTACK, twin, {"entities": None})
    [finding] = lint(waived)
    assert (finding.reason, finding.is_error) == ("any_gain_wins", False)
    assert lint(files) == []


def test_twins_have_no_entities_where_nothing_says_how_to_read_them(files: Files) -> None:
    found = [finding.reason for finding in lint(without_statistics(files)) if finding.is_error]
    assert found == ["entities_unreadable"] * len(TWINS)


def test_warnings_do_not_forbid_loading(files: Files) -> None:
    warned = with_case(files, ATTACK, "attack-note", {"injected": ["4242 4242 4242"]})
    schema = json.loads(files[SCHEMA])
    schema["properties"]["entities"]["items"]["properties"]["value"]["format"] = "email"
    warned[SCHEMA] = json.dumps(schema).encode()
    assert {finding.reason for finding in lint(warned)} == {
        "fact_not_in_input",
        "format_not_checked",
    }
    load_dataset(warned)


def test_many_warnings_hide_no_error(files: Files) -> None:
    attack = json.loads(files[ATTACK].splitlines()[0])
    warned = [
        {**attack, "id": f"more-{number}", "injected": ["not in there"]}
        for number in range(limits.MAX_FINDINGS + 5)
    ]
    cases = [*warned, {**attack, "id": "last", "twin": "nobody"}]
    lines = b"".join(json.dumps(case).encode() + b"\n" for case in cases)
    spoiled = {**files, ATTACK: files[ATTACK] + lines}
    found = lint(spoiled)
    assert [finding.reason for finding in found if finding.is_error] == ["twin_unknown"]
    assert len(found) == limits.MAX_FINDINGS + 1
    with pytest.raises(GoldFormatError):
        load_dataset(spoiled)


def test_the_refusal_carries_every_finding(files: Files) -> None:
    with pytest.raises(GoldFormatError) as caught:
        load_dataset(replaced(files, TOML, "floor = 0.50", "flor = 0.50"))
    assert {finding.reason for finding in caught.value.findings} == {"unknown_key", "key_missing"}
    assert caught.value.details["findings"][0]["path"] == TOML
    assert caught.value.reason == "gold_format_invalid"


def test_the_other_shipped_files_may_lie_beside(files: Files) -> None:
    assert lint({**files, "README.md": b"# hello", "NOTICE": b"x"}) == []


def test_nothing_at_all_is_refused_politely() -> None:
    assert {finding.reason for finding in lint({})} == {"file_missing"}


def test_gold_files_are_read_from_the_folder() -> None:
    assert TOML in gold_files()
