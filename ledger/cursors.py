"""Cursors of lists: numbers in the order of the log, or instants of an account's lines."""

from datetime import datetime

from core.database import format_instant, parse_instant
from ledger.domain import Transfer
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


def line_cursor(line: Transfer) -> str:
    """Return the cursor of a statement's line."""
    return f"{format_instant(line.at)}~{line.id}"


def line_of(cursor: str) -> tuple[datetime, str] | None:
    """Return the instant and identifier that a statement's cursor stands for; None to begin.

    Raises:
        BatchError: the text is no cursor of a statement.
    """
    if not cursor:
        return None
    instant, _, transfer_id = cursor.partition("~")
    try:
        at = parse_instant(instant)
    except ValueError:
        at = None
    if at is None or format_instant(at) != instant or not transfer_id:
        raise BatchError(f"{cursor[:60]!r} is no cursor of this list")
    return at, transfer_id
