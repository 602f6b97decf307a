import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from aem.client import ApiError, BadAnswerError, Client, UnreachableError
from aem.client.connection import PAUSES_S
from aem.errors import BadHeaderError
from aem.proof import Envelope, KeyPurpose, TrustRoot
from tests.fakes.bundles import echo_bundle
from tests.fakes.keys import FakeKeys

DIGEST = "sha256:" + "0" * 64


class Answers:
    """Plays answers in turn, the last one for ever, and keeps what was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.requests: list[httpx.Request] = []
        self.pauses_s: list[float] = []
        self._answers = list(answers)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self) -> Client:
        return Client(
            "https://aem.test",
            "aem_secret",
            transport=httpx.MockTransport(self),
            sleep=self.pauses_s.append,
        )


def ok(value: Any = None) -> httpx.Response:
    return httpx.Response(200, json=value if value is not None else {})


CALLS: list[tuple[Callable[[Client], object], str, str, Any]] = [
    (lambda c: c.health(), "GET", "/healthz", None),
    (lambda c: c.me(), "GET", "/api/v1/me", None),
    (
        lambda c: c.create_key(role="agent", namespace="acme", agent="bot"),
        "POST",
        "/api/v1/keys",
        {"role": "agent", "namespace": "acme", "agent": "bot"},
    ),
    (lambda c: c.keys(), "GET", "/api/v1/keys", None),
    (lambda c: c.revoke_key("k1"), "POST", "/api/v1/keys/k1/revoke", {}),
    (lambda c: c.prices(), "GET", "/api/v1/prices", None),
    (
        lambda c: c.set_budget("acme", parent="org", daily_limit_nusd=5),
        "PUT",
        "/api/v1/budgets/acme",
        {"parent": "org", "daily_limit_nusd": 5},
    ),
    (
        lambda c: c.allocate("acme", to="acme.bot", amount_utok=7, reason="start"),
        "POST",
        "/api/v1/budgets/acme/allocations",
        {"to": "acme.bot", "amount_utok": 7, "reason": "start"},
    ),
    (lambda c: c.budget("acme"), "GET", "/api/v1/budgets/acme", None),
    (lambda c: c.wallet("acme.bot"), "GET", "/api/v1/wallets/acme.bot", None),
    (lambda c: c.accounts(limit=5), "GET", "/api/v1/ledger/accounts?limit=5", None),
    (
        lambda c: c.transfers(cursor="a b&c"),
        "GET",
        "/api/v1/ledger/transfers?cursor=a+b%26c",
        None,
    ),
    (lambda c: c.usage(), "GET", "/api/v1/ledger/usage", None),
    (lambda c: c.verify_audit(), "GET", "/api/v1/audit/verify", None),
    (lambda c: c.gold_datasets(), "GET", "/api/v1/gold", None),
    (lambda c: c.gold(DIGEST), "GET", f"/api/v1/gold/{DIGEST}", None),
    (lambda c: c.artifact("acme/echo"), "GET", "/api/v1/artifacts/acme/echo", None),
    (lambda c: c.versions("acme/echo"), "GET", "/api/v1/artifacts/acme/echo/versions", None),
    (lambda c: c.version(DIGEST), "GET", f"/api/v1/versions/{DIGEST}", None),
    (lambda c: c.diff("a", "b"), "GET", "/api/v1/versions/a/diff/b", None),
    (
        lambda c: c.channel("acme/echo", "production"),
        "GET",
        "/api/v1/artifacts/acme/echo/channels/production",
        None,
    ),
    (
        lambda c: c.channel_history("acme/echo", "canary"),
        "GET",
        "/api/v1/artifacts/acme/echo/channels/canary/history",
        None,
    ),
    (
        lambda c: c.promote(
            "acme/echo",
            "production",
            digest=DIGEST,
            reason="good",
            expected_generation=3,
            expected_digest=DIGEST,
        ),
        "POST",
        "/api/v1/artifacts/acme/echo/channels/production/promote",
        {
            "digest": DIGEST,
            "reason": "good",
            "expected_generation": 3,
            "expected_digest": DIGEST,
        },
    ),
    (
        lambda c: c.rollback("acme/echo", "production", reason="bad", digest=DIGEST),
        "POST",
        "/api/v1/artifacts/acme/echo/channels/production/rollback",
        {"reason": "bad", "digest": DIGEST},
    ),
    (
        lambda c: c.acknowledge(
            "acme/echo",
            "production",
            agent="acme.bot",
            digest=DIGEST,
            generation=4,
            accepted=False,
            reason="self_test_failed",
        ),
        "POST",
        "/api/v1/artifacts/acme/echo/channels/production/acks",
        {
            "agent": "acme.bot",
            "digest": DIGEST,
            "generation": 4,
            "accepted": False,
            "reason": "self_test_failed",
        },
    ),
    (lambda c: c.order("o1"), "GET", "/api/v1/orders/o1", None),
    (lambda c: c.orders(cursor="x"), "GET", "/api/v1/orders?cursor=x", None),
    (lambda c: c.order_report("o1"), "GET", "/api/v1/orders/o1/report", None),
    (lambda c: c.order("b?c d"), "GET", "/api/v1/orders/b%3Fc%20d", None),
]


@pytest.mark.parametrize(
    ("call", "method", "target", "body"), CALLS, ids=[f"{c[1]} {c[2]}" for c in CALLS]
)
def test_each_method_asks_for_one_thing(
    call: Callable[[Client], object], method: str, target: str, body: Any
) -> None:
    answers = Answers(ok({"answer": 1}))
    assert call(answers.client()) == {"answer": 1}
    (request,) = answers.requests
    assert (request.method, request.url.raw_path.decode()) == (method, target)
    assert request.headers["authorization"] == "Bearer aem_secret"
    assert (json.loads(request.content) if request.content else None) == body
    assert ("idempotency-key" in request.headers) == (method != "GET")


def test_without_a_key_none_is_sent() -> None:
    answers = Answers(ok())
    Client("https://aem.test", "", transport=httpx.MockTransport(answers)).health()
    assert "authorization" not in answers.requests[0].headers


def test_a_client_knows_whether_anything_is_enforced() -> None:
    observed = httpx.Response(200, json={}, headers={"AEM-Enforcement": "observe"})
    client = Answers(observed, ok()).client()
    assert client.is_observed_only is False
    client.health()
    assert client.is_observed_only is True
    client.health()
    assert client.is_observed_only is False


def test_the_trust_root_comes_as_an_envelope() -> None:
    keys = FakeKeys()
    envelope = keys.trust_root.sign(keys.signer(KeyPurpose.ROOT))
    answers = Answers(ok(envelope.to_json()))
    assert TrustRoot.from_envelope(answers.client().trust()) == keys.trust_root
    assert answers.requests[0].url.path == "/.well-known/aem-trust.json"
    assert isinstance(answers.client().trust(), Envelope)


def test_a_bundle_is_fetched() -> None:
    answers = Answers(httpx.Response(200, content=echo_bundle().to_archive()))
    assert answers.client().bundle(DIGEST) == echo_bundle()
    assert answers.requests[0].url.path == f"/api/v1/versions/{DIGEST}/bundle"


def test_gold_is_sent_as_an_archive() -> None:
    answers = Answers(ok({"digest": DIGEST}))
    assert answers.client().freeze_gold(echo_bundle()) == {"digest": DIGEST}
    (request,) = answers.requests
    assert request.headers["content-type"] == "application/gzip"
    assert type(echo_bundle()).from_archive(request.content) == echo_bundle()


def test_an_order_is_sent_as_a_form_with_files() -> None:
    answers = Answers(httpx.Response(202, json={"id": "o1"}))
    order = answers.client().submit(
        echo_bundle(),
        gold=DIGEST,
        traces=b'{"id": 1}\n',
        max_price_utok=50,
        metrics={"error_rate": 0.5},
        candidate=echo_bundle("two"),
        idempotency_key="mine",
    )
    (request,) = answers.requests
    assert (order, request.headers["idempotency-key"]) == ({"id": "o1"}, "mine")
    parts = request.content.split(b"--" + request.headers["content-type"].split("=")[1].encode())
    names = [part.split(b'name="')[1].split(b'"')[0] for part in parts[1:-1]]
    assert names == [b"order", b"artifact", b"traces", b"candidate"]
    assert json.loads(parts[1].split(b"\r\n\r\n")[1]) == {
        "artifact": "acme/echo",
        "gold": DIGEST,
        "max_price_utok": 50,
        "channel": "production",
        "deployment": "deploy",
        "synthesizer": "repair",
        "model": "",
        "metrics": {"error_rate": 0.5},
    }
    assert echo_bundle().to_archive() in parts[2]
    assert b'{"id": 1}' in parts[3]


@pytest.mark.parametrize(
    "failure",
    [
        httpx.Response(503, json={"reason": "infrastructure_failed"}),
        httpx.ConnectError("refused"),
        httpx.ReadError("reset"),
        httpx.ReadTimeout("slow"),
    ],
    ids=["503", "refused", "reset", "slow"],
)
def test_a_mutation_is_sent_again_with_the_same_key(failure: httpx.Response | Exception) -> None:
    answers = Answers(failure, failure, ok({"id": "k"}))
    assert answers.client().create_key(role="operator") == {"id": "k"}
    keys = {request.headers["idempotency-key"] for request in answers.requests}
    assert (len(answers.requests), len(keys)) == (3, 1)
    assert answers.pauses_s == list(PAUSES_S[:2])


def test_two_mutations_have_two_keys() -> None:
    answers = Answers(ok())
    client = answers.client()
    client.create_key(role="operator")
    client.create_key(role="operator")
    assert len({request.headers["idempotency-key"] for request in answers.requests}) == 2


def test_it_gives_up_after_a_bounded_number_of_attempts() -> None:
    answers = Answers(httpx.ConnectError("refused"))
    with pytest.raises(UnreachableError, match=r"https://aem\.test gives no answer") as caught:
        answers.client().me()
    assert (caught.value.reason, len(answers.requests)) == ("unreachable", len(PAUSES_S) + 1)


def test_who_may_have_been_heard_is_told_the_key_to_ask_again_with() -> None:
    answers = Answers(httpx.ReadError("gone"), httpx.ConnectError("refused"))
    with pytest.raises(UnreachableError, match="does that once") as caught:
        answers.client().allocate("acme", to="wallet:acme", amount_utok=1, reason="r")
    key = caught.value.details["idempotency_key"]
    assert {request.headers["Idempotency-Key"] for request in answers.requests} == {key}
    assert key in str(caught.value)


def test_who_was_never_heard_is_told_no_key() -> None:
    answers = Answers(httpx.ConnectError("refused"))
    with pytest.raises(UnreachableError) as caught:
        answers.client().allocate("acme", to="wallet:acme", amount_utok=1, reason="r")
    assert "idempotency_key" not in caught.value.details


@pytest.mark.parametrize("key", ["", " ", "a b", "a\n", "Zürich-7", "k" * 201])
def test_a_key_that_no_header_carries_is_refused_before_anything_is_sent(key: str) -> None:
    answers = Answers(ok())
    with pytest.raises(BadHeaderError):
        answers.client().allocate(
            "acme", to="wallet:acme", amount_utok=1, reason="r", idempotency_key=key
        )
    assert answers.requests == []


def test_an_api_key_of_other_characters_is_refused() -> None:
    with pytest.raises(BadHeaderError):
        Client("https://aem.test", "aem_schlüssel")


def test_the_last_503_is_told_as_what_it_is() -> None:
    answers = Answers(httpx.Response(503, json={"reason": "infrastructure_failed", "detail": "d"}))
    with pytest.raises(ApiError) as caught:
        answers.client().me()
    assert (caught.value.status, caught.value.reason) == (503, "infrastructure_failed")


def test_a_problem_becomes_an_error_with_its_reason_and_figures() -> None:
    problem = {
        "type": "about:blank",
        "title": "Payment Required",
        "status": 402,
        "detail": "the wallet holds 5 of 100 tokens",
        "reason": "below_threshold",
        "balance_utok": 5,
        "message": "a member of the service's choice",
    }
    answers = Answers(httpx.Response(402, json=problem))
    with pytest.raises(ApiError, match="the wallet holds 5") as caught:
        answers.client().create_key(role="x")
    error = caught.value
    assert (error.status, error.reason, error.details) == (
        402,
        "below_threshold",
        {"balance_utok": 5, "message": "a member of the service's choice"},
    )
    assert len(answers.requests) == 1


@pytest.mark.parametrize("content", [b"<h1>Bad Gateway</h1>", b"[]", b'{"detail": "no reason"}'])
def test_a_proxys_page_is_shown(content: bytes) -> None:
    answers = Answers(httpx.Response(502, content=content))
    with pytest.raises(ApiError) as caught:
        answers.client().me()
    assert (caught.value.status, caught.value.reason) == (502, "no_problem_document")
    assert content.decode() in caught.value.detail


def test_a_page_where_json_should_be_is_no_answer_of_the_service() -> None:
    with pytest.raises(BadAnswerError, match="<h1>login"):
        Answers(httpx.Response(200, content=b"<h1>login")).client().me()


def test_an_endless_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aem.client.connection.MAX_ANSWER_BYTES", 10)
    with pytest.raises(BadAnswerError, match="more than 10 bytes"):
        Answers(httpx.Response(200, content=b"x" * 11)).client().me()
