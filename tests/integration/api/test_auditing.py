"""The audits that the service carries out by itself: when, by whom, and what it tells of them."""

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy.orm import Session

import api.auditing
from aem.proof.audit import AuditReport
from api.auditing import AuditLoop
from api.checkpointing import CheckpointLoop
from cli.main import cli
from core.database import Database
from ledger import Alerts, AuditSchedule, BatchError, ScheduledAudit
from ledger.schedule import LEASE
from tests.fakes.bank import TOKEN, Bank
from tests.fakes.intruder import tamper
from tests.fakes.running_service import RunningService
from tests.fakes.waiting import wait_until

DAY_S, WEEK_S = 86_400, 604_800


class House:
    """A bank that audits itself when the test says so."""

    def __init__(
        self, bank: Bank, *, interval_s: int = DAY_S, kind: type[Any] = AuditSchedule
    ) -> None:
        self.bank = bank
        self.alerts = Alerts(clock=bank.clock)
        self.schedule = kind(
            clock=bank.clock, alerts=self.alerts, interval_s=interval_s, full_interval_s=WEEK_S
        )
        checkpointing = CheckpointLoop(bank.database, bank.checkpoints, interval_s=1.0)
        self.loop = AuditLoop(bank.database, bank.audit, self.schedule, checkpointing)

    def audited(self) -> AuditReport:
        report = self.loop.run_due()
        assert report is not None
        return report

    def past(self) -> list[ScheduledAudit]:
        with self.bank.database.reading() as session:
            return list(self.schedule.page(session).items)

    def told(self) -> list[dict[str, Any]]:
        with self.bank.database.reading() as session:
            return [dict(alert.data) for alert in self.alerts.page(session).items]

    def change(self, *statements: str) -> None:
        with Session(self.bank.database.writing_engine) as session:
            tamper(session.connection(), *statements)
            session.commit()


@pytest.fixture
def house(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(api.auditing, "PIECE_RECORDS", 3)
    bank = Bank.open(database, tmp_path / "keys")
    bank.set_up()
    bank.fund("wallet:acme.bot", 3_000 * TOKEN)
    return House(bank)


def test_the_whole_ledger_comes_first_then_what_followed_then_the_whole_again(
    house: House,
) -> None:
    assert house.audited().verified is True
    assert house.loop.run_due() is None, "not before its time"
    kinds = []
    for day in range(8):
        house.bank.clock.advance(days=1)
        house.bank.fund("wallet:acme.bot", TOKEN, key=str(day))
        kinds.append(house.audited().verified)
    assert kinds == [*[None] * 6, True, None]
    newest, *_, first = house.past()
    assert (first.is_full, first.start, first.verified) == (True, 0, True)
    assert [past.is_full for past in house.past()] == [False, True, *[False] * 6, True]
    sizes = [past.size or 0 for past in house.past()]
    assert newest.start == sizes[1], "it begins where the one before it ended"
    assert sizes == sorted(sizes, reverse=True)
    assert house.told() == []


def test_a_changed_record_is_told_by_the_next_audit(house: House) -> None:
    house.audited()
    house.bank.clock.advance(days=1)
    house.bank.fund("wallet:acme.bot", TOKEN, key="new")
    house.change("UPDATE ledger_transfers SET memo = 'x' WHERE amount = 1000000")
    report = house.audited()
    assert (report.verified, report.log.holds) == (False, False)
    (data,) = house.told()
    assert data["statements"] == ["log"]
    assert data["first_bad"]["record"] == "transfer"
    (last, _) = house.past()
    assert (last.is_full, last.verified, last.first_bad) == (False, False, data["first_bad"])


def test_a_forged_balance_is_told_by_the_next_full_audit_and_each_after_it(house: House) -> None:
    house.audited()
    house.change(
        "UPDATE ledger_accounts SET credits_posted = credits_posted + 1"
        " WHERE code = 'wallet:acme.bot'"
    )
    house.bank.clock.advance(days=1)
    assert house.audited().verified is None, "the log alone holds"
    house.bank.clock.advance(days=6)
    assert house.audited().verified is False
    house.bank.clock.advance(days=1)
    house.audited()
    assert [data["statements"] for data in house.told()] == [["balances"]] * 2
    assert [past.is_full for past in house.past()] == [True, True, False, True]


def test_of_several_processes_one_audits(house: House) -> None:
    other = House(house.bank)
    with house.bank.database.transaction() as session:
        claimed = house.schedule.claim(session)
    assert claimed is not None
    assert other.loop.run_due() is None
    house.bank.clock.instant += LEASE - timedelta(seconds=1)
    with house.bank.database.transaction() as session:
        house.schedule.renew(session, claimed)
    house.bank.clock.instant += LEASE - timedelta(seconds=1)
    assert other.loop.run_due() is None, "it is heard of"
    house.bank.clock.instant += timedelta(seconds=1)
    assert other.audited().verified, "whose process died is not waited for"
    assert [past.ended_at is None for past in house.past()] == [False, True]


def test_two_that_look_at_once_begin_one_audit(house: House) -> None:
    reports: list[AuditReport | None] = []
    loops = [House(house.bank).loop for _ in range(4)]
    threads = [
        threading.Thread(target=lambda loop=loop: reports.append(loop.run_due())) for loop in loops
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(report is not None for report in reports) == 1
    assert len(house.past()) == 1


class PostingSchedule(AuditSchedule):
    """Lets somebody post after each piece."""

    bank: Bank
    posted = 0

    def renew(self, session: Session, audit: ScheduledAudit) -> None:
        super().renew(session, audit)
        session.commit()
        self.posted += 1
        self.bank.fund("wallet:acme.bot", TOKEN, key=f"during-{self.posted}")


def test_posting_goes_on_between_the_pieces(house: House) -> None:
    for number in range(20):
        house.bank.fund("wallet:acme.bot", TOKEN, key=f"before-{number}")
    busy = House(house.bank, kind=PostingSchedule)
    busy.schedule.bank = house.bank
    report = busy.audited()
    assert report.verified
    assert busy.schedule.posted > 5
    with house.bank.database.reading() as session:
        moved = house.bank.ledger.transfers(session, account="wallet:acme.bot", limit=500).items
    assert len(moved) == 21 + busy.schedule.posted
    assert report.log.figures["size"] >= len(moved), "what came meanwhile was read too"


def test_an_audit_that_is_stopped_is_begun_anew(house: House) -> None:
    house.bank.checkpoint()
    house.loop.stop()
    assert house.loop.run_due() is None
    assert [past.ended_at for past in house.past()] == [None]
    house.bank.clock.instant += LEASE
    assert House(house.bank).audited().verified


def test_none_is_carried_out_where_none_is_wanted(house: House) -> None:
    never = House(house.bank, interval_s=0)
    never.loop.start()
    never.loop.stop()
    assert never.loop.run_due() is None
    with house.bank.database.reading() as session:
        assert never.schedule.state(session).next_at is None
    assert "audits" not in {thread.name for thread in threading.enumerate()}


def test_past_audits_are_listed_page_by_page(house: House) -> None:
    for _ in range(5):
        house.audited()
        house.bank.clock.advance(days=1)
    found, cursor = [], ""
    while cursor is not None:
        with house.bank.database.reading() as session:
            page = house.schedule.page(session, after=cursor, limit=2)
        found += [past.number for past in page.items]
        cursor = page.next_cursor
    assert found == [5, 4, 3, 2, 1]
    with house.bank.database.reading() as session, pytest.raises(BatchError):
        house.schedule.page(session, after="x")


def test_audits_are_as_often_as_set_and_no_look_comes_a_minute_late(
    database: Database, tmp_path: Path
) -> None:
    bank = Bank.open(database, tmp_path / "keys")
    bank.set_up()
    house = House(bank, interval_s=1)
    house.loop.start()
    try:
        assert wait_until(lambda: [run for run in house.past() if run.ended_at], timeout_s=20)
        bank.clock.advance(seconds=1)
        assert wait_until(lambda: len(house.past()) == 2, timeout_s=20)
    finally:
        house.loop.stop()


def test_the_wait_for_the_next_audit_ends_when_it_is_due(house: House) -> None:
    house.audited()
    house.bank.clock.advance(seconds=DAY_S - 20)
    with house.bank.database.reading() as session:
        assert house.schedule.seconds_to_next(session) == 20


def test_the_service_tells_of_its_audits(shared: RunningService) -> None:
    def run(*arguments: str) -> str:
        environment = {"AEM_URL": shared.url, "AEM_API_KEY": shared.secret("auditor")}
        ended = CliRunner().invoke(cli, arguments, env=environment)
        assert ended.exit_code == 0, ended.output
        return ended.output

    before = shared.operator.health()["audit"]
    assert (before["ended_at"], before["verified"]) == (None, None)
    assert before["next_at"] is not None
    assert "last audit       none yet" in run("alerts", "list")
    assert shared.built.auditing.run_due() is not None
    health = shared.operator.health()["audit"]
    assert (health["is_full"], health["verified"]) == (True, True)
    assert health["next_at"] > health["ended_at"] > before["next_at"]
    assert f"last audit       {health['ended_at']}, " in run("alerts", "list")
    assert " records: verified\n" in run("alerts", "list")
    assert shared.client("auditor").alerts()["audit"]["last"]["number"] == 1
    listed = run("audit", "runs")
    assert "verified" in listed
    assert "up to record" in listed
    assert '"is_full": true' in run("audit", "runs", "--json")
