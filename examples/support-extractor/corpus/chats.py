"""Chats composed of turns, with the entities that stand in them, exactly."""

import random
import re
from dataclasses import dataclass

from corpus.templates import Bucket, Filled, Template
from corpus.values import Entity, Values

_AGENT_LINES = (
    "One moment please, I am checking.",
    "Thanks for waiting!",
    "I understand, that is annoying.",
    "Is there anything else that I can do?",
    "Let me ask a colleague.",
    "Could you say that again, the line was bad?",
    "ok",
    "Right, noted.",
    "hmm, the system is slow today...",
)
# Numbers that are no entities: a careless extractor takes them for some.
_DECOYS = (
    "The tracking code is {card}, still no scan.",
    "parcel {card} says 'in transit' since Monday",
    "My ticket is #{short}, opened at 14:{pair}.",
    "I waited {pair} minutes and collected {short} points, great.",
    "Version {pair}.{pair}.1 of the app crashes in 9 of 10 tries.",
    "It weighs {pair} kg and {pair}% of it is packaging.",
    "The reference REF-{short}{pair} is not an order, right?",
    "Room {short}, floor {pair}, extension {short}.",
)
_SIGHS = (" ...", " :(", " !!", " \U0001f641", " lol", " thx", "  ")
_LETTERS = re.compile(r"[a-z]{5,}")
_REPEAT_SHARE = 0.3


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One message of a chat; `role` is ``customer`` or ``agent``."""

    role: str
    text: str

    def to_json(self) -> dict[str, str]:
        """Return the turn as the artifact's input schema has it."""
        return {"role": self.role, "text": self.text}


@dataclass(frozen=True, kw_only=True)
class Chat:
    """A chat and all the entities in it, each once, in order of first appearance."""

    turns: tuple[Turn, ...]
    entities: tuple[Entity, ...]

    def input_json(self) -> dict[str, list[dict[str, str]]]:
        """Return the artifact's input."""
        return {"conversation": [turn.to_json() for turn in self.turns]}

    def entities_json(self) -> list[dict[str, str]]:
        """Return the gold entities."""
        return [{"type": each.type, "value": each.value} for each in self.entities]


class Composer:
    """Composes chats out of one bucket; the same generator state gives the same chats.

    Attributes:
        noise: share of the templates' longer words with a slip of the keyboard in them.
    """

    def __init__(
        self,
        bucket: Bucket,
        passages: list[str],
        *,
        rng: random.Random,
        oddity: float,
        noise: float = 0.0,
    ) -> None:
        """Draw turns from a bucket, and passages of noise."""
        self._bucket = bucket
        self._passages = passages
        self._rng = rng
        self._values = Values(rng, oddity=oddity)
        self.noise = noise

    def chat(self, *, turns: int, telling: int) -> Chat:
        """Compose a chat of so many turns, of which `telling` hold entities."""
        places = set(self._rng.sample(range(turns), telling))
        deck: list[Template] = []
        known: list[Entity] = []
        sent = []
        for place in range(turns):
            if place not in places:
                sent.append(self.small_talk())
                continue
            deck = deck or self._rng.sample(self._bucket.templates, len(self._bucket.templates))
            filled = self.filled(deck.pop(), known)
            role = "customer" if self._rng.random() < 0.75 else "agent"
            sent.append(Turn(role=role, text=self._with_slips(filled)))
        return Chat(turns=tuple(sent), entities=distinct(known))

    def filled(self, template: Template, known: list[Entity]) -> Filled:
        """Fill a template with new entities, or known ones again; `known` takes the new ones."""
        chosen = []
        for kind in template.types:
            earlier = [each for each in known if each.type == kind]
            if earlier and self._rng.random() < _REPEAT_SHARE:
                chosen.append(self._values.again(self._rng.choice(earlier)))
            else:
                chosen.append(self._values.make(kind))
                known.append(chosen[-1])
        return template.filled(chosen, self._values, self._rng)

    def small_talk(self) -> Turn:
        """Return a turn without entities."""
        draw = self._rng.random()
        if draw < 0.30:
            return Turn(role="agent", text=self._rng.choice(_AGENT_LINES))
        if draw < 0.42:
            return Turn(role="customer", text=self._decoy())
        if draw < 0.48:
            start = self._rng.randrange(len(self._passages) - 3)
            text = " ".join(self._passages[start : start + self._rng.randint(1, 3)])
            return Turn(role=self._rng.choice(("customer", "agent")), text=text)
        return Turn(role="customer", text=self._rng.choice(self._bucket.small_talk))

    def _decoy(self) -> str:
        return self._rng.choice(_DECOYS).format(
            card=self._values.false_card(),
            short=self._rng.randint(100, 9999),
            pair=self._rng.randint(11, 59),
        )

    def _with_slips(self, filled: Filled) -> str:
        words = tuple(_LETTERS.sub(self._slip, piece) for piece in filled.words)
        sigh = self._rng.choice(_SIGHS) if self._rng.random() < self.noise else ""
        return Filled(words=words, pieces=filled.pieces, entities=filled.entities).text + sigh

    def _slip(self, word: re.Match[str]) -> str:
        text = word.group()
        if self._rng.random() >= self.noise:
            return text
        place = self._rng.randrange(1, len(text) - 2)
        swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
        return self._rng.choice((swapped, text[:place] + text[place + 1 :], text + text[-1]))


def distinct(entities: list[Entity]) -> tuple[Entity, ...]:
    """Drop entities that are there already, by their normalized value."""
    first = {(each.type, each.value.casefold()): each for each in reversed(entities)}
    return tuple(each for each in entities if first[each.type, each.value.casefold()] is each)
