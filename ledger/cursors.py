"""Cursors of lists that are read in the order of the log."""

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
