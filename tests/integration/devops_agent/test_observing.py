"""Orders that nobody can pay: refused where money is enforced, done and shown where it is not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aem.client import ApiError
from core.principals import Principal, Role
from ledger import AlertKind
from tests.fakes.clock import FakeClock
from tests.fakes.running_service import (
    FAULTY,
    GOOD,
    TEAM,
    WALLET,
    RunningService,
    running,
    settings,
)
from tests.fakes.staged_sandbox import StagedSandbox

SOURCE = GOOD.files["extractor.py"].decode()
BLIND = GOOD.replace(
    {"extractor.py": SOURCE.replace("conversation[0:]", "conversation[1:]", 1).encode()}
)
OVERDRAFT = f"overdraft:{WALLET}"
OVERRUN = f"fiat-overrun:{TEAM}:2026-01-05"
HEADER = "AEM-Enforcement"


@pytest.fixture
def observed(
    tmp_path: Path, database_url: str, sandbox: StagedSandbox
) -> Iterator[RunningService]:
    chosen = settings(tmp_path / "observed", database_url, enforcement="observe")
    with running(chosen, clock=FakeClock(), sandbox=sandbox) as service:
        yield service


def notes(order: dict[str, Any]) -> list[tuple[str, str]]:
    return [(note["stage"], note["reason"]) for note in order["summary"]["let_pass"]]


def check(service: RunningService, order: dict[str, Any]) -> None:
    """What the order lacked is owed, to the micro-token, and nothing else is."""
    auditor = Principal(id="test", role=Role.AUDITOR)
    with service.parts.database.reading() as session:
        money = service.parts.orders.get(session, auditor, order["id"]).money
    assert money.escrowed_utok == money.fee_utok + money.metered_utok + money.returned_utok
    assert order["owed_utok"] == money.lent_utok - money.repaid_utok >= 0
    assert service.balance(OVERDRAFT) == -order["owed_utok"]
    assert service.balance(f"escrow:{order['id']}") == service.held() == 0
    report = service.operator.verify_audit()
    assert report["verified"], report
    assert report["statements"]["identity"]["figures"]["lent_utok"] == order["owed_utok"]


def test_an_empty_wallet_orders_where_nothing_is_enforced(observed: RunningService) -> None:
    observed.fund(grant_utok=0)
    order = observed.order(FAULTY, gold=observed.freeze(), candidate=FAULTY)
    assert (order["outcome"], order["state"]) == ("accepted", "settled")
    assert notes(order) == [
        ("submission", "wallet_below_threshold"),
        ("submission", "escrow_not_covered"),
    ]
    assert order["summary"]["let_pass"][0]["balance_utok"] == 0
    assert order["lent_utok"] == order["escrowed_utok"]
    assert order["owed_utok"] == observed.balance("burn") > 0  # lent tokens pay no fee
    assert order["price_utok"] == order["owed_utok"] + order["fee_utok"]
    issued_utok = -observed.balance("mint") - observed.balance(f"reserve:{TEAM}")
    assert observed.balance(f"treasury:{TEAM}") == issued_utok
    assert order["refunded_utok"] == 0
    assert observed.balance(f"wallet:{WALLET}") == 0
    check(observed, order)
    wallet = observed.agent.wallet(WALLET)
    assert (wallet["owed_utok"], wallet["may_order"]) == (order["owed_utok"], True)
    state = observed.operator.budget(TEAM)
    assert (state["lent_utok"], state["beyond_nusd"]) == (order["owed_utok"], 0)
    assert state["enforcement"] == "observe"
    assert AlertKind.OVERDRAFT in {one["kind"] for one in observed.operator.alerts()["items"]}


def test_the_same_order_is_refused_where_money_is_enforced(house: RunningService) -> None:
    bot = house.client("agent", TEAM, "poor")
    with pytest.raises(ApiError) as refused:
        bot.submit(
            FAULTY,
            traces=b"",
            gold=house.freeze(),
            candidate=FAULTY,
            synthesizer="candidate",
            max_price_utok=150_000_000,
        )
    assert refused.value.reason == "wallet_below_threshold"
    answer = house.http(None).get("/healthz")
    assert HEADER not in answer.headers
    assert answer.json()["enforcement"] == "enforce"
    assert house.operator.is_observed_only is False


def test_own_tokens_are_spent_before_lent_ones(observed: RunningService) -> None:
    observed.fund(grant_utok=6_000_000)
    order = observed.order(FAULTY, gold=observed.freeze(), candidate=FAULTY)
    assert order["lent_utok"] == order["escrowed_utok"] - 6_000_000
    assert order["price_utok"] < 6_000_000
    assert order["owed_utok"] == 0
    assert order["refunded_utok"] == 6_000_000 - order["price_utok"]
    assert observed.balance(f"wallet:{WALLET}") == order["refunded_utok"]
    check(observed, order)


def test_a_spent_day_is_let_pass_and_shown(observed: RunningService) -> None:
    observed.fund(daily_nusd=1, grant_utok=0)
    order = observed.order(GOOD, gold=observed.freeze())
    assert order["reason"] == "no_candidate"
    assert ("synthesis", "budget_exhausted") in notes(order)
    assert notes(order).count(("synthesis", "budget_exhausted")) == 1
    spent_nusd = observed.balance("fiat-spent:sandbox")
    assert -observed.balance(OVERRUN) == spent_nusd - 1 > 0
    assert observed.operator.budget(TEAM)["beyond_nusd"] == spent_nusd - 1
    check(observed, order)
    kinds = {one["kind"] for one in observed.operator.alerts()["items"]}
    assert AlertKind.BUDGET_OVERRUN in kinds


def test_what_the_buyer_set_refuses_still(observed: RunningService) -> None:
    observed.fund(grant_utok=0)
    with pytest.raises(ApiError) as refused:
        observed.submit(FAULTY, gold=observed.freeze(), candidate=FAULTY, max_price_utok=1)
    assert refused.value.reason == "max_price_below_quote"
    assert observed.balance(OVERDRAFT) == 0


def test_a_failed_order_leaves_no_debt(observed: RunningService, sandbox: StagedSandbox) -> None:
    """What was metered is burned: the reserve pays it, and what was lent goes back whole."""
    observed.fund(grant_utok=0)
    sandbox.fail_always_from(5)
    order = observed.order(GOOD, gold=observed.freeze(), candidate=GOOD)
    assert (order["outcome"], order["state"]) == ("failed", "refunded")
    assert (order["lent_utok"], order["owed_utok"]) == (order["escrowed_utok"], 0)
    assert observed.balance("burn") > 0
    assert observed.balance(f"wallet:{WALLET}") == 0
    check(observed, order)


def test_what_an_order_paid_before_it_failed_is_no_gift(
    observed: RunningService, sandbox: StagedSandbox
) -> None:
    """The search is paid with lent tokens: the reserve pays them back to who lent them."""
    observed.fund(grant_utok=0)

    def fail_judging(label: str) -> None:
        if ":validation:" in label:
            sandbox.fail_always_from(1)

    sandbox.on_open = fail_judging
    order = observed.order(BLIND, gold=observed.freeze())
    assert order["outcome"] == "failed"
    assert order["metered_utok"] > 0
    assert (order["owed_utok"], order["price_utok"], order["refunded_utok"]) == (0, 0, 0)
    assert observed.balance(f"wallet:{WALLET}") == 0
    check(observed, order)


def test_a_rejected_order_owes_what_was_metered(observed: RunningService) -> None:
    observed.fund(grant_utok=0)
    order = observed.order(GOOD, gold=observed.freeze())
    assert order["outcome"] == "rejected"
    assert order["owed_utok"] == order["metered_utok"] > 0
    check(observed, order)


def test_back_to_enforcing_debts_stay_and_the_next_day_is_right(
    tmp_path: Path, database_url: str
) -> None:
    folder, clock = tmp_path / "switched", FakeClock()
    with running(settings(folder, database_url, enforcement="observe"), clock=clock) as service:
        key = service.operator_key
        service.fund(grant_utok=0)
        gold = service.freeze()
        order = service.order(FAULTY, gold=gold, candidate=FAULTY)
    clock.advance(days=1)
    with running(settings(folder, database_url), clock=clock) as service:
        service.operator_key = key
        with pytest.raises(ApiError) as refused:
            service.submit(FAULTY, gold=gold, candidate=GOOD)
        assert refused.value.reason == "wallet_below_threshold"
        service.fund(grant_utok=0)
        with service.parts.database.transaction() as session:
            decision = service.parts.budgets.open_day(session, TEAM)
        assert decision.circulating_utok == 5_000_000_000
        assert decision.issued_utok == 0
        check(service, order)


def test_every_answer_says_so(observed: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    observed.fund()
    key = observed.operator_key
    asked = {
        "/healthz": 200,
        "/openapi.json": 200,
        "/docs": 200,
        "/nowhere": 404,
        "/api/v1/me": 401,
    }
    for path, status in asked.items():
        answer = observed.http(None).get(path)
        assert (answer.status_code, answer.headers[HEADER]) == (status, "observe"), path
    assert observed.http(None).get("/healthz").json()["enforcement"] == "observe"
    large = observed.http(key).post("/api/v1/gold", content=bytes(64 * 2**20 + 1))
    assert (large.status_code, large.headers[HEADER]) == (413, "observe")
    with observed.http(key).stream("GET", "/api/v1/events?topic=prices") as stream:
        assert stream.headers[HEADER] == "observe"

    def fail(_session: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(observed.parts.market, "current", fail)
    defect = observed.http(key).get("/api/v1/prices")
    assert (defect.status_code, defect.headers[HEADER]) == (500, "observe")
    assert observed.operator.budget(TEAM)
    assert observed.operator.is_observed_only is True
