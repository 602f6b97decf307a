"""Entities: reading them from an output, normalizing them, matching them one to one."""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from core.text import nfkc
from gold.domain import Counts, Entity

_GROUP_DIGITS = 3
_MALFORMED = "(malformed)"

EntityBag = Counter[tuple[str, str]]
"""How often each (type, normalized value) occurs."""


class Normalization(StrEnum):
    """How values of one type are made comparable, after Unicode NFKC and stripping.

    `exact`: as it is. `casefold`: without case. `digits`: digits alone. `alphanumeric`: letters
    and digits alone, without case. `decimal`: a number without currency and grouping marks; of
    two kinds of marks the last is the decimal one, a lone comma before three digits groups.
    """

    EXACT = "exact"
    CASEFOLD = "casefold"
    DIGITS = "digits"
    ALPHANUMERIC = "alphanumeric"
    DECIMAL = "decimal"


class JsonPointer:
    """A place in a JSON value (RFC 6901)."""

    def __init__(self, text: str) -> None:
        """Parse the pointer.

        Raises:
            ValueError: it is neither empty nor begins with a slash.
        """
        if text and not text.startswith("/"):
            raise ValueError(f"a JSON pointer begins with '/', {text!r} does not")
        steps = text.split("/")[1:]
        self._steps = tuple(step.replace("~1", "/").replace("~0", "~") for step in steps)

    def find(self, value: Any) -> Any:
        """Return what lies there; None when nothing does."""
        for step in self._steps:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
                value = value[int(step)]
            else:
                return None
        return value


def normalize(value: str, how: Normalization) -> str:
    """Make a value comparable."""
    text = nfkc(value).strip()
    if how is Normalization.EXACT:
        return text
    text = text.casefold()
    if how is Normalization.DIGITS:
        return "".join(filter(str.isdecimal, text))
    if how is Normalization.ALPHANUMERIC:
        return "".join(filter(str.isalnum, text))
    if how is Normalization.DECIMAL:
        return _decimal(text)
    return text


def bag_of(entities: Iterable[Entity], normalizations: Mapping[str, Normalization]) -> EntityBag:
    """Count entities by type and normalized value."""
    return Counter(
        (
            entity.type,
            normalize(entity.value, normalizations.get(entity.type, Normalization.EXACT)),
        )
        for entity in entities
    )


def read_entities(output: Any, pointer: JsonPointer) -> list[Entity]:
    """Read what an output claims; an item that is no entity counts as a wrong claim."""
    found = pointer.find(output)
    if not isinstance(found, list):
        return []
    return [_read_entity(item) for item in found]


def count_matches(expected: EntityBag, claimed: EntityBag) -> dict[str, Counts]:
    """Match one to one and count by type, types in order."""
    counts = {}
    for name in sorted({kind for kind, _ in expected} | {kind for kind, _ in claimed}):
        wanted = {key: count for key, count in expected.items() if key[0] == name}
        given = {key: count for key, count in claimed.items() if key[0] == name}
        hits = sum(min(count, given.get(key, 0)) for key, count in wanted.items())
        counts[name] = Counts(
            true_positives=hits,
            false_positives=sum(given.values()) - hits,
            false_negatives=sum(wanted.values()) - hits,
        )
    return counts


def _read_entity(item: Any) -> Entity:
    if isinstance(item, dict):
        name, value = item.get("type"), item.get("value")
        if isinstance(name, str) and isinstance(value, str):
            return Entity(type=name, value=value)
    return Entity(type=_MALFORMED, value="")


def _decimal(text: str) -> str:
    kept = "".join(character for character in text if character.isdecimal() or character in ".,-")
    mark = _decimal_mark(kept)
    whole, _, rest = kept.rpartition(mark) if mark else (kept, "", "")
    sign = "-" if kept.startswith("-") else ""
    digits = "".join(filter(str.isdecimal, whole)).lstrip("0") or "0"
    decimals = "".join(filter(str.isdecimal, rest)).rstrip("0")
    if not any(map(str.isdecimal, kept)):
        return text
    return f"{sign}{digits}.{decimals}" if decimals else f"{sign}{digits}"


def _decimal_mark(text: str) -> str:
    point, comma = text.rfind("."), text.rfind(",")
    if point >= 0 and comma >= 0:
        return "." if point > comma else ","
    mark = "." if point >= 0 else ","
    if text.count(mark) != 1:
        return ""  # none at all, or several: then they group
    if mark == "," and len(text) - comma - 1 == _GROUP_DIGITS:
        return ""
    return mark
