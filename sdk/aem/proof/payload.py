"""Reading signed payloads strictly: JSON without duplicate keys, with exactly the keys named."""

import base64
import binascii
import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from aem.proof.errors import MalformedError


def parse_json(data: bytes) -> Any:
    """Read JSON in which every object names each key once and every number is finite.

    Raises:
        MalformedError: it is not such JSON.
    """
    try:
        return json.loads(data, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"a payload is not JSON: {error}") from error


def require_object(value: Any, keys: Iterable[str], name: str) -> dict[str, Any]:
    """Return the value if it is an object with exactly these keys.

    Raises:
        MalformedError: it is no object, or keys are missing or unknown.
    """
    if not isinstance(value, dict):
        raise MalformedError(f"{name} must be a JSON object, not {type(value).__name__}")
    expected = set(keys)
    if value.keys() != expected:
        wrong = sorted(str(key) for key in value.keys() ^ expected)
        raise MalformedError(f"{name} has missing or unknown keys: {', '.join(wrong)}")
    return value


def require_text(value: Any, name: str) -> str:
    """Return the value if it is a text.

    Raises:
        MalformedError: it is anything else.
    """
    if not isinstance(value, str):
        raise MalformedError(f"{name} must be a text, not {type(value).__name__}")
    return value


def require_count(value: Any, name: str) -> int:
    """Return the value if it is an integer that is not negative.

    Raises:
        MalformedError: it is anything else, a boolean included.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise MalformedError(f"{name} must be a non-negative integer, not {value!r}")
    return value


def encode_base64(data: bytes) -> str:
    """Write bytes in standard base64 with padding (RFC 4648, section 4)."""
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: Any, name: str) -> bytes:
    """Read standard base64; only the one form that `encode_base64` writes is accepted.

    Raises:
        MalformedError: it is no text, no base64, or has loose bits at its end, by which two texts
            would stand for the same bytes.
    """
    try:
        data = base64.b64decode(require_text(text, name), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedError(f"{name} is no base64: {error}") from error
    if encode_base64(data) != text:
        raise MalformedError(f"{name} is not in base64's one canonical form")
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        (twice, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"an object names the key {twice[:80]!r} twice")
    return result


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")
