# ruff: noqa: S608 - statements are made of our own names
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.database import metadata
from ledger import Hold
from ledger.store.tables import APPEND_ONLY
from tests.fakes.bank import TOKEN, USD, Bank

CHANGES = {
    "ledger_transfers": "amount = 1",
    "ledger_usage": "burn_utok = 0",
    "ledger_loans": "amount = 1",
    "ledger_issuance_decisions": "issued_utok = 1",
    "ledger_budget_settings": "daily_limit_nusd = 1",
    "ledger_log_entries": "record = 'x'",
    "ledger_checkpoints": "size = 0",
}


@pytest.fixture
def used(funded: Bank) -> Bank:
    """Every append-only table has a row."""
    funded.admit()
    funded.settle()
    funded.observing.admit("beyond", bound_nusd=20 * USD, bound_utok=20_000 * TOKEN)
    funded.checkpoint()
    return funded


def refuse(bank: Bank, statement: str, why: str = "append-only") -> None:
    """Run a statement as a stranger would, without what our own connections switch on."""
    with bank.database.writing_engine.connect() as connection:
        if bank.database.is_sqlite:
            connection.execute(text("PRAGMA recursive_triggers=OFF"))
        with pytest.raises(DBAPIError, match=why):
            connection.execute(text(statement))


def test_no_row_is_changed_or_removed(used: Bank, subtests: pytest.Subtests) -> None:
    for table, change in CHANGES.items():
        with subtests.test(table):
            check_guard(used, table, change)


def check_guard(used: Bank, table: str, change: str) -> None:
    with used.database.reading() as session:
        before = session.execute(metadata.tables[table].select()).all()
    assert before
    refuse(used, f"UPDATE {table} SET {change}")
    refuse(used, f"DELETE FROM {table}")
    if used.database.is_sqlite:
        for verb in ("INSERT OR REPLACE", "REPLACE"):
            refuse(used, f"{verb} INTO {table} SELECT * FROM {table} LIMIT 1")
    else:
        refuse(used, f"TRUNCATE {table} CASCADE")
    with used.database.reading() as session:
        assert session.execute(metadata.tables[table].select()).all() == before


def test_a_replacing_insert_by_another_unique_key_is_refused(used: Bank) -> None:
    if not used.database.is_sqlite:
        pytest.skip("PostgreSQL has no replacing insert")
    columns = [column.name for column in metadata.tables["ledger_issuance_decisions"].columns]
    values = ["'forged'" if name == "id" else name for name in columns]
    refuse(
        used,
        f"INSERT OR REPLACE INTO ledger_issuance_decisions ({', '.join(columns)})"
        f" SELECT {', '.join(values)} FROM ledger_issuance_decisions",
    )


def test_every_append_only_table_is_guarded_here() -> None:
    assert {table.name for table in APPEND_ONLY} == CHANGES.keys()


FORWARD = {
    "ledger_accounts": (
        "floor = 0 WHERE floor IS NULL",
        "floor = NULL WHERE floor = 0",
        "floor = -5 WHERE floor = 0",
        "currency = 'nusd' WHERE code = 'burn'",
        "code = 'burned' WHERE code = 'burn'",
        "credits_posted = credits_posted - 1 WHERE code = 'burn'",
        "debits_posted = debits_posted - 1 WHERE code = 'mint'",
    ),
    "ledger_holds": (
        "amount = amount - 1 WHERE status = 'open'",
        "debit = 'wallet:thief' WHERE status = 'open'",
        "credit = 'wallet:thief' WHERE status = 'open'",
        "expires_at = NULL WHERE expires_at IS NOT NULL",
        "expires_at = (SELECT max(at) FROM ledger_transfers) WHERE expires_at IS NULL",
        "status = 'open' WHERE status = 'posted'",
        "status = 'voided' WHERE status = 'posted'",
    ),
}


def test_accounts_and_holds_only_go_forward(funded: Bank, subtests: pytest.Subtests) -> None:
    funded.admit("settled")
    funded.settle("settled")
    funded.admit("open")
    funded.post(
        Hold(
            debit="wallet:acme.bot",
            credit="escrow:o",
            amount=1,
            kind="test",
            expires_at=funded.clock.now() + timedelta(days=1),
        ),
        key="expiring",
    )
    for table, changes in FORWARD.items():
        for change in (f"UPDATE {table} SET {change}" for change in changes):
            with subtests.test(change):
                rows = change.partition(" WHERE ")[2]
                with funded.database.reading() as session:
                    hit = text(f"SELECT count(*) FROM {table} WHERE {rows}")
                    assert session.execute(hit).scalar_one() > 0
                refuse(funded, change, "only goes forward")
        refuse(funded, f"DELETE FROM {table}", "only goes forward")
        if funded.database.is_sqlite:
            replacing = f"REPLACE INTO {table} SELECT * FROM {table} LIMIT 1"
        else:
            replacing = f"TRUNCATE {table} CASCADE"
        refuse(funded, replacing, "forward|append-only")
    assert funded.verify().verified


def test_a_batch_keeps_its_key_so_that_it_posts_once(funded: Bank) -> None:
    funded.post(Hold(debit="wallet:acme.bot", credit="escrow:o", amount=1, kind="test"), key="a")
    for change in (
        "UPDATE ledger_batches SET at = (SELECT at FROM ledger_batches LIMIT 1), key = 'b'",
        "UPDATE ledger_batches SET request_hash = 'x'",
        "DELETE FROM ledger_batches WHERE key = 'post:a'",
    ):
        refuse(funded, change, "ledger_batches only goes forward")
    if funded.database.is_sqlite:  # a replacing insert changes nothing
        with funded.database.transaction() as session:
            session.execute(
                text(
                    "INSERT OR REPLACE INTO ledger_batches (key, request_hash, at)"
                    " SELECT key, 'other', at FROM ledger_batches"
                )
            )
    again = funded.post(
        Hold(debit="wallet:acme.bot", credit="escrow:o", amount=1, kind="test"), key="a"
    )
    assert again.is_replay
    assert funded.account("wallet:acme.bot").debits_held == 1
