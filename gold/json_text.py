"""Strict JSON: what two parsers could read differently is refused by name.

RFC 8259 leaves duplicate keys and number ranges open, and Python's reader accepts NaN: a
candidate could show the judge one value and its users another.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from gold.errors import JsonTextError
from gold.limits import MAX_OUTPUT_BYTES, MAX_OUTPUT_LEVELS

PROBLEMS = (
    "too_large",
    "invalid_utf8",
    "not_json",
    "trailing_text",
    "duplicate_key",
    "non_finite_number",
    "number_out_of_range",
    "too_deep",
    "lone_surrogate",
)
"""Names of what can be wrong, in the order in which they are looked for."""

_MIN_INTEGER = -(2**63)
_MAX_INTEGER = 2**63 - 1
_MAX_INTEGER_CHARACTERS = 20
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89abAB]|\\u[dD][c-fC-F]")


def read_json(
    data: bytes,
    *,
    max_bytes: int = MAX_OUTPUT_BYTES,
    max_levels: int = MAX_OUTPUT_LEVELS,
) -> Any:
    """Parse one JSON value that fills the whole text.

    Integers are exact and fit into 64 bits, as in `aem.proof.canonical_json`.

    Raises:
        JsonTextError: with one of `PROBLEMS`.
    """
    if len(data) > max_bytes:
        raise JsonTextError("too_large", f"{len(data)} bytes are more than {max_bytes}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonTextError("invalid_utf8", f"byte {error.start} is no UTF-8") from error
    value = _decode(text)
    if text.count("[") + text.count("{") > max_levels and levels(value) > max_levels:
        raise JsonTextError("too_deep", f"the value has more than {max_levels} levels")
    if _ESCAPED_SURROGATE.search(text):
        _refuse_lone_surrogates(value)
    return value


def levels(value: Any) -> int:
    """Return how many lists and objects lie inside each other; 0 for a plain value."""
    deepest = 0
    waiting = [(value, 0)]
    while waiting:
        current, above = waiting.pop()
        if isinstance(current, dict):
            waiting.extend((member, above + 1) for member in current.values())
        elif isinstance(current, list):
            waiting.extend((item, above + 1) for item in current)
        else:
            continue
        deepest = max(deepest, above + 1)
    return deepest


def texts(value: Any) -> Iterator[str]:
    """Yield every text of a value: strings, object keys, and numbers as they are written."""
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, dict):
            yield from current
            waiting.extend(current.values())
        elif isinstance(current, list):
            waiting.extend(current)
        elif isinstance(current, str):
            yield current
        elif isinstance(current, int | float) and not isinstance(current, bool):
            yield repr(current)


def same_json(left: Any, right: Any) -> bool:
    """Compare two JSON values by type and value: 1, 1.0 and true are three values."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(
            same_json(member, right[key]) for key, member in left.items()
        )
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same_json, left, right))
    return bool(left == right)


def _decode(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        problem = "trailing_text" if error.msg == "Extra data" else "not_json"
        raise JsonTextError(
            problem, f"{error.msg} at line {error.lineno}, column {error.colno}"
        ) from error
    except RecursionError as error:
        raise JsonTextError("too_deep", "the value is nested too deep to be read") from error


def _read_members(members: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(members)
    if len(value) != len(members):
        seen: set[str] = set()
        for key, _ in members:
            if key in seen:
                raise JsonTextError("duplicate_key", f"the key {key[:80]!r} is given twice")
            seen.add(key)
    return value


def _read_integer(text: str) -> int:
    if len(text) <= _MAX_INTEGER_CHARACTERS:
        value = int(text)
        if _MIN_INTEGER <= value <= _MAX_INTEGER:
            return value
    raise JsonTextError("number_out_of_range", f"{text[:24]} does not fit into 64 bits")


def _read_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise JsonTextError("number_out_of_range", f"{text[:24]} is larger than any double")
    return value


def _refuse_constant(name: str) -> Any:
    raise JsonTextError("non_finite_number", f"{name} is no JSON")


def _refuse_lone_surrogates(value: Any) -> None:
    for text in texts(value):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise JsonTextError("lone_surrogate", "a text holds half a character") from error


_DECODER = json.JSONDecoder(
    object_pairs_hook=_read_members,
    parse_int=_read_integer,
    parse_float=_read_float,
    parse_constant=_refuse_constant,
)
