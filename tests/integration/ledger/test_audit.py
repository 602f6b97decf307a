# ruff: noqa: S608 - statements are made of our own names
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from aem.proof import (
    CHECKPOINT_PAYLOAD_TYPE,
    Checkpoint,
    Envelope,
    KeyPurpose,
    Signature,
    sign_envelope,
)
from aem.proof.audit import AuditReport
from tests.fakes.bank import ORIGIN, USD, Bank
from tests.fakes.intruder import tamper
from tests.fakes.keys import FakeKeys

NOON = datetime(2026, 1, 7, 12, tzinfo=UTC)


def audit_after(bank: Bank, *statements: str, outside: Sequence[Envelope] = ()) -> AuditReport:
    """Audit what an intruder's statements leave, then take them back."""
    with Session(bank.database.writing_engine) as session:
        tamper(session.connection(), *statements)
        return bank.audit.verify(session, outside=outside)


def broken(report: AuditReport) -> set[str]:
    assert report.verified is False
    return {name for name, finding in report.statements.items() if not finding.holds}


def first_bad(report: AuditReport) -> tuple[str, str]:
    assert report.first_bad is not None
    return report.first_bad.record, report.first_bad.id


def one(bank: Bank, query: str) -> str:
    with bank.database.reading() as session:
        return str(session.execute(text(query)).scalar_one())


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One edited row, the statements that it breaks, and the record that must be named."""

    table: str
    where: str
    change: str
    breaks: str
    record: str
    key: str = "id"


EDITS = (
    Edit(
        table="ledger_transfers",
        where="kind = 'allocation'",
        change="amount = amount - 1",
        breaks="log balances",
        record="transfer",
    ),
    Edit(
        table="ledger_transfers",
        where="kind = 'allocation'",
        change="memo = 'forged'",
        breaks="log",
        record="transfer",
    ),
    Edit(
        table="ledger_transfers",
        where="kind = 'suspense'",
        change="amount = amount + 10000000000",
        breaks="log balances fiat",
        record="transfer",
    ),
    Edit(
        table="ledger_usage",
        where="status = 'unknown'",
        change="burn_utok = burn_utok - 1",
        breaks="log identity receipts",
        record="usage",
    ),
    Edit(
        table="ledger_usage",
        where="status = 'unknown'",
        change="quality = 0.25",
        breaks="log",
        record="usage",
    ),
    Edit(
        table="ledger_issuance_decisions",
        where="day = '2026-01-05'",
        change="issued_utok = issued_utok + 1",
        breaks="log identity receipts",
        record="issuance_decision",
    ),
    Edit(
        table="ledger_issuance_decisions",
        where="day = '2026-01-05'",
        change="daily_limit_nusd = 5",
        breaks="log fiat receipts",
        record="issuance_decision",
    ),
    Edit(
        table="ledger_budget_settings",
        where="number = 1",
        change="actor = 'forged'",
        breaks="log",
        record="budget_setting",
    ),
    Edit(
        table="ledger_log_entries",
        where="number = 3",
        change="leaf_hash = (SELECT leaf_hash FROM ledger_log_entries WHERE number = 4)",
        breaks="log",
        record="log_entry",
        key="number",
    ),
    Edit(
        table="ledger_log_head",
        where="id = 1",
        change='frontier = \'{"size": 0, "peaks": []}\'',
        breaks="log",
        record="log_head",
    ),
    Edit(
        table="ledger_accounts",
        where="code = 'wallet:acme.bot'",
        change="credits_posted = credits_posted + 1",
        breaks="balances",
        record="account",
        key="code",
    ),
    Edit(
        table="ledger_accounts",
        where="code = 'wallet:acme.bot'",
        change="floor = NULL",
        breaks="balances",
        record="account",
        key="code",
    ),
    Edit(
        table="ledger_accounts",
        where="code = 'burn'",
        change="currency = 'forged'",
        breaks="balances",
        record="account",
        key="code",
    ),
    Edit(
        table="ledger_holds",
        where="status = 'open' AND kind = 'metered_burn'",
        change="amount = 1",
        breaks="balances",
        record="hold",
    ),
    Edit(
        table="ledger_holds",
        where="status = 'open' AND kind = 'metered_burn'",
        change="status = 'voided'",
        breaks="balances",
        record="hold",
    ),
)


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
        "lent_nusd": 0,
    }
    assert json.loads(json.dumps(report.to_json()))["verified"] is True


def test_what_a_live_audit_cannot_show_is_said(used: Bank) -> None:
    assert "own process" in " ".join(used.verify().not_excluded)
    assert "kept elsewhere" in " ".join(used.verify().not_excluded)
    assert "kept elsewhere" not in " ".join(used.verify(used.checkpoint()).not_excluded)


def test_an_empty_ledger_is_verified(bank: Bank) -> None:
    assert bank.verify().verified
    bank.checkpoint()
    assert bank.verify().log.figures == {"size": 0, "checkpoints": 1}


def test_every_edited_row_is_named(used: Bank, subtests: pytest.Subtests) -> None:
    for edit in EDITS:
        with subtests.test(edit.change):
            row_id = one(used, f"SELECT {edit.key} FROM {edit.table} WHERE {edit.where}")
            report = audit_after(
                used, f"UPDATE {edit.table} SET {edit.change} WHERE {edit.key} = '{row_id}'"
            )
            assert broken(report) == set(edit.breaks.split())
            record, named = first_bad(report)
            assert record == edit.record
            assert named == row_id or record == "log_head"
    assert used.verify().verified


def test_invented_rows_are_named(used: Bank) -> None:
    account = audit_after(
        used,
        "INSERT INTO ledger_accounts SELECT 'wallet:thief', currency, floor, 7, 0, 0, 0"
        " FROM ledger_accounts WHERE code = 'burn'",
    )
    assert broken(account) == {"balances"}
    assert first_bad(account) == ("account", "wallet:thief")
    columns = "budget, number, effective_day, daily_limit_nusd, utok_per_usd, reserve_share_ppm"
    setting = audit_after(
        used,
        f"INSERT INTO ledger_budget_settings (id, {columns}, actor, at) SELECT 'forged',"
        " budget, 99, effective_day, 1, 1, 1, actor, at FROM ledger_budget_settings",
    )
    assert broken(setting) == {"log"}
    assert first_bad(setting) == ("budget_setting", "forged")


def test_removed_rows_are_named(used: Bank) -> None:
    usage_id = one(used, "SELECT id FROM ledger_usage WHERE status = 'unknown'")
    usage = audit_after(used, f"DELETE FROM ledger_usage WHERE id = '{usage_id}'")
    assert broken(usage) == {"log", "identity", "receipts"}
    assert first_bad(usage) == ("usage", usage_id)
    for number in ("0", "5"):
        entry = audit_after(used, f"DELETE FROM ledger_log_entries WHERE number = {number}")
        assert "log" in broken(entry)
        assert first_bad(entry) == ("log_entry", number)


def test_reordered_entries_are_found(used: Bank) -> None:
    report = audit_after(
        used,
        "UPDATE ledger_log_entries SET number = 1000 WHERE number = 3",
        "UPDATE ledger_log_entries SET number = 3 WHERE number = 4",
        "UPDATE ledger_log_entries SET number = 4 WHERE number = 1000",
    )
    assert "log" in broken(report)


def test_a_log_that_was_cut_back_is_behind_its_checkpoints(used: Bank) -> None:
    outside = used.checkpoint()
    size = Checkpoint.from_payload(outside.payload).size
    cut = f"DELETE FROM ledger_log_entries WHERE number >= {size - 1}"
    bad = audit_after(used, cut).log.first_bad
    assert bad is not None
    assert (bad.record, bad.id) == ("checkpoint", str(size))
    hidden = audit_after(
        used, cut, f"DELETE FROM ledger_checkpoints WHERE size = {size}", outside=[outside]
    ).log.first_bad
    assert hidden is not None
    assert (hidden.record, hidden.id) == ("checkpoint", "outside")
    assert used.verify(outside).verified


def sign(bank: Bank, purpose: KeyPurpose) -> Callable[[bytes], Signature]:
    return partial(bank.signer.sign, purpose)


def test_a_checkpoint_that_does_not_fit_is_found(used: Bank) -> None:
    honest = Checkpoint.from_payload(used.checkpoint().payload)
    own = sign(used, KeyPurpose.CHECKPOINT)
    cases = [
        (Checkpoint(origin=ORIGIN, size=3, root=b"r" * 32, at=honest.at), own),
        (Checkpoint(origin="other", size=honest.size, root=honest.root, at=honest.at), own),
        (honest, FakeKeys("stranger").signer(KeyPurpose.CHECKPOINT)),
        (honest, sign(used, KeyPurpose.POINTER)),
    ]
    for checkpoint, signing in cases:
        outside = sign_envelope(
            payload_type=CHECKPOINT_PAYLOAD_TYPE, payload=checkpoint.to_payload(), sign=signing
        )
        report = used.verify(outside)
        assert broken(report) == {"log"}
        assert first_bad(report) == ("checkpoint", "outside")


def test_two_processes_that_sign_one_size_keep_one_checkpoint(used: Bank) -> None:
    with used.database.reading() as session:
        due = used.checkpoints.due(session)
    assert due is not None
    first, second = (used.checkpoints.sign(replace(due, at=at)) for at in (due.at, NOON))
    used.do(used.checkpoints.keep, first)
    used.do(used.checkpoints.keep, second)
    with used.database.reading() as session:
        assert used.checkpoints.latest(session) == first
    assert used.verify().verified


def test_a_damaged_stored_checkpoint_is_named(used: Bank) -> None:
    size = one(used, "SELECT min(size) FROM ledger_checkpoints")
    for damage in ("{", "[]", "{}"):
        report = audit_after(
            used, f"UPDATE ledger_checkpoints SET envelope = '{damage}' WHERE size = {size}"
        )
        assert first_bad(report) == ("checkpoint", size)


def test_values_of_no_type_are_named_and_stop_nothing(used: Bank) -> None:
    if not used.database.is_sqlite:
        pytest.skip("PostgreSQL's columns keep their types")
    record_id = one(used, "SELECT id FROM ledger_transfers WHERE kind = 'allocation'")
    report = audit_after(
        used,
        f"UPDATE ledger_transfers SET amount = x'00ff', at = 'never' WHERE id = '{record_id}'",
    )
    assert {"log", "balances"} <= broken(report)
    assert first_bad(report) == ("transfer", record_id)
