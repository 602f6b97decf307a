# ruff: noqa: S608 - statements are made of our own names
"""The ledger's rows written bare: accounts and transfers alone, without tree, keys and rules.

The tables are copies of the ledger's, with its columns, checks and indexes, but without foreign
keys. PostgreSQL gets sets (lock the accounts in their order, insert, add up), SQLite a loop.
"""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.ledger_load import Pair, new_key

COLUMNS = (
    ("id", "text"),
    ("batch_key", "text"),
    ("position", "int"),
    ("debit", "text"),
    ("credit", "text"),
    ("amount", "bigint"),
    ("currency", "text"),
    ("kind", "text"),
    ("phase", "text"),
    ("reference", "text"),
    ("memo", "text"),
    ("at", "timestamptz"),
)
_NAMES = ", ".join(name for name, _ in COLUMNS)
_ARRAYS = ", ".join(f"%b::{kind}[]" for _, kind in COLUMNS)
_INSERT = f"INSERT INTO bare_transfers ({_NAMES}) SELECT * FROM unnest({_ARRAYS})"
_LOCK = """
SELECT code FROM bare_accounts JOIN unnest(%b::text[]) AS wanted(key) ON code = key
ORDER BY code FOR UPDATE OF bare_accounts
"""
_ADD_UP = """
UPDATE bare_accounts AS account SET
    debits_posted = account.debits_posted + moved.debits,
    credits_posted = account.credits_posted + moved.credits
FROM (
    SELECT code, sum(debit)::bigint AS debits, sum(credit)::bigint AS credits
    FROM unnest(%b::text[], %b::bigint[], %b::bigint[]) AS leg(code, debit, credit)
    GROUP BY code
) AS moved
WHERE account.code = moved.code
"""
_TABLES = """
CREATE TABLE bare_accounts (LIKE ledger_accounts INCLUDING ALL);
CREATE TABLE bare_transfers (LIKE ledger_transfers INCLUDING ALL);
INSERT INTO bare_accounts SELECT * FROM ledger_accounts;
"""


class BarePostgres:
    """Set-based SQL over psycopg, as fast as it goes without leaving Python."""

    def __init__(self, address: str) -> None:
        self._address = address

    def copy_tables(self) -> None:
        """Make the bare tables, with the ledger's accounts as they are."""
        with psycopg.connect(self._address) as connection:
            connection.execute(_TABLES)

    def connect(self) -> "BareConnection":
        """Open what one thread posts through."""
        return BareConnection(psycopg.connect(self._address))


class BareConnection:
    """Posts sets, each in a transaction of its own."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def post(self, pairs: Sequence[Pair]) -> None:
        """Move one micro-token in each pair."""
        columns = list(zip(*rows_of(pairs, datetime.now(UTC)), strict=True))
        debits = [pair.debit for pair in pairs]
        credits_ = [pair.credit for pair in pairs]
        ones, zeros = [1] * len(pairs), [0] * len(pairs)
        with self._connection.cursor() as cursor:
            cursor.execute(_LOCK, [sorted({*debits, *credits_})], prepare=True)
            cursor.execute(_INSERT, [list(column) for column in columns], prepare=True)
            legs = [debits + credits_, ones + zeros, zeros + ones]
            cursor.execute(_ADD_UP, legs, prepare=True)
        self._connection.commit()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def rows_of(pairs: Sequence[Pair], at: Any) -> list[tuple[Any, ...]]:
    key = new_key()
    return [
        (
            f"tra_{key}{position:06}",
            key,
            position,
            pair.debit,
            pair.credit,
            1,
            "utok",
            "benchmark",
            "posted",
            "benchmark",
            "",
            at,
        )
        for position, pair in enumerate(pairs)
    ]


class BareSqlite:
    """A loop over one connection with the service's durability: WAL, full sync."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        for statement in (
            "PRAGMA journal_mode=WAL",
            "PRAGMA synchronous=FULL",
            "CREATE TABLE bare_accounts AS SELECT * FROM ledger_accounts",
            "CREATE UNIQUE INDEX bare_codes ON bare_accounts (code)",
            f"CREATE TABLE bare_transfers ({_NAMES}, PRIMARY KEY (id)) WITHOUT ROWID",
            "CREATE INDEX bare_debits ON bare_transfers (debit)",
            "CREATE INDEX bare_credits ON bare_transfers (credit)",
            "CREATE INDEX bare_references ON bare_transfers (reference)",
        ):
            self._connection.execute(statement)
        marks = ", ".join("?" * len(COLUMNS))
        self._insert = f"INSERT INTO bare_transfers ({_NAMES}) VALUES ({marks})"

    def post(self, pairs: Sequence[Pair]) -> None:
        """Move one micro-token in each pair, in one transaction."""
        at = datetime.now(UTC).isoformat()
        change = "UPDATE bare_accounts SET {0} = {0} + 1 WHERE code = ?"
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(self._insert, rows_of(pairs, at))
        for column, codes in (
            ("debits_posted", [(pair.debit,) for pair in pairs]),
            ("credits_posted", [(pair.credit,) for pair in pairs]),
        ):
            self._connection.executemany(change.format(column), codes)
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
