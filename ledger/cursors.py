"""Cursors of lists: numbers in the order of the log, or instants and numbers or names."""

from datetime import datetime

from core.database import format_instant, parse_instant
from ledger.errors import BatchError

MAX_CURSOR_DIGITS = 18
"""Of a log number: what a 64-bit column holds, whatever the digits."""


def number_of(cursor: str) -> int | None:
    """Return the log number that a cursor stands for; None for the beginning.

    Raises:
        BatchError: the text is no cursor.
    """
    if not cursor:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= MAX_CURSOR_DIGITS):
        raise BatchError(f"{cursor[:60]!r} is no cursor of this list")
    return int(cursor)


def place_cursor(at: datetime, number: int) -> str:
    """Return the cursor of a record that is dated then and has that number in the log."""
    return f"{format_instant(at)}~{number}"


def place_of(cursor: str) -> tuple[datetime, int] | None:
    """Return the instant and number that a cursor stands for; None for the beginning.

    Raises:
        BatchError: the text is no cursor of this list.
    """
    if not cursor:
        return None
    instant, _, digits = cursor.partition("~")
    number = number_of(digits)
    if number is None:
        raise BatchError(f"{cursor[:60]!r} is no cursor of this list")
    return _instant(instant, cursor), number


def named_cursor(at: datetime, name: str) -> str:
    """Return the cursor of what has an identifier and is dated then."""
    return f"{format_instant(at)}~{name}"


def named_of(cursor: str) -> tuple[datetime, str] | None:
    """Return the instant and identifier that a cursor stands for; None for the beginning.

    Raises:
        BatchError: the text is no cursor of this list.
    """
    if not cursor:
        return None
    instant, _, name = cursor.partition("~")
    return _instant(instant, cursor), name


def _instant(text: str, cursor: str) -> datetime:
    try:
        at = parse_instant(text)
    except ValueError:
        at = None
    if at is None or format_instant(at) != text:
        raise BatchError(f"{cursor[:60]!r} is no cursor of this list")
    return at
