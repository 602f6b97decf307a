"""Canonical JSON and digests: one value has one byte string, so it can be hashed and signed.

The form is RFC 8785 (JCS) with one deliberate difference: integers are written exactly, up to 64
bits, where RFC 8785 sends every number through a double. Amounts of money depend on it.
"""

import hashlib
import math
import re
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

from aem.proof.errors import MalformedError, NotCanonicalError

MAX_DEPTH_LEVELS = 128
"""Deeper values are refused instead of exhausting the interpreter's stack."""

MIN_INTEGER = -(2**63)
MAX_INTEGER = 2**63 - 1

_DIGEST_PREFIX = "sha256:"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

# ECMA-262 Number::toString writes plain decimals up to 21 digits before the point and up to 6
# zeros after it, and exponents beyond.
_MAX_PLAIN_DIGITS = 21
_MIN_PLAIN_POINT = -6


def canonical_json(value: Any) -> bytes:
    """Write a JSON value in its one canonical form, UTF-8 (RFC 8785, integers exact).

    Raises:
        NotCanonicalError: NaN or infinity, an integer past 64 bits, a key or value of another
            type, a lone surrogate, or deeper than `MAX_DEPTH_LEVELS`.
    """
    try:
        return _write(value, 0).encode()
    except UnicodeEncodeError as error:
        raise NotCanonicalError("a text holds a lone surrogate: it has no UTF-8 form") from error


def digest_of(data: bytes) -> str:
    """Return ``sha256:`` and the 64 hex digits of the bytes' SHA-256."""
    return _DIGEST_PREFIX + hashlib.sha256(data).hexdigest()


def require_digest(text: Any) -> str:
    """Return the text if it is a digest as `digest_of` writes it.

    Raises:
        MalformedError: it is anything else.
    """
    if not isinstance(text, str) or not _DIGEST.fullmatch(text):
        raise MalformedError(f"{text!r} is no digest: sha256: and 64 lower-case hex digits")
    return text


def _write(value: Any, depth: int) -> str:  # noqa: PLR0911 - one return for each JSON type
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return _write_integer(value)
    if isinstance(value, float):
        return _write_float(value)
    if depth >= MAX_DEPTH_LEVELS:
        raise NotCanonicalError(f"a value is nested deeper than {MAX_DEPTH_LEVELS} levels")
    if isinstance(value, list | tuple):
        return "[" + ",".join([_write(item, depth + 1) for item in value]) + "]"
    if isinstance(value, dict):
        return _write_object(value, depth)
    raise NotCanonicalError(f"a {type(value).__name__} is no JSON value")


def _write_object(value: dict[Any, Any], depth: int) -> str:
    for key in value:
        if not isinstance(key, str):
            raise NotCanonicalError(f"the object key {key!r} is no text")
    members = [
        f"{encode_basestring(key)}:{_write(value[key], depth + 1)}"
        for key in sorted(value, key=_utf16_order)
    ]
    return "{" + ",".join(members) + "}"


def _utf16_order(key: str) -> bytes:
    """RFC 8785 sorts by UTF-16 code units, which differs from code points above U+FFFF."""
    return key.encode("utf-16-be", "surrogatepass")


def _write_integer(value: int) -> str:
    if not MIN_INTEGER <= value <= MAX_INTEGER:
        raise NotCanonicalError(
            f"an integer of {value.bit_length()} bits does not fit into 64 with its sign"
        )
    return int.__repr__(value)


def _write_float(value: float) -> str:
    """Write a double as ECMA-262 does: the shortest digits that read back to the same double."""
    if not math.isfinite(value):
        raise NotCanonicalError(f"{value} is no JSON number")
    if value == 0:
        return "0"  # minus zero too
    sign, digit_tuple, exponent = Decimal(float.__repr__(value)).normalize().as_tuple()
    digits = "".join(map(str, digit_tuple))
    point = len(digits) + int(exponent)
    return ("-" if sign else "") + _place_point(digits, point)


def _place_point(digits: str, point: int) -> str:
    """Write 0.`digits` times ten to the `point` (ECMA-262, 6.1.6.1.20)."""
    if len(digits) <= point <= _MAX_PLAIN_DIGITS:
        return digits.ljust(point, "0")
    if 0 < point <= _MAX_PLAIN_DIGITS:
        return f"{digits[:point]}.{digits[point:]}"
    if _MIN_PLAIN_POINT < point <= 0:
        return "0." + "0" * -point + digits
    mantissa = digits if len(digits) == 1 else f"{digits[0]}.{digits[1:]}"
    return f"{mantissa}e{point - 1:+d}"
