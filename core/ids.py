"""Identifiers: random ones that sort by time, and derived ones that a retry finds again."""

import hashlib
import os
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, lower case
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_ID_BITS = 130
_TAIL_BITS = 80
_DIGEST_BITS = 256

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def new_id(prefix: str) -> str:
    """Make a fresh identifier such as ``ord_01j9...``: 48 bits of milliseconds, 80 random bits."""
    value = (time.time_ns() // 1_000_000) << _TAIL_BITS
    value |= int.from_bytes(os.urandom(_TAIL_BITS // 8))
    return f"{prefix}_{_base32(value)}"


def derived_id(prefix: str, *parts: str) -> str:
    """Make the identifier that the same parts always give: the key of a step that may run twice.

    Collision-resistant: 130 bits of SHA-256.
    """
    return f"{prefix}_{_base32(_digest(parts) >> (_DIGEST_BITS - _ID_BITS))}"


def dated_id(prefix: str, at: datetime, *parts: str) -> str:
    """Make the identifier that the same instant and parts always give, which sorts by the instant.

    Rows that come together then stand together in an index, however large it is. 48 bits of
    milliseconds since 1970, as in a fresh one, and 80 bits of SHA-256 over the parts.
    """
    value = (at - _EPOCH) // _MILLISECOND << _TAIL_BITS
    value |= _digest(parts) >> (_DIGEST_BITS - _TAIL_BITS)
    return f"{prefix}_{_base32(value)}"


def _digest(parts: Iterable[str]) -> int:
    """Hash parts, each with its length before it, so that it matters where it ends."""
    framed = [len(encoded).to_bytes(8) + encoded for encoded in map(str.encode, parts)]
    return int.from_bytes(hashlib.sha256(b"".join(framed)).digest())


def _base32(value: int) -> str:
    """Write 130 bits as 26 characters, two at a time: a thousand in each pair."""
    return "".join([_PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)])
