import random
from collections import Counter

import pytest
from sklearn.metrics import f1_score

from gold import Counts, Entity
from gold.entities import (
    JsonPointer,
    Normalization,
    bag_of,
    count_matches,
    normalize,
    read_entities,
)

DECIMAL = Normalization.DECIMAL


@pytest.mark.parametrize(
    ("value", "how", "expected"),
    [
        ("  Ann ", Normalization.EXACT, "Ann"),
        ("\N{FULLWIDTH LATIN CAPITAL LETTER A}", Normalization.EXACT, "A"),
        ("ANN@X.ORG", Normalization.CASEFOLD, "ann@x.org"),
        ("+49 (0)30-12", Normalization.DIGITS, "4903012"),
        ("DE12 3456", Normalization.ALPHANUMERIC, "de123456"),
        ("1,049.00", DECIMAL, "1049"),
        ("1.049,50", DECIMAL, "1049.5"),
        ("89,90", DECIMAL, "89.9"),
        ("2,499", DECIMAL, "2499"),
        ("1,234,567", DECIMAL, "1234567"),
        ("EUR 0019.90", DECIMAL, "19.9"),
        ("-5.0", DECIMAL, "-5"),
        ("0.50", DECIMAL, "0.5"),
        ("nothing", DECIMAL, "nothing"),
    ],
)
def test_normalization(value: str, how: Normalization, expected: str) -> None:
    assert normalize(value, how) == expected


def test_a_pointer_finds_or_finds_nothing() -> None:
    value = {"a/b": [{"~": 1}]}
    assert JsonPointer("/a~1b/0/~0").find(value) == 1
    assert JsonPointer("").find(value) is value
    assert JsonPointer("/a~1b/1").find(value) is None
    assert JsonPointer("/x/y").find(value) is None
    with pytest.raises(ValueError, match="begins with"):
        JsonPointer("entities")


@pytest.mark.parametrize("output", [None, 3, {}, {"entities": {"type": "a"}}])
def test_an_output_without_a_list_claims_nothing(output: object) -> None:
    assert read_entities(output, JsonPointer("/entities")) == []


def test_an_item_that_is_no_entity_is_a_wrong_claim() -> None:
    claimed = bag_of(read_entities([{"type": "a", "value": 3}, "x"], JsonPointer("")), {})
    counts = count_matches(bag_of([Entity(type="a", value="3")], {}), claimed)
    assert sum(counts.values(), Counts()) == Counts(false_positives=2, false_negatives=1)


def test_matches_are_one_to_one() -> None:
    twice = bag_of([Entity(type="a", value="x")] * 2, {})
    thrice = bag_of([Entity(type="a", value="x")] * 3, {})
    assert count_matches(twice, thrice) == {"a": Counts(true_positives=2, false_positives=1)}
    assert count_matches(thrice, twice) == {"a": Counts(true_positives=2, false_negatives=1)}


def test_a_value_under_another_type_does_not_match() -> None:
    counts = count_matches(Counter({("a", "x"): 1}), Counter({("b", "x"): 1}))
    assert counts == {"a": Counts(false_negatives=1), "b": Counts(false_positives=1)}


def test_f1_of_nothing_expected_and_nothing_claimed_is_one() -> None:
    assert Counts().f1.fraction == 1


def test_micro_f1_equals_scikit_learns() -> None:
    """Every (conversation, type, value) is one binary label, since sets of them are compared."""
    chance = random.Random(3)
    labels = [(kind, value) for kind in "abc" for value in "vwxyz"]
    for _ in range(20):
        total, truth, guess = Counts(), [], []
        for _conversation in range(15):
            expected = {label for label in labels if chance.random() < 0.3}
            claimed = {label for label in labels if chance.random() < 0.3}
            total += sum(count_matches(Counter(expected), Counter(claimed)).values(), Counts())
            truth += [label in expected for label in labels]
            guess += [label in claimed for label in labels]
        assert float(total.f1.fraction) == pytest.approx(f1_score(truth, guess), abs=1e-12)
