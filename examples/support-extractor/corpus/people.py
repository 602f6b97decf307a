"""The names that customers and agents of the corpus have."""

from dataclasses import dataclass
from pathlib import Path

_FILE = Path(__file__).with_name("people.txt")


@dataclass(frozen=True, kw_only=True)
class People:
    """Given names, given names that few lists have, and family names; the three are disjoint."""

    given: tuple[str, ...]
    rare: tuple[str, ...]
    family: tuple[str, ...]


def read_people() -> People:
    """Read the name lists beside this module."""
    sections: dict[str, list[str]] = {}
    for line in _FILE.read_text("utf-8").splitlines():
        if line.startswith("["):
            names = sections[line.strip("[]")] = []
        elif not line.startswith("#"):
            names.extend(line.split())
    return People(**{name: tuple(values) for name, values in sections.items()})
