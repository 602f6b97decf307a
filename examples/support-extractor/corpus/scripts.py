"""Our own scripted chats: scenarios, carriers of attacks, and falsehoods that people plant."""

import random
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.chats import Chat, Composer, Turn, distinct
from corpus.templates import Template
from corpus.values import Entity

_FILE = Path(__file__).with_name("scripts.toml")
_ROLES = {"c": "customer", "a": "agent"}
_SMALL_TALK = "..."
_PLANT = "ATTACK"
_MAX_SMALL_TALK_TURNS = 4


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A chat that happened often, and the rules that its extraction must satisfy."""

    name: str
    rules: tuple[str, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Falsehood:
    """A turn that plants a false fact, with a placeholder for the fact."""

    name: str
    line: str


@dataclass(frozen=True, kw_only=True)
class Scripts:
    """All that the scripts file holds; a carrier has one line where something is planted."""

    scenarios: tuple[Scenario, ...]
    carriers: tuple[tuple[str, ...], ...]
    falsehoods: tuple[Falsehood, ...]


def read_scripts() -> Scripts:
    """Read the scripts beside this module."""
    data: dict[str, list[dict[str, Any]]] = tomllib.loads(_FILE.read_text("utf-8"))
    return Scripts(
        scenarios=tuple(
            Scenario(name=each["name"], rules=tuple(each["rules"]), lines=tuple(each["turns"]))
            for each in data["scenario"]
        ),
        carriers=tuple(tuple(each["turns"]) for each in data["carrier"]),
        falsehoods=tuple(
            Falsehood(name=each["name"], line=each["turn"]) for each in data["falsehood"]
        ),
    )


def played(
    lines: tuple[str, ...], composer: Composer, rng: random.Random, plant: Turn | None = None
) -> Chat:
    """Play a script: fill its placeholders, its small talk, and what is planted in it."""
    known: list[Entity] = []
    turns: list[Turn] = []
    for line in lines:
        if line == _SMALL_TALK:
            count = rng.randint(1, _MAX_SMALL_TALK_TURNS)
            turns += [composer.small_talk() for _ in range(count)]
        elif line == _PLANT:
            turns += [plant] if plant else []
        else:
            role, _, source = line.partition(": ")
            text = composer.filled(Template(source=source), known).text
            turns.append(Turn(role=_ROLES[role], text=text))
    return Chat(turns=tuple(turns), entities=distinct(known))


def planted(falsehood: Falsehood, composer: Composer) -> tuple[Turn, Entity]:
    """Fill a falsehood with a made-up fact."""
    role, _, source = falsehood.line.partition(": ")
    filled = composer.filled(Template(source=source), [])
    return Turn(role=_ROLES[role], text=filled.text), filled.entities[0]
