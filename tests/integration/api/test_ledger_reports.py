"""Reports and exports over HTTP, from the client that commands use."""

import csv
import io
from pathlib import Path

import pytest

from aem.client import ApiError
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
