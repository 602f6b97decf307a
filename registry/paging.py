"""Pages of listings: a cursor is where the next page begins."""

from collections.abc import Callable, Sequence

from registry.domain import PAGE_LIMIT_ROWS, Item, Page
from registry.errors import CursorRefusedError


def clamp_limit(limit: int) -> int:
    """Return how many rows a page may have: at least one, at most `PAGE_LIMIT_ROWS`."""
    return max(1, min(limit, PAGE_LIMIT_ROWS))


def read_number(cursor: str | None) -> int | None:
    """Read the cursor of a listing that runs down by number.

    Raises:
        CursorRefusedError: no page ends with it.
    """
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < len(str(2**63))):
        raise CursorRefusedError(f"{cursor[:40]!r} is no cursor: pass on the one of the last page")
    return int(cursor)


def make_page(found: Sequence[Item], limit: int, cursor_of: Callable[[Item], str]) -> Page[Item]:
    """Make a page of at most `limit` of the items found, of which one more was asked for."""
    items = tuple(found[:limit])
    more = len(found) > limit
    return Page(items=items, next_cursor=cursor_of(items[-1]) if more else None)
