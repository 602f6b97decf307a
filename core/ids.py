"""Identifiers: random ones that sort by time, and derived ones that a retry finds again."""

import hashlib
import os
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, lower case
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_DERIVED_BITS = 130
_RANDOM_BITS = 80


def new_id(prefix: str) -> str:
    """Make a fresh identifier such as ``ord_01j9...``: 48 bits of milliseconds, 80 random bits."""
    value = (time.time_ns() // 1_000_000) << _RANDOM_BITS
    value |= int.from_bytes(os.urandom(_RANDOM_BITS // 8))
    return f"{prefix}_{_base32(value)}"


def derived_id(prefix: str, *parts: str) -> str:
    """Make the identifier that the same parts always give: the key of a step that may run twice.

    Collision-resistant (130 bits of SHA-256 over length-prefixed parts).
    """
    framed = [len(encoded).to_bytes(8) + encoded for encoded in map(str.encode, parts)]
    value = int.from_bytes(hashlib.sha256(b"".join(framed)).digest()) >> (256 - _DERIVED_BITS)
    return f"{prefix}_{_base32(value)}"


def _base32(value: int) -> str:
    """Write 130 bits as 26 characters, two at a time: a thousand in each pair."""
    return "".join([_PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)])
