"""Price tables, ticks, quotes and listings cannot be changed, not even around the service."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from core.database import Database
from core.money import ExchangeRate
from market import JUDGED_CASE, Market, QuoteLine

FREE_COLUMN = {  # one that no check constrains
    "market_price_tables": "at",
    "market_ticks": "table_version",
    "market_quotes": "utok_per_usd",
    "market_listings": "tick_sequence",
}
TABLES = sorted(FREE_COLUMN)


@pytest.fixture(autouse=True)
def one_row_each(database: Database, market: Market) -> None:
    line = QuoteLine(resource=JUDGED_CASE, quantity_min_milliunits=1, quantity_max_milliunits=1)
    with database.transaction() as session:
        market.quote(
            session, lines=(line,), fee_utok=0, exchange_rate=ExchangeRate(utok_per_usd=1)
        )
        market.list_version(session, artifact="a/b", digest="sha256:0", making_cost_utok=1)


def execute(database: Database, *commands: str) -> None:
    with database.transaction() as session:
        for command in commands:
            session.execute(text(command))


@pytest.mark.parametrize("table", TABLES)
def test_rows_are_neither_updated_nor_deleted(database: Database, table: str) -> None:
    column = FREE_COLUMN[table]
    change = f"UPDATE {table} SET {column} = {column}"  # noqa: S608 - names of this module
    removal_of_all = f"DELETE FROM {table}"  # noqa: S608 - names of this module
    for statement in (change, removal_of_all):
        with pytest.raises(DatabaseError, match=f"{table} is append-only"):
            execute(database, statement)


@pytest.mark.parametrize("table", TABLES)
def test_rows_are_not_replaced_or_truncated(database: Database, table: str) -> None:
    if database.is_sqlite:
        change = [
            "PRAGMA recursive_triggers=OFF",  # as other programs have it
            f"REPLACE INTO {table} SELECT * FROM {table}",  # noqa: S608 - as above
        ]
    else:
        change = [f"TRUNCATE {table}"]
    with pytest.raises(DatabaseError, match=f"{table} is append-only"):
        execute(database, *change)
