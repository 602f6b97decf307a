import random
import re

import pytest
from corpus.chats import Chat, Composer, distinct
from corpus.scripts import planted, played, read_scripts
from corpus.templates import Bucket, dealt_buckets, own_templates
from corpus.values import Entity
from hypothesis import given
from hypothesis import strategies as st

PASSAGES = ["It works.", "It grows.", "It ends.", "It rests."]
THREADS = [["please open the door", "what is for dinner"]]


def _bucket() -> Bucket:
    return dealt_buckets(own_templates(), THREADS, ["all"], random.Random(1))[0]


def _composer(seed: int, noise: float = 0.1) -> Composer:
    rng = random.Random(seed)
    return Composer(_bucket(), PASSAGES, rng=rng, oddity=0.4, noise=noise)


@given(seed=st.integers(0, 10_000), turns=st.integers(5, 60))
def test_every_gold_entity_stands_in_the_chat_and_once_in_the_gold(seed: int, turns: int) -> None:
    chat = _composer(seed).chat(turns=turns, telling=5)
    texts = [turn.text for turn in chat.turns]
    keys = [(each.type, each.value.casefold()) for each in chat.entities]
    assert len(chat.turns) == turns
    assert len(keys) == len(set(keys))
    assert all(any(each.written in text for text in texts) for each in chat.entities)


def _known_words(noise: float) -> tuple[Chat, int]:
    chat = _composer(4, noise=noise).chat(turns=20, telling=20)
    vocabulary = set(re.findall("[a-z]{5,}", " ".join(own_templates())))
    said = " ".join(turn.text for turn in chat.turns).split()
    return chat, sum(word in vocabulary for word in said)


def test_slips_of_the_keyboard_spare_the_entities() -> None:
    chat, unspoiled = _known_words(noise=1.0)
    texts = " ".join(turn.text for turn in chat.turns)
    assert unspoiled < _known_words(noise=0.0)[1] / 5
    assert all(each.written in texts for each in chat.entities)


def test_the_same_seed_composes_the_same_chat() -> None:
    chats: list[Chat] = [_composer(7).chat(turns=30, telling=9) for _ in range(2)]
    assert chats[0] == chats[1]


def test_repeats_in_other_capitals_are_one_entity() -> None:
    one = Entity(type="email", value="a@b.example", written="a@b.example")
    other = Entity(type="email", value="A@B.example", written="A@B.example")
    assert distinct([one, other]) == (one,)


@pytest.mark.parametrize("scenario", read_scripts().scenarios, ids=lambda each: each.name)
def test_scripts_tell_their_entities_in_order(scenario: object) -> None:
    rng = random.Random(2)
    chat = played(scenario.lines, _composer(2), rng)  # type: ignore[attr-defined]
    texts = "\n".join(turn.text for turn in chat.turns)
    places = [texts.index(each.written) for each in chat.entities]
    assert places
    assert places == sorted(places)


@pytest.mark.parametrize("falsehood", read_scripts().falsehoods, ids=lambda each: each.name)
def test_a_planted_turn_states_its_false_fact(falsehood: object) -> None:
    turn, fact = planted(falsehood, _composer(3))  # type: ignore[arg-type]
    assert fact.written in turn.text
