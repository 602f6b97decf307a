"""Quotes bound what will be charged, name their tick, and end with it."""

from datetime import timedelta

import pytest

from core.database import Database
from core.money import MAX_AMOUNT, ExchangeRate
from market import (
    JUDGED_CASE,
    SANDBOX_SECOND,
    BadQuantityError,
    Market,
    MaxPriceBelowQuoteError,
    Quote,
    QuoteExpiredError,
    QuoteLine,
    QuoteNotFoundError,
    UnknownResourceError,
    charge,
)
from tests.fakes.clock import FakeClock

RATE = ExchangeRate(utok_per_usd=1_000_000_000)
LINES = (
    QuoteLine(resource=SANDBOX_SECOND, quantity_min_milliunits=0, quantity_max_milliunits=300_000),
    QuoteLine(
        resource=JUDGED_CASE, quantity_min_milliunits=100_000, quantity_max_milliunits=500_000
    ),
)
FEE_UTOK = 5_000_000


def make(
    database: Database,
    market: Market,
    *,
    lines: tuple[QuoteLine, ...] = LINES,
    fee_utok: int = FEE_UTOK,
) -> Quote:
    with database.transaction() as session:
        return market.quote(session, lines=lines, fee_utok=fee_utok, exchange_rate=RATE)


def confirm(
    database: Database, market: Market, quote_id: str, *, max_price_utok: int = MAX_AMOUNT
) -> Quote:
    with database.reading() as session:
        return market.confirm(session, quote_id, max_price_utok=max_price_utok)


def test_a_quote_adds_the_fee_and_every_line(
    database: Database, market: Market, clock: FakeClock
) -> None:
    quote = make(database, market)
    assert quote.minimum_utok == FEE_UTOK + 200_000  # 100 cases
    assert quote.maximum_utok == FEE_UTOK + 30_000_000 + 1_000_000
    assert [line.unit_price_pusd for line in quote.lines] == [100_000_000, 2_000_000]
    assert (quote.tick_sequence, quote.utok_per_usd) == (1, RATE.utok_per_usd)
    assert quote.expires_at == clock.now() + timedelta(seconds=60)


def test_a_quote_follows_congestion(database: Database, market: Market, clock: FakeClock) -> None:
    calm = make(database, market)
    with database.transaction() as session:
        market.acquire(session, resource=SANDBOX_SECOND, holder="o", quantity=8, ttl_s=60)
    clock.advance(seconds=60)
    busy = make(database, market)
    assert busy.tick_sequence == 2
    assert busy.maximum_utok - calm.maximum_utok == 9_000_000


def test_what_is_charged_at_the_quotes_tick_lies_within_its_bounds(
    database: Database, market: Market
) -> None:
    quote = make(database, market)
    with database.reading() as session:
        vector = market.vector(session, quote.tick_sequence)
    for quoted in quote.lines:
        line = quoted.line
        for quantity in (line.quantity_min_milliunits, 123_457, line.quantity_max_milliunits):
            made = charge(
                vector,
                resource=line.resource,
                quantity_milliunits=quantity,
                exchange_rate=ExchangeRate(utok_per_usd=quote.utok_per_usd),
            )
            assert quoted.minimum_utok <= made.charge_utok <= quoted.maximum_utok


def test_a_quote_is_found_as_it_was_made(database: Database, market: Market) -> None:
    quote = make(database, market)
    assert confirm(database, market, quote.id, max_price_utok=quote.minimum_utok) == quote


def test_a_quote_ends_with_its_tick(database: Database, market: Market, clock: FakeClock) -> None:
    with database.transaction() as session:
        market.current(session)
    clock.advance(seconds=59)
    quote = make(database, market)
    confirm(database, market, quote.id)
    clock.advance(seconds=1)
    with pytest.raises(QuoteExpiredError):
        confirm(database, market, quote.id)


def test_a_limit_below_the_minimum_is_refused(database: Database, market: Market) -> None:
    quote = make(database, market)
    with pytest.raises(MaxPriceBelowQuoteError):
        confirm(database, market, quote.id, max_price_utok=quote.minimum_utok - 1)


def test_an_unknown_quote_is_named(database: Database, market: Market) -> None:
    with pytest.raises(QuoteNotFoundError, match="quo_none") as refusal:
        confirm(database, market, "quo_none")
    assert refusal.value.reason == "quote_not_found"


def test_a_quote_for_a_resource_without_a_price_is_refused(
    database: Database, market: Market
) -> None:
    line = QuoteLine(resource="moon-dust", quantity_min_milliunits=1, quantity_max_milliunits=1)
    with pytest.raises(UnknownResourceError):
        make(database, market, lines=(line,))


def test_quotes_have_limits(database: Database, market: Market) -> None:
    with pytest.raises(BadQuantityError, match="1 to 100 lines"):
        make(database, market, lines=())
    with pytest.raises(BadQuantityError, match="1 to 100 lines"):
        make(database, market, lines=LINES * 51)
    with pytest.raises(BadQuantityError, match="fee"):
        make(database, market, fee_utok=-1)
    with pytest.raises(BadQuantityError, match="more than an account"):
        make(database, market, fee_utok=MAX_AMOUNT)
