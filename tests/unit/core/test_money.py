import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import (
    MAX_AMOUNT,
    NUSD_PER_USD,
    AmountError,
    ExchangeRate,
    ceil_div,
    format_tokens,
    format_usd,
    parse_tokens,
    parse_usd,
)

AMOUNTS = st.integers(0, MAX_AMOUNT)


@given(AMOUNTS)
def test_written_amounts_read_back(amount: int) -> None:
    assert parse_tokens(format_tokens(amount)) == amount
    assert parse_usd(format_usd(amount)) == amount


@pytest.mark.parametrize(
    ("text", "utok"), [("12.5", 12_500_000), ("0.000001", 1), ("0", 0), (" 7 ", 7_000_000)]
)
def test_tokens_are_read_exactly(text: str, utok: int) -> None:
    assert parse_tokens(text) == utok


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "1e3", "1,5", "٣", "0.0000001", "1.", ".5", "NaN", "9" * 14, "1_000"]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(AmountError):
        parse_tokens(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x", "^'x' is no amount of tokens: write"),
        ("0.0000001", "'0.0000001' tokens is finer than the smallest unit, 1/1000000$"),
        ("9999999999999", "'9999999999999' tokens is more than an account"),
        ("0." + "1" * 40, "^'0.1+' (tokens is finer|has too many digits for an amount of tokens)"),
    ],
)
def test_a_refusal_says_why(text: str, why: str) -> None:
    with pytest.raises(AmountError, match=why):
        parse_tokens(text)
    if text != "0.0000001":
        with pytest.raises(AmountError, match=why.replace("tokens", "USD").replace("1000000", "")):
            parse_usd(text)


def test_the_largest_amount_is_the_last_that_is_read() -> None:
    assert parse_tokens(format_tokens(MAX_AMOUNT)) == MAX_AMOUNT
    with pytest.raises(AmountError):
        parse_tokens(format_tokens(MAX_AMOUNT + 1))


def test_a_negative_amount_is_written_with_its_sign() -> None:
    assert format_tokens(-1_500_000) == "-1.5"
    assert format_usd(-1) == "-0.000000001"


@given(nusd=st.integers(0, 10**15), utok_per_usd=st.integers(1, 10**12))
def test_burning_covers_what_issuing_gave(nusd: int, utok_per_usd: int) -> None:
    rate = ExchangeRate(utok_per_usd=utok_per_usd)
    exact = nusd * utok_per_usd
    assert rate.utok_floor(nusd) * NUSD_PER_USD <= exact <= rate.utok_ceil(nusd) * NUSD_PER_USD
    assert rate.utok_ceil(nusd) - rate.utok_floor(nusd) <= 1


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6))
def test_ceil_div_rounds_up(numerator: int, denominator: int) -> None:
    quotient = ceil_div(numerator, denominator)
    assert (quotient - 1) * denominator < numerator <= quotient * denominator


@pytest.mark.parametrize("utok_per_usd", [0, -1])
def test_a_rate_that_issues_nothing_is_refused(utok_per_usd: int) -> None:
    with pytest.raises(AmountError, match=f"not {utok_per_usd} utok per USD"):
        ExchangeRate(utok_per_usd=utok_per_usd)
