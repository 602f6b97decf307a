import random

import pytest
from corpus.sources import dealt, is_plain
from corpus.templates import Template, dealt_buckets, own_templates
from corpus.values import TYPES, Values


@pytest.fixture
def values() -> Values:
    return Values(random.Random(3), oddity=0.3)


def test_values_stand_where_the_placeholders_stood(values: Values) -> None:
    template = Template(source="Refund {{amount}} for {{order_id}}, {{first_name}}!")
    entities = [values.make(kind) for kind in template.types]
    filled = template.filled(entities, values, random.Random(1))
    start = f"Refund {entities[0].written} for {entities[1].written}, "
    assert template.types == ["amount", "order_id"]
    assert filled.text.startswith(start)
    assert filled.text.removeprefix(start).rstrip("!") == filled.pieces[2]


@pytest.mark.parametrize(
    "source",
    [
        "Here's my SSN: {{ssn}}",
        "{{first_name}} {{last_name}} called",
        "{{first_name}} Station is closed",
        "{{phone_number}}-Office",
        "x{{iban}}",
    ],
)
def test_templates_that_would_make_unclear_gold_are_not_used(source: str) -> None:
    assert not Template(source=source).is_usable


def test_the_words_of_our_own_templates_are_plain() -> None:
    for source in own_templates():
        words, kinds = source, Template(source=source).types
        for kind in kinds:
            words = words.replace(f"{{{{{kind}}}}}", "")
        assert kinds, source
        assert Template(source=source).is_usable, source
        assert is_plain(words), source


@pytest.mark.parametrize(
    "text", ["call 5", "a@b", "for $", "ask Anna Schmidt", "the \u20ac sign", "see Bob  Ray"]
)
def test_text_in_the_form_of_an_entity_is_not_plain(text: str) -> None:
    assert not is_plain(text)


@pytest.mark.parametrize("text", ["well Anna, how are you?", "I SAID NO.", "ask Anna. Then go"])
def test_ordinary_words_are_plain(text: str) -> None:
    assert is_plain(text)


def test_dealing_loses_nothing_and_gives_nothing_twice() -> None:
    hands = dealt(list(range(31)), 4, random.Random(5))
    assert sorted(card for hand in hands for card in hand) == list(range(31))
    assert {len(hand) for hand in hands} == {7, 8}


def test_buckets_share_no_template_and_no_turn() -> None:
    threads = [[f"turn {letter} one", f"turn {letter} two"] for letter in "abcdefghij"]
    buckets = dealt_buckets(own_templates(), threads, ["x", "y", "z"], random.Random(9))
    for member in ("templates", "small_talk"):
        seen = [each for bucket in buckets for each in getattr(bucket, member)]
        assert len(seen) == len(set(seen))
    for bucket in buckets:
        assert {kind for each in bucket.templates for kind in each.types} == set(TYPES)
