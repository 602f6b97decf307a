"""Short support chats composed from a group's lines, with the entities that stand in them."""

import random
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

TYPES = ("person", "order", "city")

_GROUPS = Path(__file__).with_name("groups.toml")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_GIVEN = (
    *("Anna", "Bruno", "Carla", "David", "Elena", "Farid", "Greta", "Hugo", "Irene", "Jonas"),
    *("Karin", "Liam", "Maria", "Nadia", "Oscar", "Paula", "Rosa", "Simon", "Tara", "Victor"),
)
_FAMILY = (
    *("Adler", "Becker", "Costa", "Duval", "Engel", "Fischer", "Gomez", "Hansen", "Ivanov"),
    *("Jensen", "Keller", "Lopez", "Moreau", "Novak", "Olsen", "Petit", "Rossi", "Silva"),
    *("Torres", "Weber"),
)
_CITIES = (
    *("Bergen", "Bilbao", "Cork", "Dresden", "Geneva", "Ghent", "Graz", "Leeds", "Lisbon"),
    *("Lyon", "Malmo", "Naples", "Oslo", "Porto", "Prague", "Riga", "Turin", "Utrecht"),
    *("Vienna", "Zurich"),
)


@dataclass(frozen=True, kw_only=True)
class Group:
    """Lines that belong together.

    Attributes:
        telling: lines with placeholders of entities.
        small_talk: lines without.
    """

    name: str
    telling: tuple[str, ...]
    small_talk: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Chat:
    """A chat as one text, and its entities in order of appearance."""

    text: str
    entities: tuple[tuple[str, str], ...]

    def input_json(self) -> dict[str, str]:
        """Return the artifact's input."""
        return {"chat": self.text}

    def entities_json(self) -> list[dict[str, str]]:
        """Return the entities as the artifact's output has them."""
        return [{"type": kind, "value": value} for kind, value in self.entities]


def read_groups() -> list[Group]:
    """Read the groups in the file's order."""
    tables = tomllib.loads(_GROUPS.read_text("utf-8"))["group"]
    return [
        Group(
            name=table["name"],
            telling=tuple(table["telling"]),
            small_talk=tuple(table["small_talk"]),
        )
        for table in tables
    ]


def compose(group: Group, rng: random.Random, *, telling: int, small_talk: int) -> Chat:
    """Compose a chat of so many lines of each kind, in a drawn order."""
    lines = rng.sample(group.telling, telling) + rng.sample(group.small_talk, small_talk)
    rng.shuffle(lines)
    entities: list[tuple[str, str]] = []

    def filled(match: re.Match[str]) -> str:
        kind = match.group(1)
        # One chat is about one order, however often it is named.
        known = [value for other, value in entities if other == kind]
        if known:
            return known[0]
        entities.append((kind, _value(kind, rng)))
        return entities[-1][1]

    text = "\n".join(_PLACEHOLDER.sub(filled, line) for line in lines)
    return Chat(text=text, entities=tuple(entities))


def _value(kind: str, rng: random.Random) -> str:
    if kind == "person":
        return f"{rng.choice(_GIVEN)} {rng.choice(_FAMILY)}"
    if kind == "city":
        return rng.choice(_CITIES)
    return rng.choice((f"ORD-{rng.randint(1000, 99999)}", f"#{rng.randint(10000, 99999)}"))
