"""Every mutation acts once for its idempotency key, on both databases."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from aem.artifact import Bundle
from core.principals import Role
from tests.fakes.running_service import AGENT, ARTIFACT, GOOD, TEAM, WALLET, RunningService

TABLES = ("ledger_transfers", "orders", "order_files", "http_requests", "api_keys")
AMOUNT_UTOK = 7_000_000
TWINS = 4


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


@pytest.fixture(scope="module")
def gold(service: RunningService) -> str:
    return service.freeze()


def allocation(amount_utok: int = AMOUNT_UTOK) -> dict[str, Any]:
    return {"to": f"wallet:{WALLET}", "amount_utok": amount_utok, "reason": "test"}


def allocate(
    service: RunningService, key: str | None, amount_utok: int = AMOUNT_UTOK, budget: str = TEAM
) -> httpx.Response:
    return service.http(service.operator_key).post(
        f"/api/v1/budgets/{budget}/allocations",
        json=allocation(amount_utok),
        headers={} if key is None else {"Idempotency-Key": key},
    )


def order(
    service: RunningService, gold: str, key: str | None, candidate: Bundle = GOOD, **changes: Any
) -> httpx.Response:
    body = {
        "artifact": ARTIFACT,
        "gold": gold,
        "max_price_utok": 100_000_000,
        "synthesizer": "candidate",
    }
    files = {"artifact": GOOD.to_archive(), "candidate": candidate.to_archive()}
    return service.http(service.secret("agent", TEAM, AGENT)).post(
        "/api/v1/orders",
        data={"order": json.dumps(body | changes)},
        files=files,
        headers={} if key is None else {"Idempotency-Key": key},
    )


@pytest.mark.parametrize("bad", [None, "", "k" * 201], ids=["none", "empty", "too long"])
def test_a_mutation_without_a_usable_key_is_refused_and_does_nothing(
    service: RunningService, gold: str, bad: str | None
) -> None:
    service.secret("agent", TEAM, AGENT)
    before = service.counts(*TABLES)
    for answer in (allocate(service, bad), order(service, gold, bad)):
        assert answer.status_code == 400
        assert answer.json()["reason"] == "idempotency_key_missing"
    assert service.counts(*TABLES) == before


def test_an_allocation_sent_again_moves_tokens_once(service: RunningService, key: str) -> None:
    before = service.balance(f"wallet:{WALLET}")
    first, again = allocate(service, key), allocate(service, key)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert service.balance(f"wallet:{WALLET}") == before + AMOUNT_UTOK


def test_a_key_is_bound_to_body_and_place(service: RunningService, key: str) -> None:
    before = service.balance(f"wallet:{WALLET}")
    allocate(service, key)
    for answer in (
        allocate(service, key, AMOUNT_UTOK + 1),
        allocate(service, key, budget="globex"),
    ):
        assert answer.status_code == 409
        assert answer.json()["reason"] == "idempotency_key_reused"
    assert service.balance(f"wallet:{WALLET}") == before + AMOUNT_UTOK


def test_keys_of_two_principals_never_meet(service: RunningService, key: str) -> None:
    before = service.balance(f"wallet:{WALLET}")
    allocate(service, key)
    answer = service.http(service.secret("team", TEAM)).post(
        f"/api/v1/budgets/{TEAM}/allocations",
        json=allocation(),
        headers={"Idempotency-Key": key},
    )
    assert answer.status_code == 201
    assert service.balance(f"wallet:{WALLET}") == before + 2 * AMOUNT_UTOK


def test_a_refusal_uses_no_key_up(service: RunningService, key: str) -> None:
    answer = allocate(service, key, 10**15)
    assert answer.status_code in (402, 409), answer.text
    assert allocate(service, key).status_code == 201


def test_an_order_sent_again_is_one_order(service: RunningService, gold: str, key: str) -> None:
    before = service.counts("orders")["orders"]
    first, again = order(service, gold, key), order(service, gold, key)
    assert first.status_code == again.status_code == 202, first.text
    assert first.json() == again.json()
    service.ended(first.json()["id"])
    assert order(service, gold, key).json() == first.json()
    assert service.counts("orders") == {"orders": before + 1}


@pytest.mark.parametrize("what", ["order", "file"])
def test_a_key_of_an_order_is_bound_to_its_form_and_its_files(
    service: RunningService, gold: str, key: str, what: str
) -> None:
    first = order(service, gold, key).json()
    other = Bundle({**GOOD.files, "notes.txt": b"other"})
    answer = (
        order(service, gold, key, channel="canary")
        if what == "order"
        else order(service, gold, key, other)
    )
    assert (answer.status_code, answer.json()["reason"]) == (409, "idempotency_key_reused")
    service.ended(first["id"])


def test_twins_at_the_same_time_allocate_once(service: RunningService, key: str) -> None:
    before = service.balance(f"wallet:{WALLET}")
    with ThreadPoolExecutor(TWINS) as pool:
        answers = list(pool.map(lambda _: allocate(service, key), range(TWINS)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert service.balance(f"wallet:{WALLET}") == before + AMOUNT_UTOK


def test_twins_at_the_same_time_are_one_order(
    service: RunningService, gold: str, key: str
) -> None:
    before = service.counts("orders")["orders"]
    with ThreadPoolExecutor(TWINS) as pool:
        answers = list(pool.map(lambda _: order(service, gold, key), range(TWINS)))
    assert {answer.status_code for answer in answers} == {202}, [a.text for a in answers]
    assert len({answer.text for answer in answers}) == 1
    service.ended(answers[0].json()["id"])
    assert service.counts("orders") == {"orders": before + 1}


def test_a_twin_gets_its_siblings_answer_even_where_there_is_money_for_one_alone(
    service: RunningService, key: str
) -> None:
    service.operator.set_budget("globex", parent=TEAM)
    service.operator.allocate(TEAM, to="treasury:globex", amount_utok=AMOUNT_UTOK, reason="test")
    with ThreadPoolExecutor(TWINS) as pool:
        answers = list(pool.map(lambda _: allocate(service, key, budget="globex"), range(TWINS)))
    assert [answer.status_code for answer in answers] == [201] * TWINS, answers[-1].text
    assert service.balance("treasury:globex") == 0


def test_a_key_made_again_comes_without_its_secret(service: RunningService, key: str) -> None:
    def make() -> httpx.Response:
        return service.http(service.operator_key).post(
            "/api/v1/keys",
            json={"role": Role.AUDITOR.value},
            headers={"Idempotency-Key": key},
        )

    first, again = make().json(), make().json()
    assert first["secret"].startswith("aem_")
    assert again == first | {"secret": None}
    with service.parts.database.reading() as session:
        kept = session.connection().exec_driver_sql("SELECT body FROM http_requests").all()
    assert first["secret"] not in str(kept)


def test_the_first_start_alone_makes_the_operators_key(service: RunningService) -> None:
    assert service.operator_key.startswith("aem_")
    assert service.http(service.operator_key).get("/api/v1/me").json()["role"] == "operator"
