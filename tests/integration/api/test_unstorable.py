"""What a database cannot hold is refused, and is never the service's failure."""

import json

import pytest

from tests.fakes.running_service import RunningService

NUL = "%00"


@pytest.mark.parametrize(
    "path",
    [
        f"/api/v1/orders/a{NUL}b",
        f"/api/v1/orders?cursor=a{NUL}b",
        f"/api/v1/gold/a{NUL}b",
        f"/api/v1/versions/a{NUL}b",
        f"/api/v1/artifacts/acme/a{NUL}b",
        f"/api/v1/wallets/acme{NUL}",
    ],
)
def test_a_nul_character_is_a_bad_request_or_names_nothing(
    service: RunningService, path: str
) -> None:
    answer = service.http(service.secret("team", "acme")).get(path)
    assert answer.status_code in (400, 404), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_nul_character_in_a_body_is_no_failure_of_the_service(service: RunningService) -> None:
    answer = service.http(service.secret("operator")).post(
        "/api/v1/budgets/acme/allocations",
        json={"to": "wallet:acme.bot", "amount_utok": 1, "reason": "a\x00b"},
        headers={"Idempotency-Key": "nul"},
    )
    assert answer.status_code in (201, 400), answer.text


@pytest.mark.parametrize(
    "path",
    [
        f"/api/v1/ledger/transfers?cursor={'9' * 30}",
        f"/api/v1/ledger/usage?cursor={'9' * 30}",
        f"/api/v1/events?topic=prices&after={'9' * 30}",
    ],
)
def test_a_cursor_past_64_bits_is_a_bad_request(service: RunningService, path: str) -> None:
    answer = service.http(service.secret("operator")).get(path)
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize("reason", ["a\ud800b", "x\x00"])
def test_a_reason_that_is_no_text_is_a_bad_request(service: RunningService, reason: str) -> None:
    answer = service.http(service.secret("operator")).post(
        "/api/v1/budgets/acme/allocations",
        content=json.dumps({"to": "wallet:acme.bot", "amount_utok": 1, "reason": reason}),
        headers={"Idempotency-Key": ascii(reason)},
    )
    assert answer.status_code in (201, 400), answer.text


def test_an_amount_is_an_integer_and_nothing_like_one(service: RunningService) -> None:
    for number, amount in enumerate((True, "1", 1.0)):
        answer = service.http(service.secret("operator")).post(
            "/api/v1/budgets/acme/allocations",
            json={"to": "wallet:acme.bot", "amount_utok": amount, "reason": "test"},
            headers={"Idempotency-Key": f"amount-{number}"},
        )
        assert answer.status_code == 400, answer.text


def test_an_order_as_a_plain_form_is_no_failure_of_the_service(service: RunningService) -> None:
    answer = service.http(service.secret("team", "acme")).post(
        "/api/v1/orders", data={"order": "{}"}, headers={"Idempotency-Key": "form"}
    )
    assert answer.status_code == 400, answer.text
