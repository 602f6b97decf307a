"""What a database cannot hold is refused, and is never the service's failure."""

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
