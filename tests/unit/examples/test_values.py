import random
import re
from datetime import date
from decimal import Decimal

import pytest
from corpus.people import read_people
from corpus.values import TYPES, Entity, Values, iban_check_digits, luhn_check_digit
from hypothesis import given
from hypothesis import strategies as st

SEEDS = st.integers(min_value=0, max_value=2**32)


@pytest.mark.parametrize(
    "number", ["4111111111111111", "5500005555555559", "378282246310005", "6011000990139424"]
)
def test_check_digits_complete_known_test_cards(number: str) -> None:
    assert luhn_check_digit(number[:-1]) == number[-1]


@pytest.mark.parametrize(
    "iban", ["DE89370400440532013000", "GB82WEST12345698765432", "FR1420041010050500013M02606"]
)
def test_check_digits_complete_known_example_ibans(iban: str) -> None:
    assert iban_check_digits(iban[:2], iban[4:]) == iban[2:4]


@given(seed=SEEDS)
def test_made_ibans_satisfy_mod_97_in_their_own_right(seed: int) -> None:
    iban = Values(random.Random(seed), oddity=1.0).make("iban").value
    rotated = iban[4:] + iban[:4]
    assert int("".join(str(int(each, 36)) for each in rotated)) % 97 == 1


@given(seed=SEEDS)
def test_false_cards_fail_the_luhn_check(seed: int) -> None:
    number = Values(random.Random(seed), oddity=0.0).false_card()
    assert len(number) == 16
    assert luhn_check_digit(number[:-1]) != number[-1]


@given(seed=SEEDS, kind=st.sampled_from(TYPES))
def test_the_same_seed_makes_the_same_entity(seed: int, kind: str) -> None:
    first = Values(random.Random(seed), oddity=0.5).make(kind)
    assert Values(random.Random(seed), oddity=0.5).make(kind) == first


@given(seed=SEEDS, kind=st.sampled_from(TYPES))
def test_what_is_written_can_be_read_back_as_the_value(seed: int, kind: str) -> None:
    values = Values(random.Random(seed), oddity=0.5)
    entity = values.make(kind)
    for each in (entity, values.again(entity)):
        assert each.value == entity.value
        assert _read_back(each) == entity.value.casefold()


def test_name_lists_share_no_name() -> None:
    people = read_people()
    names = [*people.given, *people.rare, *people.family]
    assert len(names) == len(set(names))


def _read_back(entity: Entity) -> str:
    """Undo the ways of writing, by rules of this test's own."""
    text = entity.written
    if entity.type == "date":
        return _day(text).isoformat()
    if entity.type == "amount":
        number = re.sub(r"[^\d.]", "", text)
        return f"{Decimal(number):.2f}"
    if entity.type == "phone":
        return re.sub(r"[^\d+]", "", text)
    if entity.type in ("card", "iban"):
        return re.sub(r"[ -]", "", text).casefold()
    if entity.type == "order_id":
        return re.sub(r"^(?:no\.|[#(\[\"])|[)\]\"]$", "", text).casefold()
    return text.casefold()


def _day(text: str) -> date:
    numbers = [int(each) for each in re.findall(r"\d+", text)]
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return date(*numbers)
    if not re.search("[a-z]{3}", text, re.IGNORECASE):
        return date(numbers[2], numbers[1], numbers[0])
    names = "jan feb mar apr may jun jul aug sep oct nov dec".split()  # noqa: SIM905 - a table
    word = next(each for each in re.findall("[A-Za-z]{3,}", text))
    return date(numbers[1], names.index(word[:3].lower()) + 1, numbers[0])
