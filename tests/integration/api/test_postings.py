"""Operators' transfers over HTTP, from the client that commands use."""

import re
from pathlib import Path
from typing import Any

import pytest

import ledger
from aem.client import ApiError
from api.routes.postings import RESERVED_KINDS
from ledger.loans import LOAN_RETURN
from tests.fakes.running_service import RunningService
from tests.fakes.threads import together

pytestmark = pytest.mark.slow

WALLET = "wallet:acme.bot"


def movement(
    command: str, amount: int, credit: str = "wallet:acme", **more: Any
) -> dict[str, Any]:
    return {
        "command": command,
        "debit": WALLET,
        "credit": credit,
        "amount_utok": amount,
        "memo": "a test",
        **more,
    }


def rejections(answer: dict[str, Any]) -> list[str | None]:
    return [outcome["rejection"] for outcome in answer["outcomes"]]


def test_a_hold_is_made_posted_in_part_and_taken_back(service: RunningService) -> None:
    post = service.operator.post_transfers
    before = service.balance("wallet:acme")
    hold = movement("hold", 50, expires_at="2099-01-01T00:00:00Z", reference="case 7")
    (held,) = post([hold])["outcomes"]
    assert held["transfer"]["phase"] == "hold"
    hold_id = held["transfer"]["id"]
    (posted,) = post([{"command": "post", "hold_id": hold_id, "amount_utok": 20}])["outcomes"]
    assert service.balance("wallet:acme") == before + 20
    again = post([{"command": "void", "hold_id": hold_id}])
    assert rejections(again) == ["hold_already_settled"]
    back = {"command": "reverse", "transfer_id": posted["transfer"]["id"], "memo": "a mistake"}
    assert rejections(post([back])) == [None]
    assert service.balance("wallet:acme") == before
    assert service.held() == 0


def test_batches_are_atomic_independent_or_linked(service: RunningService) -> None:
    post = service.operator.post_transfers
    before = service.balance("escrow:h")
    good, bad = movement("move", 1, "escrow:h"), movement("move", 10**15, "escrow:h")
    assert rejections(post([good, bad])) == ["batch_rejected", "insufficient_funds"]
    assert rejections(post([good, bad], is_atomic=False)) == [None, "insufficient_funds"]
    chained = [good | {"is_linked": True}, bad, good]
    found = post(chained, is_atomic=False)
    assert rejections(found) == ["chain_rejected", "insufficient_funds", None]
    assert service.balance("escrow:h") == before + 2
    closed = post([movement("move", 1, "burn"), movement("move", 1, "purse:x")], is_atomic=False)
    assert rejections(closed) == ["account_restricted", "account_unknown"]


def test_a_key_posts_once_for_its_operator(service: RunningService) -> None:
    post = service.operator.post_transfers
    commands = [movement("move", 3, "escrow:key")]
    first, again = (post(commands, idempotency_key="k") for _ in range(2))
    assert (first["is_replay"], again["is_replay"]) == (False, True)
    assert first["outcomes"] == again["outcomes"]
    with pytest.raises(ApiError) as refused:
        post([movement("move", 4, "escrow:key")], idempotency_key="k")
    assert (refused.value.status, refused.value.reason) == (409, "idempotency_key_reused")
    answers = together(lambda _: post(commands, idempotency_key="together"))
    assert sorted(answer["is_replay"] for answer in answers) == [False, *[True] * 5]
    assert service.balance("escrow:key") == 6
    bare = service.http(service.operator_key).post(
        "/api/v1/ledger/transfers", json={"commands": commands}
    )
    assert bare.json()["reason"] == "idempotency_key_missing"


@pytest.mark.parametrize(
    ("commands", "reason"),
    [
        ([], "bad_batch"),
        ([movement("move", 1, is_linked=True), movement("move", 1)], "bad_batch"),
        ([movement("move", 1, kind="Bad Kind")], "bad_batch"),
        ([movement("move", 1, kind="loan")], "bad_batch"),
        ([movement("hold", 1, kind="loan_return")], "bad_batch"),
        ([movement("move", 0)], "invalid_request"),
        ([movement("move", 1) | {"memo": ""}], "invalid_request"),
        ([movement("steal", 1)], "invalid_request"),
        ([movement("hold", 1, expires_at="2099-01-01T00:00:00")], "invalid_request"),
    ],
)
def test_what_is_no_batch_is_refused(
    service: RunningService, commands: list[dict[str, Any]], reason: str
) -> None:
    with pytest.raises(ApiError) as refused:
        service.operator.post_transfers(commands)
    assert (refused.value.status, refused.value.reason) == (400, reason)


def test_every_kind_of_the_services_own_transfers_is_reserved() -> None:
    source = Path(ledger.__file__).parent
    folders = (source, source.parent / "devops_agent")
    text = "".join(path.read_text() for folder in folders for path in folder.glob("*.py"))
    named = set(re.findall(r'kind="([a-z_]+)"', text)) - {"progress"}
    assert {"escrow", "allocation", "refund", "amends", "issuance"} <= named
    assert named <= RESERVED_KINDS
    assert {"loan", LOAN_RETURN, "premium", "fee", "suspense_billed"} <= RESERVED_KINDS
