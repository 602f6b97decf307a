"""Alerts told to a real receiver on loopback: in order, signed, again until they arrive."""

import hashlib
import hmac
import logging
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy.orm import Session

import api.alerting
from api.alerting import AlertLoop, receivers
from api.settings import Settings
from core.database import Database, make_engine
from core.errors import AemError
from ledger import AlertKind, Alerts, Enforcement, Metering, Reconciliations
from tests.fakes.bank import TOKEN, USD, Bank, line, request
from tests.fakes.receiver import Receiver

SECRET = "not to be logged"
TOKEN_PATH = "/hook/secret-token"
DAY = "2026-01-05"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as opened:
        yield opened


class House:
    """A bank whose alerts are told, when the test says so."""

    def __init__(self, database: Database, folder: Path, receiver: Receiver) -> None:
        chosen = receivers(
            webhook=f"{receiver.url}{TOKEN_PATH}?x=1",
            slack=f"{receiver.url}/slack",
            secret=SECRET,
        )
        self.bank = Bank.open(database, folder / "keys")
        clock = self.bank.clock
        self.alerts = Alerts(clock=clock, destinations=[one.name for one in chosen])
        self.metering = Metering(clock=clock, alerts=self.alerts)
        self.loop = AlertLoop(database, self.alerts, clock, chosen)
        self.bank.set_up(daily_limit_nusd=10 * USD)
        self.bank.fund("wallet:acme.bot", 9_000 * TOKEN)

    def admit(self, attempt_id: str, bound_nusd: int) -> None:
        bound_utok = bound_nusd * 1_000 * TOKEN // USD
        asked = request(attempt_id, bound_nusd=bound_nusd, bound_utok=bound_utok)
        self.bank.do(self.metering.admit, asked)

    def raise_one(self, subject: str = "x") -> None:
        self.bank.do(self.alerts.raise_alert, AlertKind.TEST, subject, {"actor": "a test"})

    def kept(self) -> list[Any]:
        with self.bank.database.reading() as session:
            return list(self.alerts.page(session).items)


@pytest.fixture
def house(database: Database, tmp_path: Path, receiver: Receiver) -> House:
    return House(database, tmp_path, receiver)


def test_thresholds_are_told_once_each_signed_and_to_both(
    house: House, receiver: Receiver
) -> None:
    for number, bound_nusd in enumerate((4 * USD, USD, USD // 2, 3 * USD, USD // 10)):
        house.admit(f"try-{number}", bound_nusd)
        house.bank.clock.advance(seconds=1)  # told in the order in which they were raised
    assert house.loop.deliver() == 4
    assert house.loop.deliver() == 0
    told = [one.json() for one in receiver.received if one.path == f"{TOKEN_PATH}?x=1"]
    assert [one["data"]["percent"] for one in told] == [50, 80]
    assert told[0]["data"] == {
        "budget": "acme",
        "day": DAY,
        "percent": 50,
        "taken_nusd": 5 * USD,
        "limit_nusd": 10 * USD,
    }
    slack = [one.json() for one in receiver.received if one.path == "/slack"]
    assert [set(one) for one in slack] == [{"text"}, {"text"}]
    assert "85 % of the day's budget of acme" in slack[1]["text"]
    assert "past its mark of 80 %" in slack[1]["text"]
    for one in receiver.received:
        signed = one.headers.get("X-AEM-Signature")
        assert (signed is not None) is (one.path != "/slack")
        if signed:
            at, digest = (part.split("=")[1] for part in signed.split(","))
            text = f"{at}.".encode() + one.body
            assert digest == hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()
    assert len({one.headers["Idempotency-Key"] for one in receiver.received}) == 4


def test_a_limit_below_the_root_has_its_own_thresholds(house: House) -> None:
    house.bank.set_budget("acme.bot", daily_limit_nusd=USD)
    for number in range(2):
        house.admit(f"try-{number}", USD // 2)
    kept = [one.data for one in house.kept()]
    assert sorted(one["percent"] for one in kept if one["budget"] == "acme.bot") == [50, 80, 100]
    assert {(one["taken_nusd"], one["limit_nusd"]) for one in kept if one["percent"] == 100} == {
        (USD, USD)
    }


def test_two_services_with_budgets_of_one_name_raise_alerts_of_other_identifiers(
    tmp_path: Path, sqlite_template: Path
) -> None:
    raised, told = set(), set()
    for number in range(2):
        path = shutil.copy(sqlite_template, tmp_path / f"{number}.db")
        database = Database(make_engine(f"sqlite:///{path}"))
        bank = Bank.open(database, tmp_path / "keys")
        bank.clock.advance(minutes=number)
        bank.set_up()
        alerts = Alerts(clock=bank.clock, destinations=["webhook"])
        for _ in range(2):
            bank.do(alerts.raise_alert, AlertKind.BUDGET_THRESHOLD, f"acme:{DAY}:50", {})
        (due,) = bank.do(alerts.claim)
        told.add(due.id)
        raised.add(due.alert.id)
        database.dispose()
    assert (len(raised), len(told)) == (2, 2)


def test_a_rolled_back_admission_tells_nothing(house: House, receiver: Receiver) -> None:
    def fail_after_it(session: Session) -> None:
        house.alerts.raise_alert(session, AlertKind.TEST, "gone", {})
        raise AemError("the work failed after it")

    with pytest.raises(AemError):
        house.bank.do(fail_after_it)
    assert house.kept() == []
    assert house.loop.deliver() == 0
    assert receiver.received == []


def test_what_fails_is_told_again_later_each_time_with_one_key(
    house: House, receiver: Receiver
) -> None:
    house.raise_one()
    receiver.answers = [500, 302, 500, 404]
    waits = []
    for _ in range(3):
        house.loop.deliver()
        assert house.loop.deliver() == 0, "not before its time"
        (alert,) = house.kept()
        due = [one.next_at for one in alert.deliveries if one.status == "waiting"]
        if due:
            waits.append(max(due) - house.bank.clock.instant)
            house.bank.clock.instant = max(due)
    assert waits == [timedelta(seconds=10), timedelta(seconds=20)]
    (alert,) = house.kept()
    assert {one.status for one in alert.deliveries} == {"delivered"}
    assert {one.answer for one in alert.deliveries} == {"204"}
    assert sorted(one.tries for one in alert.deliveries) == [3, 3]
    assert "/elsewhere" not in {one.path for one in receiver.received}
    assert len(receiver.received) == 6
    assert len({one.headers["Idempotency-Key"] for one in receiver.received}) == 2


def test_a_slow_receiver_is_not_waited_for(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.alerting, "TIMEOUT_S", 0.2)
    receiver.delay_s = 1.0
    house.raise_one()
    before_s = time.monotonic()
    assert house.loop.deliver() == 0
    assert time.monotonic() - before_s < 0.9
    (alert,) = house.kept()
    assert {one.answer for one in alert.deliveries} == {"TimeoutError"}


def test_a_receiver_that_is_gone_is_given_up_at_last(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with Receiver() as gone:
        house = House(database, tmp_path, gone)
    house.raise_one()
    tries = 0
    while any(one.status == "waiting" for one in house.kept()[0].deliveries):
        house.loop.deliver()
        house.bank.clock.advance(hours=1)
        tries += 1
    assert tries == 30
    (alert,) = house.kept()
    assert {one.status for one in alert.deliveries} == {"given_up"}
    assert {one.answer for one in alert.deliveries} == {"ConnectionRefusedError"}
    assert "secret" not in caplog.text


def test_money_goes_on_while_a_delivery_hangs(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is locked while a receiver thinks."""
    monkeypatch.setattr(api.alerting, "TIMEOUT_S", 5.0)
    receiver.delay_s = 1.0
    house.raise_one()
    house.loop.start()
    while not receiver.received:
        time.sleep(0.01)
    before_s = time.monotonic()
    house.admit("meanwhile", USD)
    assert time.monotonic() - before_s < 0.9
    house.loop.stop()


def test_losses_and_shortfalls_are_told(house: House, receiver: Receiver) -> None:
    house.admit("over", USD // 10)
    house.bank.do(house.metering.settle, attempt_id="over", lines=[line(150)])
    house.admit("lost-1", 2 * USD)
    house.bank.do(house.metering.lose, attempt_id="lost-1")
    invoice = f"line_id,date,resource,amount,currency,reference\n1,{DAY},x,2.5,USD,lost-1\n"
    reconciliations = Reconciliations(clock=house.bank.clock, alerts=house.alerts)
    house.bank.do(
        reconciliations.settle, provider="sandbox", content=invoice.encode(), actor="operator"
    )
    house.loop.deliver()
    told = {one.json()["text"] for one in receiver.received}
    assert told == {
        "sandbox bills 0.05 USD above its bounds",
        "the reserve lacks 1000 tokens for the lost attempt lost-1",
        "sandbox bills 0.5 USD above its bounds",
    }


def test_what_observe_only_mode_lets_pass_is_told(house: House, receiver: Receiver) -> None:
    house.bank.set_budget("acme.bot", daily_limit_nusd=USD)
    house.metering = Metering(
        clock=house.bank.clock, alerts=house.alerts, enforcement=Enforcement.OBSERVE
    )
    house.admit("beyond", 12 * USD)
    house.loop.deliver()
    told = {one.json()["text"] for one in receiver.received}
    why = ": observe-only mode refuses nothing"
    assert {text.removesuffix(why) for text in told if text.endswith(why)} == {
        f"the limit of acme for {DAY} is passed, for acme.bot",
        f"the limit of acme.bot for {DAY} is passed, for acme.bot",
        "wallet:acme.bot was lent 3000 tokens, for beyond of acme.bot",
    }
    assert (
        f"120 % of the day's budget of acme are taken on {DAY}, past its mark of 100 %: 12 of 10"
        " USD, held ones included"
    ) in told


@pytest.mark.parametrize("enforcement", Enforcement)
def test_a_forecast_says_what_follows(house: House, enforcement: Enforcement) -> None:
    alerts = Alerts(clock=house.bank.clock, enforcement=enforcement)
    house.bank.clock.instant = house.bank.clock.instant.replace(hour=3)
    for number in range(20):
        house.admit(f"try-{number}", USD // 10)
        house.bank.do(house.metering.settle, attempt_id=f"try-{number}", lines=[line(90)])
    house.bank.do(alerts.forecast)
    (alert,) = (one for one in house.kept() if one.kind is AlertKind.BUDGET_FORECAST)
    is_refused = "work will be refused" in api.alerting.text_of(alert)
    assert is_refused is (enforcement is Enforcement.ENFORCE)


def test_a_forecast_needs_a_minimum_of_data_and_is_told_once(house: House) -> None:
    house.bank.clock.instant = house.bank.clock.instant.replace(hour=1)
    house.bank.do(house.bank.budgets.open_day, "acme")
    for number in range(19):
        house.admit(f"try-{number}", USD // 10)
        house.bank.do(house.metering.settle, attempt_id=f"try-{number}", lines=[line(60)])
    house.bank.clock.advance(hours=1)
    house.bank.do(house.alerts.forecast)
    assert house.kept() == []
    house.admit("try-19", USD // 10)
    for _ in range(2):
        house.bank.do(house.alerts.forecast)
    (alert,) = house.kept()
    spent_nusd = 19 * 60 * USD // 1_000
    assert alert.kind is AlertKind.BUDGET_FORECAST
    assert (alert.data["spent_nusd"], alert.data["forecast_nusd"]) == (spent_nusd, 12 * spent_nusd)
    house.bank.clock.advance(hours=6)
    house.bank.do(house.alerts.forecast)
    assert len(house.kept()) == 1


def test_two_processes_tell_an_alert_once(
    house: House, receiver: Receiver, database: Database
) -> None:
    house.raise_one()
    with database.transaction() as session:
        claimed = house.alerts.claim(session)
    assert len(claimed) == 2
    assert house.loop.deliver() == 0, "it is the other one's for a while"
    house.bank.clock.advance(minutes=3)
    assert house.loop.deliver() == 2, "who died after its claim is not waited for"


def test_alerts_are_listed_page_by_page(house: House) -> None:
    for number in range(5):
        house.raise_one(str(number))
        house.bank.clock.advance(minutes=number % 2)
    found, cursor = [], ""
    while cursor is not None:
        with house.bank.database.reading() as session:
            page = house.alerts.page(session, after=cursor, limit=2)
        found += page.items
        cursor = page.next_cursor
    assert len({alert.id for alert in found}) == len(found) == 5
    assert [alert.at for alert in found] == sorted((a.at for a in found), reverse=True)


@pytest.mark.parametrize(
    "given",
    [
        {"alert_webhook": "ftp://example.org", "alert_secret": "s"},
        {"alert_slack": "/etc/passwd"},
        {"alert_webhook": "https://example.org/secret-token"},
        {"alert_thresholds": "50,,80"},
        {"alert_thresholds": "0"},
    ],
)
def test_settings_that_cannot_be_are_refused_without_secrets(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(**given)  # type: ignore[arg-type]
    assert "secret-token" not in str(refused.value)
