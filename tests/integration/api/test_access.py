"""Who may do what: every group of routes against every role."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.fakes.running_service import ARTIFACT, DATASET, GOOD, RunningService

CALLERS: Mapping[str, tuple[str, str, str]] = {
    "operator": ("operator", "", ""),
    "auditor": ("auditor", "", ""),
    "team": ("team", "acme", ""),
    "agent": ("agent", "acme", "bot"),
    "sister agent": ("agent", "acme", "cat"),
    "devops": ("devops", "acme", ""),
    "evaluator": ("evaluator", "acme", ""),
    "other team": ("team", "globex", ""),
    "other agent": ("agent", "globex", "bot"),
}
HOUSE = {"operator", "auditor"}
ACME = {"team", "agent", "sister agent"}
EVERYBODY = set(CALLERS)
CHANNEL = f"/api/v1/artifacts/{ARTIFACT}/channels/production"
STALE = {"digest": "sha256:" + "0" * 64, "reason": "test", "expected_generation": 99}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A request, who may send it, and what they and the others are answered."""

    request: str
    allowed: set[str]
    status: int = 200
    refusal: int = 403
    body: Any = None
    files: Mapping[str, bytes] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.request


RULES = [
    Rule(request="GET /api/v1/me", allowed=EVERYBODY),
    Rule(request="GET /api/v1/prices", allowed=EVERYBODY),
    Rule(request="GET /api/v1/keys", allowed=HOUSE),
    Rule(
        request="POST /api/v1/keys",
        body={"role": "auditor"},
        allowed={"operator"},
        status=201,
    ),
    Rule(request="POST /api/v1/keys/key_none/revoke", allowed={"operator"}, status=404),
    Rule(request="PUT /api/v1/budgets/acme", body={}, allowed={"operator"}),
    Rule(request="GET /api/v1/budgets", allowed=HOUSE),
    Rule(request="GET /api/v1/budgets/acme", allowed=HOUSE | ACME),
    Rule(
        request="POST /api/v1/budgets/acme/allocations",
        body={"to": "wallet:acme.bot", "amount_utok": 1, "reason": "test"},
        allowed={"operator", "team"},
        status=201,
    ),
    Rule(
        request="GET /api/v1/wallets/acme.bot",
        allowed=HOUSE | {"team", "agent"},
        refusal=404,
    ),
    Rule(request="GET /api/v1/wallets/acme", allowed=HOUSE | {"team"}, refusal=404),
    Rule(request="GET /api/v1/ledger/accounts", allowed=HOUSE),
    Rule(request="GET /api/v1/ledger/transfers", allowed=HOUSE),
    Rule(request="GET /api/v1/ledger/usage", allowed=HOUSE),
    Rule(
        request="POST /api/v1/ledger/transfers",
        body={"commands": [{"command": "void", "hold_id": "none"}]},
        allowed={"operator"},
    ),
    Rule(request="GET /api/v1/ledger/accounts/burn/statement?from=2026-01-05", allowed=HOUSE),
    Rule(request="GET /api/v1/ledger/balances?at=2026-01-05T09:00:00%2B02:00", allowed=HOUSE),
    Rule(request="GET /api/v1/ledger/trial-balance", allowed=HOUSE),
    Rule(request="GET /api/v1/ledger/usage/summary?by=owner", allowed=HOUSE),
    Rule(request="GET /api/v1/ledger/spend", allowed=HOUSE),
    Rule(request="GET /api/v1/ledger/indicators", allowed=HOUSE),
    Rule(request="GET /api/v1/ledger/export?format=csv", allowed=HOUSE),
    Rule(request="GET /api/v1/alerts", allowed=HOUSE),
    Rule(request="POST /api/v1/alerts/test", allowed={"operator"}, status=202),
    Rule(
        request="POST /api/v1/ledger/reconciliations?provider=x&dry_run=true",
        body={},
        allowed=HOUSE,
        status=400,
    ),
    Rule(
        request="POST /api/v1/ledger/reconciliations?provider=x&dry_run=false",
        body={},
        allowed={"operator"},
        status=400,
    ),
    Rule(request="GET /api/v1/ledger/reconciliations", allowed=HOUSE),
    Rule(request="GET /api/v1/ledger/reconciliations/rec_none", allowed=HOUSE, status=404),
    Rule(request="GET /api/v1/audit/verify", allowed=HOUSE),
    Rule(request="GET /api/v1/audit/runs", allowed=HOUSE),
    Rule(request="GET /api/v1/gold", allowed=EVERYBODY),
    Rule(request="GET /api/v1/gold/{gold}", allowed=HOUSE | ACME, refusal=404),
    Rule(request=f"GET /api/v1/artifacts/{ARTIFACT}", allowed=HOUSE | ACME, refusal=404),
    Rule(request=f"GET /api/v1/artifacts/{ARTIFACT}/versions", allowed=HOUSE | ACME, refusal=404),
    Rule(request="GET /api/v1/versions/{digest}", allowed=HOUSE | ACME, refusal=404),
    Rule(request="GET /api/v1/versions/{digest}/bundle", allowed=HOUSE | ACME, refusal=404),
    Rule(request="GET /api/v1/versions/{digest}/diff/{digest}", allowed=HOUSE | ACME, refusal=404),
    Rule(request=f"GET {CHANNEL}", allowed=HOUSE | ACME, refusal=404),
    Rule(request=f"GET {CHANNEL}/history", allowed=HOUSE | ACME, refusal=404),
    Rule(request=f"GET {CHANNEL}/deployments", allowed=HOUSE | ACME, refusal=404),
    # What comes after the permission tells that it was given: the state forbids the move.
    Rule(
        request=f"POST {CHANNEL}/promote",
        body=STALE,
        allowed={"operator", "team"},
        status=409,
    ),
    Rule(
        request=f"POST {CHANNEL}/rollback",
        body={"reason": "test"},
        allowed={"operator", "team"},
        status=409,
    ),
    Rule(request="GET /api/v1/orders", allowed=EVERYBODY),
    Rule(request="GET /api/v1/orders/{order}", allowed=HOUSE | ACME, refusal=404),
    Rule(request="GET /api/v1/orders/{order}/report", allowed=HOUSE | ACME, refusal=404),
    # The agent has a wallet; the others of its namespace are told that theirs is empty.
    Rule(
        request="POST /api/v1/orders",
        files={"artifact": b"no archive"},
        allowed={"agent"},
        status=400,
    ),
]


@pytest.fixture(scope="module")
def places(shared: RunningService) -> dict[str, str]:
    """Make something of each kind, and return what paths call it."""
    gold = shared.freeze()
    order = shared.order(GOOD, gold=gold, candidate=GOOD)
    shared.operator.allocate("acme", to="wallet:acme", amount_utok=1, reason="so that it is there")
    return {"gold": gold, "order": order["id"], "digest": order["version"]["digest"]}


class Sender:
    def __init__(self, service: RunningService, places: dict[str, str]) -> None:
        self._service = service
        self._places = places
        self._sent = 0

    def __call__(self, rule: Rule, secret: str | None) -> httpx.Response:
        method, _, path = rule.request.partition(" ")
        for name, value in self._places.items():
            path = path.replace("{" + name + "}", value)
        self._sent += 1
        options: dict[str, Any] = {"json": rule.body} if rule.body is not None else {}
        if rule.files:
            order = {"artifact": ARTIFACT, "gold": self._places["gold"], "max_price_utok": 10**8}
            options = {"files": rule.files, "data": {"order": json.dumps(order)}}
        return self._service.http(secret).request(
            method, path, headers={"Idempotency-Key": f"access-{id(self)}-{self._sent}"}, **options
        )


@pytest.fixture(scope="module")
def send(shared: RunningService, places: dict[str, str]) -> Sender:
    return Sender(shared, places)


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_role_may_do_what_it_is_for_and_nothing_else(
    shared: RunningService, send: Sender, rule: Rule, caller: str
) -> None:
    expected = rule.status if caller in rule.allowed else rule.refusal
    if rule.request == "POST /api/v1/orders" and caller in {"team", "sister agent"}:
        expected = 402
    answer = send(rule, shared.secret(*CALLERS[caller]))
    assert answer.status_code == expected, answer.text


@pytest.fixture(scope="module")
def revoked(shared: RunningService) -> str:
    key = shared.operator.create_key(role="operator")
    shared.operator.revoke_key(key["id"])
    return str(key["secret"])


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_nobody_gets_in_without_a_key_that_is_known_and_not_revoked(
    send: Sender, revoked: str, rule: Rule
) -> None:
    for secret in (None, "aem_made-up", "0", revoked):
        answer = send(rule, secret)
        assert answer.status_code == 401, answer.text
        assert answer.json()["reason"] == "not_authenticated"
        assert answer.headers["www-authenticate"] == "Bearer"


def test_what_is_open_needs_no_key(shared: RunningService) -> None:
    nobody = shared.http(None)
    health = nobody.get("/healthz").json()
    audit = health.pop("audit")
    assert health == {"status": "ok", "has_operator": True, "enforcement": "enforce"}
    assert set(audit) == {"ended_at", "is_full", "verified", "next_at"}
    assert "payload" in nobody.get("/.well-known/aem-trust.json").json()


@pytest.mark.parametrize(
    ("caller", "orders"),
    [("agent", 1), ("auditor", 1), ("evaluator", 0), ("devops", 0), ("other team", 0)],
)
def test_lists_hold_what_the_key_may_see_alone(
    shared: RunningService, places: dict[str, str], caller: str, orders: int
) -> None:
    client = shared.http(shared.secret(*CALLERS[caller]))
    assert len(client.get("/api/v1/orders").json()["items"]) == orders
    assert len(client.get("/api/v1/gold").json()["items"]) == orders


@pytest.mark.parametrize(
    ("caller", "voice", "status"),
    [
        ("agent", "acme.bot", 200),
        ("agent", "acme.bot/instance-2", 200),
        ("agent", "acme.cat", 403),
        ("agent", "acme.bot2", 403),
        ("team", "acme.cat", 200),
        ("team", "acme", 200),
        ("team", "globex.bot", 403),
        ("team", "acme-two.bot", 403),
        ("auditor", "acme.bot", 403),
        ("operator", "acme.bot", 403),
        ("evaluator", "acme.bot", 404),
        ("other agent", "globex.bot", 404),
    ],
)
def test_an_agent_answers_for_itself_alone(
    shared: RunningService, places: dict[str, str], caller: str, voice: str, status: int
) -> None:
    answer = shared.http(shared.secret(*CALLERS[caller])).post(
        f"{CHANNEL}/acks",
        json={"agent": voice, "digest": places["digest"], "generation": 1, "accepted": True},
        headers={"Idempotency-Key": f"ack-{caller}-{voice}"},
    )
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    ("caller", "topic", "status"),
    [
        ("agent", "prices", 200),
        ("other agent", "prices", 200),
        ("agent", f"channel:{ARTIFACT}:production", 200),
        ("auditor", f"channel:{ARTIFACT}:production", 200),
        ("other agent", f"channel:{ARTIFACT}:production", 404),
        ("evaluator", f"channel:{ARTIFACT}:production", 404),
        ("sister agent", "order:{order}", 200),
        ("other team", "order:{order}", 404),
        ("devops", "order:{order}", 404),
        ("operator", "order:ord_none", 404),
        ("operator", "orders", 404),
        ("operator", "", 404),
    ],
)
def test_a_topic_is_followed_by_who_may_see_what_it_tells_of(
    shared: RunningService, places: dict[str, str], caller: str, topic: str, status: int
) -> None:
    client = shared.http(shared.secret(*CALLERS[caller]))
    query = {"topic": topic.format(**places)}
    with client.stream("GET", "/api/v1/events", params=query) as answer:
        assert answer.status_code == status


def test_the_holdout_stays_hidden_from_agents_and_open_to_its_owner_and_the_auditor(
    shared: RunningService, places: dict[str, str]
) -> None:
    def report(caller: str) -> str:
        client = shared.http(shared.secret(*CALLERS[caller]))
        return client.get(f"/api/v1/orders/{places['order']}/report").text

    case_ids = [
        json.loads(line)["id"]
        for path, content in DATASET.files.items()
        if path.startswith("cases/")
        for line in content.splitlines()
    ]
    for caller in ("agent", "operator"):
        assert not [case for case in case_ids if f'"{case}"' in report(caller)]
    for caller in ("team", "auditor"):
        assert [case for case in case_ids if f'"{case}"' in report(caller)]


def test_no_list_of_keys_holds_a_secret(shared: RunningService) -> None:
    listed = json.dumps(shared.operator.keys())
    assert shared.operator_key[:12] not in listed
    assert "secret" not in listed


@pytest.mark.parametrize(
    "body",
    [
        {"role": "king"},
        {"role": "team"},
        {"role": "agent", "namespace": "acme"},
        {"role": "team", "namespace": "acme", "agent": "bot"},
        {"role": "team", "namespace": "Acme"},
        {"role": "team", "namespace": "acme/x"},
        {"role": "team", "namespace": "acme", "colour": "red"},
        {"role": "agent", "namespace": "acme", "agent": "bot.cat"},
    ],
    ids=str,
)
def test_a_key_for_nobody_is_not_made(shared: RunningService, body: dict[str, str]) -> None:
    before = shared.counts("api_keys")
    answer = shared.http(shared.operator_key).post(
        "/api/v1/keys", json=body, headers={"Idempotency-Key": str(body)}
    )
    assert answer.status_code == 400
    assert shared.counts("api_keys") == before
