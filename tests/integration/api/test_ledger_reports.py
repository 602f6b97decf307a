"""Reports and exports over HTTP, from the client that commands use."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click import Group
from click.testing import CliRunner, Result

from aem.client import ApiError
from cli.remote.alerts import alerts
from cli.remote.ledger import ledger
from tests.fakes.bookkeeping import bean_check, hledger_check
from tests.fakes.running_service import GRANT_UTOK, RunningService

pytestmark = pytest.mark.slow


def test_a_statement_says_what_the_wallet_got(shared: RunningService) -> None:
    reports = shared.client("auditor").reports
    found = reports.statement("wallet:acme.bot", start="2026-01-01")
    assert (found["opening"], found["credits"], found["debits"]) == (0, GRANT_UTOK, 0)
    assert [line["amount"] for line in found["lines"]["items"]] == [GRANT_UTOK]
    (balance,) = reports.balances(prefix="wallet:")["items"]
    assert balance["balance"] == found["closing"] == GRANT_UTOK
    assert reports.balances(prefix="wallet:", at="2026-01-01")["items"][0]["balance"] == 0


def test_the_books_balance(shared: RunningService) -> None:
    reports = shared.client("auditor").reports
    trial = reports.trial_balance()
    assert trial["is_balanced"]
    assert trial["totals"]["utok"]["debits"] == trial["totals"]["utok"]["credits"] > 0
    assert reports.indicators()["gini"] == 0
    assert [line["budget"] for line in reports.spend()["items"]] == ["acme"]
    assert reports.usage_summary(by="day,owner")["items"] == []


def test_exports_stream_and_are_accepted(shared: RunningService, tmp_path: Path) -> None:
    reports = shared.operator.reports
    for name, check in (("beancount", bean_check), ("hledger", hledger_check)):
        path = tmp_path / name
        path.write_bytes(b"".join(reports.export(name)))
        assert path.stat().st_size > 0
        assert check(path) == ""
    rows = csv.DictReader(io.StringIO(b"".join(reports.export("csv")).decode()))
    assert GRANT_UTOK in {int(row["amount"]) for row in rows}


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("statement", {"account": "purse:me"}),
        ("usage_summary", {"by": "colour"}),
        ("spend", {"start": "yesterday"}),
        ("balances", {"at": "soon"}),
        ("statement", {"account": "burn", "cursor": "x"}),
    ],
)
def test_what_cannot_be_asked_is_refused(
    shared: RunningService, question: str, named: dict[str, str]
) -> None:
    with pytest.raises(ApiError) as refused:
        getattr(shared.operator.reports, question)(**named)
    assert refused.value.status == 400
    with pytest.raises(ApiError) as refused:
        b"".join(shared.operator.reports.export("excel"))
    assert refused.value.reason == "bad_report"


INVOICE = b"line_id,date,resource,amount,currency\n1,2026-01-05,sandbox-second,0.5,USD\n"


def test_an_invoice_is_compared_by_auditors_and_settled_by_operators(
    shared: RunningService,
) -> None:
    for role in ("auditor", "operator"):
        found = shared.client(role).reports.reconcile(INVOICE, provider="openai", is_dry_run=True)
        assert found["counts"] == {"unknown_provider": 1}
        assert not found["is_applied"]
    with pytest.raises(ApiError) as refused:
        shared.client("auditor").reports.reconcile(INVOICE, provider="openai", is_dry_run=False)
    assert refused.value.status == 403
    with pytest.raises(ApiError) as refused:
        shared.operator.reports.reconcile(INVOICE, provider="openai", is_dry_run=False)
    assert refused.value.reason == "invoice_not_comparable"
    with pytest.raises(ApiError) as refused:
        shared.operator.reports.reconcile(INVOICE + b"x", provider="openai", is_dry_run=True)
    assert (refused.value.reason, refused.value.details["line"]) == ("bad_invoice", 3)


def run(
    service: RunningService, *arguments: Any, role: str = "operator", group: Group = ledger
) -> Result:
    environment = {"AEM_URL": service.url, "AEM_API_KEY": service.secret(role)}
    return CliRunner().invoke(group, [str(word) for word in arguments], env=environment)


def test_commands_write_files_and_compare_invoices(shared: RunningService, tmp_path: Path) -> None:
    journal, invoice = tmp_path / "ledger.beancount", tmp_path / "invoice.csv"
    ended = run(shared, "export", journal, "--format", "beancount", role="auditor")
    assert (ended.exit_code, ended.output.split(":")[0]) == (0, str(journal))
    assert bean_check(journal) == ""
    invoice.write_bytes(INVOICE)
    asked = ("reconcile", invoice, "--provider", "openai")
    compared = run(shared, *asked, "--dry-run", role="auditor")
    assert compared.exit_code == 1
    assert "unknown_provider" in compared.output
    declined = run(shared, *asked)
    assert "Settle suspense by this invoice? [y/N]" in declined.output
    refused = run(shared, *asked, "--yes", "--json")
    assert refused.exit_code == 6
    assert '"reason": "invoice_not_comparable"' in refused.output
    assert run(shared, *asked, "--json").exit_code == 2
    assert run(shared, "trial-balance").output.endswith("balanced\n")
    lines = run(shared, "statement", "wallet:acme.bot", "--from", "2026-01-01").output
    assert "closing balance  600 tok" in lines


def test_reconciliations_are_listed_and_shown(shared: RunningService) -> None:
    assert "none yet" in run(shared, "reconciliations").output
    header = "line_id,date,resource,amount,currency"
    period = {"start": "2026-01-01", "end": "2026-02-01"}
    for invoice in (header, f"{header},quantity"):
        shared.operator.reports.reconcile(
            invoice.encode(), provider="openai", is_dry_run=False, **period
        )
    listed = json.loads(run(shared, "reconciliations", "--limit", "1", "--json").output)
    rest = json.loads(
        run(
            shared, "reconciliations", "--cursor", listed["next_cursor"], "--json", role="auditor"
        ).output
    )
    (newer,), (older,) = listed["items"], rest["items"]
    assert newer["at"] > older["at"]
    assert not {"differences", "transfers"} & set(newer)
    shown = run(shared, "reconciliations", "--provider", "openai").output
    assert newer["id"] in shown
    assert older["id"] in shown
    assert run(shared, "reconciliations", "--provider", "other").output.endswith("none yet\n")
    one = json.loads(run(shared, "reconciliation", older["id"], "--json").output)
    assert (one["id"], one["differences"], one["transfers"]) == (older["id"], [], [])
    assert one["actor"] == shared.operator.me()["id"]
    told = run(shared, "reconciliation", older["id"], role="auditor").output
    assert one["invoice_digest"] in told
    assert run(shared, "reconciliation", "rec_none").exit_code == 5


def test_a_mistyped_account_is_refused_by_every_command(shared: RunningService) -> None:
    for arguments in (
        ("statement", "wallet:acme.bto"),
        ("balances", "--prefix", "wallet:acme.bto"),
        ("transfers", "--account", "wallet:acme.bto"),
    ):
        ended = run(shared, *arguments, "--json", role="auditor")
        assert ended.exit_code == 5, ended.output
        told = json.loads(ended.stdout)
        assert (told["reason"], told["close_matches"]) == (
            "account_not_found",
            ["wallet:acme.bot"],
        )
        assert "did you mean wallet:acme.bot?" in ended.stderr


def test_indicators_say_of_what_window_and_data_they_are(shared: RunningService) -> None:
    def told(*arguments: str) -> str:
        ended = run(shared, "indicators", *arguments, role="auditor")
        assert ended.exit_code == 0, ended.output
        return " ".join(ended.output.split())  # but for how names are aligned

    found = shared.client("auditor").reports.indicators()
    assert found["start"] == found["data"]["first_at"]
    assert f"window {found['start']} up to {found['end']} (" in told()
    assert f"in {found['data']['hours']} hours, from {found['data']['first_at']} to" in told()
    empty = told("--from", "2020-01-01", "--to", "2020-02-01")
    assert empty.startswith("no data: no token moved from 2020-01-01T00:00:00.000000Z up")
    assert "(31.00 days)" in empty
    assert "velocity no data" in empty
    assert "Gini coefficient no wallet has tokens" in empty


def test_a_test_alert_is_kept_where_nobody_is_told(shared: RunningService) -> None:
    assert "told to nobody" in run(shared, "test", group=alerts).output
    listed = run(shared, "list", group=alerts, role="auditor")
    assert "a test: alerts arrive" in listed.output
    assert run(shared, "test", group=alerts, role="auditor").exit_code == 3
    (kept,) = shared.operator.alerts()["items"]
    assert (kept["kind"], kept["deliveries"]) == ("test", [])
