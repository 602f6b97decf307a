"""Texts of others: Unicode normalization whose time grows with the text, and no faster."""

import re
import unicodedata

MARKS_MAX = 30
"""Combining marks in a row that are ordered together; written language never has as many
(Unicode Standard Annex 15, stream-safe text format)."""

SHORT_CHARACTERS = 256
"""Shorter texts are normalized as they are: their square is small."""


def nfkc(text: str) -> str:
    """Return a text in Unicode's form NFKC, but for marks after the first `MARKS_MAX` in a row.

    Python orders such a row in quadratic time, and lets no other thread run meanwhile.
    """
    if text.isascii() or len(text) <= SHORT_CHARACTERS:
        return unicodedata.normalize("NFKC", text)
    marks = "".join(sorted(filter(_is_mark, set(text))))
    if not marks:
        return unicodedata.normalize("NFKC", text)
    rows = re.compile(f"([{re.escape(marks)}]{{{MARKS_MAX}}})")
    return "".join(unicodedata.normalize("NFKC", part) for part in rows.split(text))


def _is_mark(character: str) -> bool:
    """Whether nothing of a character begins anew: some that are no marks decompose into marks."""
    return all(map(unicodedata.combining, unicodedata.normalize("NFKD", character)))
