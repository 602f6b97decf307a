"""Texts of users as one line that no tool mistakes for its own syntax.

Memos and references may hold anything: quotes, line ends, semicolons, dates in brackets. They are
written as the inside of a JSON string, in which everything but plain characters is escaped, so
``json.loads('"' + text + '"')`` gives them back.
"""

from collections.abc import Iterator

from core.database import format_instant
from ledger.domain import Phase, Transfer

_PLAIN = frozenset(" -_./@+=#()!?")
_BMP_LAST = 0xFFFF


def plain(text: str) -> str:
    """Return a text with all that is no letter, digit or harmless sign escaped."""
    return "".join(
        character if character.isalnum() or character in _PLAIN else _escape(character)
        for character in text
    )


def _escape(character: str) -> str:
    code = ord(character)
    if code <= _BMP_LAST:
        return f"\\u{code:04x}"
    pair = character.encode("utf-16-be").hex()
    return f"\\u{pair[:4]}\\u{pair[4:]}"


def metadata(number: int, transfer: Transfer) -> Iterator[tuple[str, str]]:
    """Yield what a tool keeps of a transfer beside its money, names and plain texts."""
    yield "id", plain(transfer.id)
    yield "number", str(number)
    yield "time", plain(format_instant(transfer.at))
    yield "phase", transfer.phase.value
    yield "batch", plain(transfer.batch_key)
    for name in ("hold_id", "reverses", "reference", "memo"):
        value = getattr(transfer, name)
        if value:
            yield name, plain(value)
    if transfer.expires_at is not None:
        yield "expires", plain(format_instant(transfer.expires_at))


def moves_money(transfer: Transfer) -> bool:
    """Whether a transfer moves money, and does not set it aside or free it."""
    return transfer.phase in (Phase.POSTED, Phase.POST)
