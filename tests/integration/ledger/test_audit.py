import json
from collections.abc import Callable
from functools import partial

import pytest
from sqlalchemy import text

from aem.proof import (
    CHECKPOINT_PAYLOAD_TYPE,
    Checkpoint,
    Envelope,
    KeyPurpose,
    Signature,
    sign_envelope,
)
from ledger import ddl
from tests.fakes.bank import USD, Bank, line
from tests.fakes.keys import FakeKeys

FIAT_DAY = "fiat-budget:acme:2026-01-05"


@pytest.fixture
def used(funded: Bank) -> Bank:
    """Two days, with one attempt of each kind, checkpoints between, and a hold still open."""
    for attempt_id in ("try-1", "try-2"):
        funded.admit(attempt_id)
        funded.settle(attempt_id, line(200), line(100))
        funded.do(funded.ledger.checkpoint)
    funded.admit("lost", bound_utok=1_000_000_000)
    funded.do(funded.metering.lose, attempt_id="lost")
    funded.clock.advance(days=1)
    funded.do(funded.ledger.checkpoint)
    funded.admit("open", bound_nusd=5, bound_utok=5_000_000)
    return funded


def tamper(bank: Bank, *statements: str) -> None:
    """Change rows as somebody who owns the database."""
    with bank.database.engine.begin() as connection:
        dialect = connection.dialect.name
        for statement in ddl.removal(dialect):
            connection.exec_driver_sql(statement)
        for statement in statements:
            assert connection.execute(text(statement)).rowcount > 0
        for statement in ddl.statements(dialect):
            connection.exec_driver_sql(statement)


def broken(bank: Bank, outside: Envelope | None = None) -> set[str]:
    report = bank.verify(outside)
    statements = report.to_json()["statements"]
    assert report.verified is False
    return {name for name, finding in statements.items() if not finding["holds"]}


def first_bad(bank: Bank) -> tuple[str, str]:
    bad = bank.verify().first_bad
    assert bad is not None
    return bad.record, bad.id


def one(bank: Bank, query: str) -> str:
    with bank.database.reading() as session:
        return str(session.execute(text(query)).scalar_one())


def test_an_honest_ledger_is_verified_with_its_figures(used: Bank) -> None:
    report = used.verify()
    assert report.verified
    assert report.first_bad is None
    assert report.log.figures["checkpoints"] == 3
    assert report.balances.figures["open_holds"] == 2
    assert report.identity.figures["money_utok"] == (
        report.identity.figures["issued_utok"] - report.identity.figures["burned_utok"]
    )
    assert report.fiat.figures == {
        "days": 2,
        "admitted_nusd": 600_000_000 + USD + 5,
        "budget_nusd": 20 * USD,
    }
    assert json.loads(json.dumps(report.to_json()))["verified"] is True


def test_an_empty_ledger_is_verified(bank: Bank) -> None:
    assert bank.verify().verified
    bank.do(bank.ledger.checkpoint)
    assert bank.verify().log.figures == {"size": 0, "checkpoints": 1}


@pytest.mark.parametrize(
    ("table", "where", "change", "record", "statements"),
    [
        ("ledger_transfers", "kind = 'allocation'", "amount = amount - 1", "transfer", "balances"),
        ("ledger_transfers", "kind = 'allocation'", "memo = 'forged'", "transfer", ""),
        ("ledger_transfers", "kind = 'suspense'", "amount = amount + 10000000000", "transfer",
         "balances fiat"),
        ("ledger_usage", "status = 'unknown'", "burn_utok = burn_utok - 1", "usage", "identity"),
        ("ledger_usage", "status = 'unknown'", "quality = 0.25", "usage", ""),
        ("ledger_issuance_decisions", "day = '2026-01-05'", "issued_utok = issued_utok + 1",
         "issuance_decision", "identity"),
        ("ledger_issuance_decisions", "day = '2026-01-05'", "daily_limit_nusd = 5",
         "issuance_decision", "fiat"),
        ("ledger_budget_settings", "number = 1", "actor = 'forged'", "budget_setting", ""),
    ],
)  # fmt: skip
def test_an_edited_record_is_named(
    used: Bank, table: str, where: str, change: str, record: str, statements: str
) -> None:
    record_id = one(used, f"SELECT id FROM {table} WHERE {where}")
    tamper(used, f"UPDATE {table} SET {change} WHERE id = '{record_id}'")
    assert broken(used) == {"log", *statements.split()}
    assert first_bad(used) == (record, record_id)


def test_an_edited_log_entry_is_named(used: Bank) -> None:
    tamper(used, "UPDATE ledger_log_entries SET leaf_hash = (SELECT leaf_hash FROM"
                 " ledger_log_entries WHERE number = 4) WHERE number = 3")  # fmt: skip
    assert broken(used) == {"log"}
    assert first_bad(used) == ("log_entry", "3")


def test_an_edited_balance_is_named(used: Bank) -> None:
    wallet = "code = 'wallet:acme.bot'"
    tamper(used, f"UPDATE ledger_accounts SET credits_posted = credits_posted + 1 WHERE {wallet}")
    assert broken(used) == {"balances"}
    assert first_bad(used) == ("account", "wallet:acme.bot")


@pytest.mark.parametrize(
    ("statement", "record"),
    [
        ("UPDATE ledger_accounts SET floor = NULL WHERE code = 'wallet:acme.bot'", "account"),
        ("UPDATE ledger_accounts SET currency = 'forged' WHERE code = 'burn'", "account"),
        ("UPDATE ledger_holds SET amount = 1 WHERE status = 'open'", "hold"),
        ("UPDATE ledger_holds SET status = 'voided' WHERE status = 'open'", "hold"),
    ],
)
def test_edited_state_is_named(used: Bank, statement: str, record: str) -> None:
    tamper(used, statement)
    assert broken(used) == {"balances"}
    assert first_bad(used)[0] == record


def test_an_invented_account_is_named(used: Bank) -> None:
    tamper(used, "INSERT INTO ledger_accounts SELECT 'wallet:thief', currency, floor, 7, 0, 0, 0"
                 " FROM ledger_accounts WHERE code = 'burn'")  # fmt: skip
    assert broken(used) == {"balances"}
    assert first_bad(used) == ("account", "wallet:thief")


def test_a_removed_record_is_named(used: Bank) -> None:
    record_id = one(used, "SELECT id FROM ledger_usage WHERE status = 'unknown'")
    tamper(used, f"DELETE FROM ledger_usage WHERE id = '{record_id}'")
    assert broken(used) == {"log", "identity"}
    assert first_bad(used) == ("usage", record_id)


def test_an_invented_record_is_named(used: Bank) -> None:
    columns = "budget, number, effective_day, daily_limit_nusd, utok_per_usd, reserve_share_ppm"
    tamper(used, f"INSERT INTO ledger_budget_settings (id, {columns}, actor, at) SELECT 'forged',"
                 " budget, 99, effective_day, 1, 1, 1, actor, at FROM ledger_budget_settings")  # fmt: skip
    assert broken(used) == {"log"}
    assert first_bad(used) == ("budget_setting", "forged")


@pytest.mark.parametrize("number", ["0", "5"])
def test_a_removed_log_entry_is_missed(used: Bank, number: str) -> None:
    tamper(used, f"DELETE FROM ledger_log_entries WHERE number = {number}")
    assert "log" in broken(used)
    assert first_bad(used) == ("log_entry", number)


def test_reordered_entries_are_found(used: Bank) -> None:
    tamper(
        used,
        "UPDATE ledger_log_entries SET number = 1000 WHERE number = 3",
        "UPDATE ledger_log_entries SET number = 3 WHERE number = 4",
        "UPDATE ledger_log_entries SET number = 4 WHERE number = 1000",
    )
    assert "log" in broken(used)


def test_a_log_that_was_cut_back_is_ahead_of_no_checkpoint(used: Bank) -> None:
    outside = used.do(used.ledger.checkpoint)
    size = Checkpoint.from_payload(outside.payload).size
    tamper(used, f"DELETE FROM ledger_log_entries WHERE number >= {size - 1}")
    bad = used.verify().log.first_bad
    assert bad is not None
    assert bad.record == "checkpoint"
    assert "ahead of the log" in bad.why


def test_a_history_rewritten_whole_is_shown_by_an_outside_checkpoint(used: Bank) -> None:
    other = Checkpoint(origin="ledger.example", size=3, root=b"r" * 32)

    def sign(message: bytes) -> Signature:
        return used.signer.sign(KeyPurpose.CHECKPOINT, message)

    outside = sign_envelope(
        payload_type=CHECKPOINT_PAYLOAD_TYPE, payload=other.to_payload(), sign=sign
    )
    assert broken(used, outside) == {"log"}
    honest = used.do(used.ledger.checkpoint)
    assert used.verify(honest).verified


@pytest.mark.parametrize(
    "change",
    [
        lambda c, sign: (Checkpoint(origin="other", size=c.size, root=c.root), sign),
        lambda c, sign: (c, FakeKeys("stranger").signer),
    ],
)
def test_a_checkpoint_of_another_log_or_by_a_stranger_counts_for_nothing(
    used: Bank, change: Callable[..., tuple[Checkpoint, Callable[..., Signature]]]
) -> None:
    honest = Checkpoint.from_payload(used.do(used.ledger.checkpoint).payload)
    checkpoint, signer = change(honest, lambda purpose: partial(used.signer.sign, purpose))
    outside = sign_envelope(
        payload_type=CHECKPOINT_PAYLOAD_TYPE,
        payload=checkpoint.to_payload(),
        sign=signer(KeyPurpose.CHECKPOINT),
    )
    assert broken(used, outside) == {"log"}


def test_a_damaged_stored_checkpoint_is_named(used: Bank) -> None:
    size = one(used, "SELECT min(size) FROM ledger_checkpoints")
    tamper(used, f"UPDATE ledger_checkpoints SET envelope = '{{' WHERE size = {size}")
    assert first_bad(used) == ("checkpoint", size)


def test_values_of_no_type_are_named_and_stop_nothing(used: Bank) -> None:
    if not used.database.is_sqlite:
        pytest.skip("PostgreSQL's columns keep their types")
    record_id = one(used, "SELECT id FROM ledger_transfers WHERE kind = 'allocation'")
    tamper(used, "UPDATE ledger_transfers SET amount = x'00ff', at = 'never'"
                 f" WHERE id = '{record_id}'")  # fmt: skip
    assert {"log", "balances"} <= broken(used)
    assert first_bad(used) == ("transfer", record_id)
