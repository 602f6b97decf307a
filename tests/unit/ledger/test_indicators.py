from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.indicators import gini, velocity


def by_definition(balances: list[int]) -> float:
    """The mean absolute difference of all pairs, relative to twice the mean."""
    count = len(balances)
    differences = sum(abs(x - y) for x in balances for y in balances)
    return differences / (2 * count * sum(balances))


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=30).filter(any))
def test_gini_is_what_its_definition_says(balances: list[int]) -> None:
    assert gini(balances) == pytest.approx(by_definition(balances), abs=1e-12)


def test_gini_at_its_ends() -> None:
    assert gini([5, 5, 5, 5]) == 0
    assert gini([0, 0, 0, 12]) == 0.75
    assert gini([]) is None
    assert gini([0, 0]) is None


def test_velocity_is_payments_over_money() -> None:
    assert velocity(300, Fraction(200)) == 1.5
    assert velocity(0, Fraction(0)) is None
