from datetime import UTC, datetime
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import MAX_AMOUNT, ExchangeRate
from ledger import Attempt, AttemptStatus, UsageError, UsageLine
from ledger.attempts import billing_of
from ledger.usage import charge_of, line_charges

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def attempt(*, kappa: int, bound_nusd: int, bound_utok: int) -> Attempt:
    return Attempt(
        id="a",
        budget="acme",
        budget_path="acme",
        day="2026-01-05",
        fiat_account="fiat-budget:acme:2026-01-05",
        owner="acme",
        payer="wallet:acme",
        provider="p",
        resource="r",
        reference="",
        bound_nusd=bound_nusd,
        bound_utok=bound_utok,
        utok_per_usd=kappa,
        fiat_hold_id="f",
        token_hold_id="t",
        status=AttemptStatus.ADMITTED,
        liability_nusd=bound_nusd,
        admitted_at=NOW,
    )


def line(quantity: int, base: int, price: int) -> UsageLine:
    return UsageLine(
        resource="r", quantity=quantity, unit="u", base_price_pusd=base, unit_price_pusd=price
    )


lines_of = st.lists(
    st.builds(
        lambda quantity, base, premium: line(quantity, base, base + premium),
        st.integers(0, 10**6),
        st.integers(0, 10**6),
        st.integers(0, 10**6),
    ),
    max_size=5,
)


@given(
    lines=lines_of,
    kappa=st.integers(1, 10**12),
    bound_nusd=st.integers(1, 10**10),
    room=st.integers(0, 10**9),
)
def test_charges_are_exact_bounded_and_add_up(
    lines: list[UsageLine], kappa: int, bound_nusd: int, room: int
) -> None:
    rate = ExchangeRate(utok_per_usd=kappa)
    bound_utok = rate.utok_ceil(bound_nusd) + room
    payer = attempt(kappa=kappa, bound_nusd=bound_nusd, bound_utok=bound_utok)
    whole = charge_of(payer, lines)
    cost_pusd = sum(entry.quantity * entry.base_price_pusd for entry in lines)
    assert whole.cost_nusd == ceil(Fraction(cost_pusd, 1_000))
    counted = min(whole.cost_nusd, bound_nusd)
    assert whole.burn_utok == ceil(Fraction(counted * kappa, 10**9))
    assert whole.burn_utok <= whole.charge_utok <= bound_utok
    parts = line_charges(payer, lines)
    for name in ("cost_nusd", "burn_utok", "charge_utok"):
        assert sum(getattr(part, name) for part in parts) == getattr(whole, name)
        assert all(getattr(part, name) >= 0 for part in parts)


def test_a_premium_is_what_the_market_price_adds() -> None:
    payer = attempt(kappa=10**9, bound_nusd=1_000, bound_utok=5_000)
    charge = charge_of(payer, [line(10, 50_000, 75_000)])
    assert (charge.cost_nusd, charge.burn_utok, charge.charge_utok) == (500, 500, 750)


@pytest.mark.parametrize(
    ("quantity", "base", "price"),
    [(-1, 1, 1), (1, -1, 1), (1, 2, 1), (1, 1, MAX_AMOUNT + 1), (2, 1, MAX_AMOUNT)],
)
def test_lines_that_make_no_sense_are_refused(quantity: int, base: int, price: int) -> None:
    with pytest.raises(UsageError):
        line(quantity, base, price)


def test_quality_is_a_share() -> None:
    with pytest.raises(UsageError):
        UsageLine(
            resource="r",
            quantity=1,
            unit="u",
            base_price_pusd=1,
            unit_price_pusd=1,
            quality=float("nan"),
        )


def test_a_charge_past_64_bits_stops_at_the_bound() -> None:
    payer = attempt(kappa=10**15, bound_nusd=1, bound_utok=MAX_AMOUNT)
    charge = charge_of(payer, [line(1, 0, MAX_AMOUNT)] * 100)
    assert charge.charge_utok == MAX_AMOUNT


@pytest.mark.parametrize(
    ("cost", "rest", "expected"),
    [(7, 0, (7, 0, 0)), (10, 5, (10, 0, 0)), (13, 5, (10, 3, 3)), (18, 5, (10, 8, 5))],
)
def test_a_cost_is_split_at_its_bound(cost: int, rest: int, expected: tuple[int, ...]) -> None:
    billing = billing_of(cost_nusd=cost, bound_nusd=10, rest_nusd=rest)
    found = (billing.posted_nusd, billing.overbilled_nusd, billing.recovered_nusd)
    assert found == expected
