import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aem.proof import canonical_json
from gold.errors import JsonTextError
from gold.json_text import PROBLEMS, levels, read_json, same_json

BROKEN = {
    "too_large": b'"' + b"a" * 200 + b'"',
    "invalid_utf8": b'"\xff"',
    "not_json": b"{'a': 1}",
    "trailing_text": b'{"a": 1} {"a": 2}',
    "duplicate_key": b'{"a": 1, "b": {"c": 1, "c": 2}}',
    "non_finite_number": b'{"a": NaN}',
    "number_out_of_range": b'{"a": 1e999}',
    "too_deep": b"[" * 9 + b"]" * 9,
    "lone_surrogate": b'"\\ud800"',
}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


def problem_of(data: bytes) -> str:
    with pytest.raises(JsonTextError) as caught:
        read_json(data, max_bytes=100, max_levels=8)
    return caught.value.problem


@pytest.mark.parametrize(("problem", "data"), BROKEN.items())
def test_every_problem_has_its_name(problem: str, data: bytes) -> None:
    assert problem_of(data) == problem


def test_every_named_problem_is_tested() -> None:
    assert set(BROKEN) == set(PROBLEMS)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "not_json"),
        (b"\xef\xbb\xbf{}", "not_json"),
        (b'{"a": -Infinity}', "non_finite_number"),
        (b"9223372036854775808", "number_out_of_range"),
        (b"1" * 90, "number_out_of_range"),
        (b'{"\\udc00": 1}', "lone_surrogate"),
        (b'"a" // comment', "trailing_text"),
    ],
)
def test_odd_texts_are_refused(data: bytes, problem: str) -> None:
    assert problem_of(data) == problem


def test_nesting_that_would_exhaust_the_stack_is_refused() -> None:
    text = b"[" * 200_000 + b"]" * 200_000
    with pytest.raises(JsonTextError) as caught:
        read_json(text)
    assert caught.value.problem == "too_deep"


def test_a_paired_surrogate_escape_is_a_character() -> None:
    assert read_json(b'"\\ud83d\\ude42"') == "\N{SLIGHTLY SMILING FACE}"


def test_many_brackets_side_by_side_are_not_deep() -> None:
    value = read_json(b"[" + b"[]," * 30 + b"[]]", max_bytes=1000, max_levels=2)
    assert levels(value) == 2


@given(json_values)
def test_what_is_canonical_is_read_back(value: object) -> None:
    assert same_json(read_json(canonical_json(value)), json.loads(canonical_json(value)))


@pytest.mark.parametrize(
    ("left", "right"), [(1, 1.0), (1, True), (0, False), ([1], [1.0]), ({"a": 1}, {"a": True})]
)
def test_equal_numbers_of_other_types_differ(left: object, right: object) -> None:
    assert left == right
    assert not same_json(left, right)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ({"a": 1, "b": [2]}, {"b": [2], "a": 1}, True),
        ([1, 2], [2, 1], False),
        ([1], [1, 1], False),
        ({"a": None}, {}, False),
        ("1", 1, False),
        (None, None, True),
    ],
)
def test_values_are_compared_whole(left: object, right: object, *, same: bool) -> None:
    assert same_json(left, right) is same
