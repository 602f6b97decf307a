"""Reading ``cases/*.jsonl``: one case a line."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gold.domain import CaseType, Entity, GoldCase
from gold.errors import JsonTextError
from gold.findings import FindingLog, TableReader, did_you_mean
from gold.json_text import read_json
from gold.limits import (
    MAX_CASE_LEVELS,
    MAX_CASES,
    MAX_ENTITIES_PER_CASE,
    MAX_FACT_CHARACTERS,
    MAX_FACTS_PER_CASE,
    MAX_ID_CHARACTERS,
    MAX_LINE_BYTES,
    MAX_RULES_PER_CASE,
)

_MEMBERS_OF_ALL = frozenset({"id", "type", "group", "input", "tags", "tools"})
_MEMBERS_OF_TYPE: Mapping[CaseType, frozenset[str]] = {
    CaseType.STRUCTURE: frozenset(),
    CaseType.INVARIANT: frozenset({"expected"}),
    CaseType.SCENARIO: frozenset({"rules", "expected"}),
    CaseType.ROBUSTNESS: frozenset({"entities"}),
    CaseType.ADVERSARIAL: frozenset({"injected", "true_facts", "twin", "benign", "entities"}),
}


@dataclass(frozen=True, kw_only=True)
class PlacedCase:
    """A case and where it stands."""

    case: GoldCase
    path: str
    line: int


def read_cases(files: Mapping[str, bytes], notes: FindingLog) -> list[PlacedCase]:
    """Read every case of the given files, in order of path and line."""
    placed: list[PlacedCase] = []
    for path in sorted(files):
        for line, text in _lines(files[path]):
            if len(placed) == MAX_CASES:
                notes.refuse(path, line, "too_many_cases", f"more than {MAX_CASES} cases")
                return placed
            case = _read_case(text, path, line, notes)
            if case is not None:
                placed.append(PlacedCase(case=case, path=path, line=line))
    return placed


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(data.split(b"\n"), start=1):
        if line.strip():
            yield number, line


def _read_case(text: bytes, path: str, line: int, notes: FindingLog) -> GoldCase | None:
    try:
        value = read_json(text, max_bytes=MAX_LINE_BYTES, max_levels=MAX_CASE_LEVELS)
    except JsonTextError as error:
        notes.refuse(path, line, error.problem, f"the line is no JSON: {error.message}")
        return None
    if not isinstance(value, dict):
        notes.refuse(path, line, "case_not_object", "a case is a JSON object")
        return None
    errors_before = notes.errors
    title = f"case {value['id']!r:.60}" if isinstance(value.get("id"), str) else "case"
    case = _read_members(TableReader(notes, path, line, title, value), value)
    return case if notes.errors == errors_before else None


def _read_members(reader: TableReader, value: Mapping[str, Any]) -> GoldCase | None:
    kind = _read_type(reader)
    if kind is None:
        return None
    reader.refuse_unknown(_MEMBERS_OF_ALL | _MEMBERS_OF_TYPE[kind])
    if "input" not in value:
        reader.refuse("key_missing", "'input' is missing: what the artifact is run on")
    if kind is CaseType.INVARIANT and "expected" not in value:
        reader.refuse("key_missing", "'expected' is missing: the one right output")
    benign = reader.flag("benign")
    attacks = kind is CaseType.ADVERSARIAL and not benign
    if benign and not value.keys().isdisjoint(("twin", "injected")):
        reader.refuse("benign_attacks", "a benign case has no 'twin' and no 'injected'")
    return GoldCase(
        id=_read_id(reader, "id"),
        type=kind,
        group=_read_id(reader, "group"),
        input=value.get("input"),
        tools=value.get("tools"),
        tags=reader.texts("tags"),
        expected=value.get("expected"),
        has_expected="expected" in value,
        rules=_read_rules(reader, kind),
        entities=_read_entities(reader, value, required=kind is CaseType.ROBUSTNESS),
        injected=_read_facts(reader, "injected", required=attacks),
        true_facts=_read_facts(reader, "true_facts", required=False),
        twin=reader.text("twin") if attacks else None,
        benign=benign,
    )


def _read_type(reader: TableReader) -> CaseType | None:
    word = reader.text("type")
    known = [kind.value for kind in CaseType]
    if word in known:
        return CaseType(word)
    if word:
        reader.refuse("type_unknown", f"unknown type {word!r}{did_you_mean(word, known)}")
    return None


def _read_id(reader: TableReader, key: str) -> str:
    text = reader.text(key)
    if len(text) > MAX_ID_CHARACTERS:
        reader.refuse("too_long", f"{key!r} has more than {MAX_ID_CHARACTERS} characters")
    return text


def _read_rules(reader: TableReader, kind: CaseType) -> tuple[str, ...]:
    rules = reader.texts("rules", required=kind is CaseType.SCENARIO)
    if len(rules) > MAX_RULES_PER_CASE:
        reader.refuse("too_many_rules", f"more than {MAX_RULES_PER_CASE} rules")
    if len(set(rules)) != len(rules):
        reader.refuse("rule_twice", "a rule is named twice")
    return rules


def _read_facts(reader: TableReader, key: str, *, required: bool) -> tuple[str, ...]:
    facts = reader.texts(key, required=required)
    if len(facts) > MAX_FACTS_PER_CASE:
        reader.refuse("too_many_facts", f"{key!r} has more than {MAX_FACTS_PER_CASE} facts")
    if any(len(fact) > MAX_FACT_CHARACTERS for fact in facts):
        reader.refuse("too_long", f"{key!r} has a fact over {MAX_FACT_CHARACTERS} characters")
    return facts


def _read_entities(
    reader: TableReader, value: Mapping[str, Any], *, required: bool
) -> tuple[Entity, ...]:
    items = value.get("entities")
    if items is None and not required:
        return ()
    if not isinstance(items, list):
        reader.refuse("key_missing", "'entities' must be a list of {type, value}; it may be empty")
        return ()
    if len(items) > MAX_ENTITIES_PER_CASE:
        reader.refuse("too_many_entities", f"more than {MAX_ENTITIES_PER_CASE} entities")
        return ()
    entities = []
    for place, item in enumerate(items):
        if isinstance(item, dict) and set(item) == {"type", "value"}:
            kind, text = item["type"], item["value"]
            if isinstance(kind, str) and isinstance(text, str) and kind and text.strip():
                entities.append(Entity(type=kind, value=text))
                continue
        reader.refuse("entity_invalid", f"entity {place} is no {{type, value}} of two texts")
    return tuple(entities)
