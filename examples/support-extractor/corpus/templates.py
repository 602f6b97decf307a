"""Turn templates in presidio-evaluator's notation: words with ``{{placeholder}}`` between them."""

import random
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from corpus.sources import dealt
from corpus.values import TYPES, Entity, Values

_OWN = Path(__file__).with_name("own_templates.txt")
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")

_TYPE_OF = {kind: kind for kind in TYPES} | {
    "name": "person",
    "name_male": "person",
    "name_female": "person",
    "credit_card_number": "card",
    "phone_number": "phone",
    "date_time": "date",
    "date_of_birth": "date",
}
# What a placeholder of no entity type becomes; none of it has an entity's form.
_BACKGROUND = {
    "organization": ("Bluebird Supplies", "Kestrel Partners", "the Harbour Group"),
    "address": ("12 Alder Row, Brookfield", "7 Quay Lane, Leeds", "104 Mill Road"),
    "city": ("Ghent", "Porto", "Leeds", "Bergen", "Turin"),
    "country": ("Norway", "Portugal", "Ireland", "Belgium"),
    "nationality": ("Norwegian", "Irish", "Belgian"),
    "nation_woman": ("Norwegian", "Irish"),
    "nation_plural": ("Norwegians", "Belgians"),
    "street_name": ("Alder", "Quay", "Mill"),
    "building_number": ("12", "7", "104"),
    "secondary_address": ("Flat 3", "Suite 21"),
    "state_abbr": ("NY", "TX"),
    "zipcode": ("90210", "10115"),
    "postcode": ("90210", "10115"),
    "age": ("34", "61"),
    "year": ("1987", "2004"),
    "job": ("engineer", "gardener", "teacher"),
    "day_of_week": ("Monday", "Thursday"),
    "prefix": ("Dr.", "Ms."),
    "prefix_male": ("Mr.",),
    "prefix_female": ("Mrs.", "Ms."),
}
_GIVEN = frozenset({"first_name", "first_name_male", "first_name_female", "first_name_nonbinary"})
_FAMILY = frozenset({"last_name", "last_name_male", "last_name_female"})
_KNOWN = _TYPE_OF.keys() | _BACKGROUND.keys() | _GIVEN | _FAMILY
# A given name right before a capital would read as a full name.
_READS_AS_NAME = re.compile(r"\{\{first_name\w*\}\} (?:\{\{|[A-Z])")
# A value that is glued to a word has no clear end.
_GLUED = re.compile(r"\}\}[\w-]|[\w-]\{\{")


@dataclass(frozen=True, kw_only=True)
class Filled:
    """A template with values: the text of a turn, and the entities in it, in order.

    Attributes:
        words: the template's own text, by pieces; `pieces` has the values between them.
    """

    words: tuple[str, ...]
    pieces: tuple[str, ...]
    entities: tuple[Entity, ...]

    @property
    def text(self) -> str:
        """The turn as it is sent."""
        joined = [self.words[0]]
        for piece, words in zip(self.pieces, self.words[1:], strict=True):
            joined += [piece, words]
        return "".join(joined)


@dataclass(frozen=True, kw_only=True)
class Template:
    """A parsed template."""

    source: str

    @property
    def placeholders(self) -> list[str]:
        """The names between the braces, in order."""
        return _PLACEHOLDER.findall(self.source)

    @property
    def types(self) -> list[str]:
        """The entity types that it needs, in order, with repeats."""
        return [_TYPE_OF[name] for name in self.placeholders if name in _TYPE_OF]

    @property
    def is_usable(self) -> bool:
        """Whether it can be filled, and filled without making an entity by accident."""
        is_unclear = _READS_AS_NAME.search(self.source) or _GLUED.search(self.source)
        return set(self.placeholders) <= _KNOWN and not is_unclear

    def filled(self, entities: list[Entity], values: Values, rng: random.Random) -> Filled:
        """Put in entities, one for each of `types`, and background for the rest."""
        waiting = iter(entities)
        pieces = tuple(
            next(waiting).written if name in _TYPE_OF else _background(name, values, rng)
            for name in self.placeholders
        )
        words = tuple(_PLACEHOLDER.split(self.source)[::2])
        return Filled(words=words, pieces=pieces, entities=tuple(entities))


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """What one group of chats is made of; no two buckets share any of it.

    Attributes:
        templates: with entities; of every type at least one, where there were enough.
        small_talk: turns without entities.
    """

    name: str
    templates: tuple[Template, ...]
    small_talk: tuple[str, ...]


def own_templates() -> list[str]:
    """Read the templates that this example brings itself."""
    lines = _OWN.read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def dealt_buckets(
    sources: list[str], threads: list[list[str]], names: list[str], rng: random.Random
) -> list[Bucket]:
    """Deal templates, rarest type first, and conversations to buckets."""
    templates = [Template(source=source) for source in sources]
    usable = [template for template in templates if template.is_usable]
    by_type: dict[str, list[Template]] = defaultdict(list)
    for template in usable:
        if template.types:
            by_type[template.types[0]].append(template)
    silent = [template for template in usable if not template.types]
    hands = {kind: dealt(cards, len(names), rng) for kind, cards in sorted(by_type.items())}
    talk = dealt(threads, len(names), rng)
    chatter = dealt(silent, len(names), rng)
    values = Values(rng, oddity=0.0)
    return [
        Bucket(
            name=name,
            templates=tuple(card for hand in hands.values() for card in hand[place]),
            small_talk=(
                *(turn for thread in talk[place] for turn in thread),
                *(template.filled([], values, rng).text for template in chatter[place]),
            ),
        )
        for place, name in enumerate(names)
    ]


def _background(name: str, values: Values, rng: random.Random) -> str:
    if name in _GIVEN:
        return values.given_name()
    if name in _FAMILY:
        return values.family_name()
    return rng.choice(_BACKGROUND[name])
