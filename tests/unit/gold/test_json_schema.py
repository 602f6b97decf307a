import copy
import json
import random
import time
from typing import Any

import jsonschema
import pytest
from referencing import Registry

from gold.json_schema import OutputSchema, UnusableSchemaError, formats
from tests.fakes.gold import gold_files

SCHEMA: dict[str, Any] = json.loads(gold_files()["schema/output.json"])
SAMPLES: list[Any] = [
    {"entities": [], "refusal": None},
    {"entities": [{"type": "email", "value": "a@b.c"}], "refusal": None},
    {"entities": [], "refusal": {"reason": "planted"}},
]
ODD_VALUES: list[Any] = [None, True, 0, 1.5, "", "email", [], {}, {"type": "email"}, [None]]


def spoiled(value: Any, chance: random.Random) -> Any:
    """Replace, drop or add something at a random place."""
    value = copy.deepcopy(value)
    place = value
    while chance.random() < 0.6 and isinstance(place, dict | list) and place:
        key = chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
        if not isinstance(place[key], dict | list) or chance.random() < 0.4:
            place[key] = chance.choice(ODD_VALUES)
            return value
        place = place[key]
    if isinstance(place, dict):
        place[chance.choice(["entities", "refusal", "type", "value", "extra"])] = chance.choice(
            ODD_VALUES
        )
    elif isinstance(place, list):
        place.append(chance.choice(ODD_VALUES))
    return value


def test_the_fast_validator_agrees_with_the_reference() -> None:
    chance = random.Random(7)
    schema = OutputSchema(SCHEMA)
    reference = jsonschema.Draft202012Validator(SCHEMA, registry=Registry())
    verdicts = []
    for _ in range(2_000):
        value = spoiled(chance.choice(SAMPLES), chance)
        verdicts.append(schema.is_valid(value))
        assert verdicts[-1] == reference.is_valid(value), value
    assert {True, False} == set(verdicts)


def test_an_error_says_where() -> None:
    error = OutputSchema(SCHEMA).first_error({"entities": [{"type": "x", "value": "y"}]})
    assert error is not None
    assert OutputSchema(SCHEMA).first_error(SAMPLES[0]) is None


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "objekt"},
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "#/$defs/missing"},
        {"pattern": "["},
        {"pattern": "(a)\\1"},
        {"pattern": "(?=a)b"},
        ["type"],
    ],
)
def test_what_cannot_be_compiled_is_refused(schema: Any) -> None:
    with pytest.raises(UnusableSchemaError):
        OutputSchema(schema)


def test_a_pattern_that_would_backtrack_for_ages_is_linear() -> None:
    schema = OutputSchema({"type": "string", "pattern": "^(a+)+$"})
    started = time.perf_counter()
    assert not schema.is_valid("a" * 50_000 + "!")
    assert time.perf_counter() - started < 2


def test_formats_are_found_anywhere() -> None:
    assert formats({"properties": {"a": {"format": "date"}, "b": [{"format": "uuid"}]}}) == [
        "date",
        "uuid",
    ]
