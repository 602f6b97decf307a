"""Calls of a provider over real HTTP, with the unmodified client: every way that they can end."""

import gzip
import json
import logging
import socket
import time
import tracemalloc
from collections.abc import Iterator

import pytest

from aem.artifact import ChatMessage, ChatRequest, Role
from market import (
    Model,
    Upstream,
    UpstreamRefusedError,
    UpstreamReply,
    UpstreamUnknownError,
    UpstreamUnreachableError,
)
from tests.fakes import llm_server
from tests.fakes.llm_server import Behaviour, LlmServer, serving

TIMEOUT_S = 0.6
ENVIRONMENT = {
    "OPENAI_API_KEY": "sk-ambient",
    "OPENAI_ADMIN_KEY": "sk-ambient",
    "OPENAI_ORG_ID": "org-ambient",
    "OPENAI_PROJECT_ID": "proj-ambient",
    "OPENAI_WEBHOOK_SECRET": "ambient",
    "OPENAI_BASE_URL": "http://127.0.0.1:9/ambient",
    "OPENAI_CUSTOM_HEADERS": "Authorization: Bearer ambient\nX-Ambient: ambient",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "ALL_PROXY": "http://127.0.0.1:9",
}
BOMB = gzip.compress(bytes(300_000_000))
REQUEST = ChatRequest(
    model="tutor",
    messages=(ChatMessage(role=Role.USER, content="How are you?"),),
    max_tokens=40,
    seed=7,
    stop=("END",),
    reply_schema={"type": "object"},
)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    made = Upstream()
    yield made
    made.close()


def model(base_url: str, **changes: object) -> Model:
    values: dict[str, object] = {
        "name": "tutor",
        "provider": "school",
        "base_url": base_url,
        "upstream_name": llm_server.MODEL,
        "api_key": "sk-test",
        "input_price_pusd": 1,
        "output_price_pusd": 2,
        "context_tokens": 500,
        "reply_tokens_max": 30,
    }
    return Model(**(values | changes))  # type: ignore[arg-type]


def ask(server: LlmServer, upstream: Upstream, **changes: object) -> UpstreamReply:
    return upstream.complete(model(server.base_url, **changes), REQUEST, timeout_s=TIMEOUT_S)


def test_a_reply_comes_with_what_it_used(upstream: Upstream) -> None:
    told = llm_server.says("Fine.", usage=llm_server.usage(12, 3))
    with serving(told) as server:
        reply = upstream.complete(model(server.base_url), REQUEST, timeout_s=TIMEOUT_S)
    assert (reply.reply.text, reply.reply.finish_reason) == ("Fine.", "stop")
    assert (reply.input_tokens, reply.output_tokens, reply.bound_because) == (12, 3, "")
    assert 0 <= reply.latency_ms < TIMEOUT_S * 1000


def test_what_is_sent_is_capped_and_carries_the_key(upstream: Upstream) -> None:
    with serving(llm_server.says("Fine.")) as server:
        ask(server, upstream)
        (asked,) = server.chats
    assert asked.headers["authorization"] == "Bearer sk-test"
    assert asked.body["model"] == llm_server.MODEL
    assert asked.body["max_tokens"] == 30
    assert (asked.body["n"], asked.body["stream"]) == (1, False)
    assert (asked.body["seed"], asked.body["stop"]) == (7, ["END"])
    assert asked.body["response_format"]["json_schema"]["schema"] == {"type": "object"}


def test_nothing_of_the_environment_reaches_a_provider(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    logging.getLogger("openai").setLevel(logging.DEBUG)  # as OPENAI_LOG has it, at its import
    with serving(llm_server.says("Fine.")) as server:
        upstream = Upstream()
        ask(server, upstream)
        ask(server, upstream, api_key="")
        upstream.close()
    with_key, without = server.chats
    assert with_key.headers["authorization"] == "Bearer sk-test"
    assert without.headers["authorization"] == "Bearer none"
    assert "ambient" not in f"{server.asked}"
    assert "How are you?" not in caplog.text


def test_a_model_without_schemas_is_sent_none_and_its_own_cap(upstream: Upstream) -> None:
    with serving(llm_server.says("Fine.")) as server:
        ask(server, upstream, has_reply_schemas=False, cap_parameter="max_completion_tokens")
        (asked,) = server.chats
    assert "response_format" not in asked.body
    assert "max_tokens" not in asked.body
    assert asked.body["max_completion_tokens"] == 30


@pytest.mark.parametrize(
    ("reported", "expected", "because"),
    [
        (None, (44, 30), "usage_missing"),
        ({}, (44, 30), "usage_missing"),
        (llm_server.usage(0, 0), (44, 30), "usage_impossible"),
        ({"prompt_tokens": 5}, (5, 30), "usage_missing"),
        ({"prompt_tokens": -1, "completion_tokens": 10**12}, (44, 30), "usage_impossible"),
        ({"prompt_tokens": 5, "completion_tokens": 10**12}, (5, 30), "usage_impossible"),
        ({"prompt_tokens": "5", "completion_tokens": True}, (44, 30), "usage_impossible"),
    ],
)
def test_usage_that_is_missing_or_cannot_be_true_counts_as_the_bound(
    upstream: Upstream, reported: dict[str, object] | None, expected: tuple[int, int], because: str
) -> None:
    # 12 bytes of message and 16 tokens around it, twice; the schema is not sent.
    with serving(llm_server.says("Fine.", usage=reported)) as server:
        reply = upstream.complete(
            model(server.base_url, has_reply_schemas=False), REQUEST, timeout_s=TIMEOUT_S
        )
    assert (reply.input_tokens, reply.output_tokens) == expected
    assert reply.bound_because == because


@pytest.mark.parametrize(
    ("code", "may_retry"), [(400, False), (401, False), (404, False), (429, True), (500, True)]
)
def test_a_refusal_says_whether_to_try_again(
    upstream: Upstream, code: int, *, may_retry: bool
) -> None:
    refusal = llm_server.status(code, "not today", Retry_After="1.5")
    with serving(refusal) as server, pytest.raises(UpstreamRefusedError) as caught:
        ask(server, upstream)
    assert (caught.value.may_retry, caught.value.retry_after_s) == (may_retry, 1.5)
    assert caught.value.details["status"] == code
    assert "not today" in str(caught.value)
    assert len(server.chats) == 1, "the client itself must not try again"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("too long: 9000 tokens", "too long: 9000 tokens"),
        ("red \x1b[31m\u202e\r\nback\x00 \ud800", "red [31m back"),
        ("y" * 10_000, "y" * 300),
    ],
    ids=["plain", "control characters", "long"],
)
def test_a_refusal_is_told_in_the_providers_words(
    upstream: Upstream, words: str, told: str
) -> None:
    refusal = llm_server.status(400, words)
    with serving(refusal) as server, pytest.raises(UpstreamRefusedError) as caught:
        ask(server, upstream)
    assert str(caught.value) == f"tutor refused the call with status 400: {told}"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"<html>bad gateway</html>", ": <html>bad gateway</html>"),
        (b'{"error": {"code": 5}}', ""),
        (b'{"error": "no such model"}', ": no such model"),
        (b'{"detail": "no such path"}', ": no such path"),
    ],
    ids=["no JSON", "no words", "a text", "a detail"],
)
def test_words_are_taken_from_where_providers_put_them(
    upstream: Upstream, body: bytes, told: str
) -> None:
    def behave(exchange: llm_server.Exchange) -> None:
        exchange.send_bytes(502, body)

    with serving(behave) as server, pytest.raises(UpstreamRefusedError) as caught:
        ask(server, upstream)
    assert str(caught.value) == f"tutor refused the call with status 502{told}"


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        pytest.param(llm_server.never, "model_timeout", id="never"),
        pytest.param(llm_server.endless, "model_timeout", id="endless"),
        pytest.param(llm_server.slowly(5, llm_server.says("Late.")), "model_timeout", id="slowly"),
        pytest.param(llm_server.flood, "model_reply_too_large", id="flood"),
        pytest.param(llm_server.hangs_up, "model_disconnected", id="hangs up"),
        pytest.param(llm_server.raw(b"<html>"), "model_reply_malformed", id="no json"),
        pytest.param(llm_server.raw(b'{"choices": []}'), "model_reply_malformed", id="empty"),
        pytest.param(llm_server.raw(b'{"choices": 5}'), "model_reply_malformed", id="number"),
        pytest.param(
            llm_server.raw(b'{"choices": {"first": 1}}'), "model_reply_malformed", id="object"
        ),
        pytest.param(llm_server.hints, "model_timeout", id="hints"),
        pytest.param(llm_server.endless_header, "model_timeout", id="endless header"),
        pytest.param(llm_server.unending("Fine."), "model_timeout", id="unending"),
        pytest.param(llm_server.compressed(BOMB), "model_reply_too_large", id="bomb"),
        pytest.param(
            llm_server.compressed(gzip.compress(BOMB), "gzip, gzip"),
            "model_disconnected",
            id="bomb in a bomb",
        ),
        pytest.param(llm_server.raw(b"[" * 100_000), "model_reply_malformed", id="deep"),
        pytest.param(
            llm_server.raw(b'{"choices": [{"message": {"content": 5}}]}'),
            "model_reply_malformed",
            id="no text",
        ),
    ],
)
def test_what_is_no_whole_reply_has_an_unknown_outcome(
    upstream: Upstream, behaviour: Behaviour, reason: str
) -> None:
    started_s = time.monotonic()
    with serving(behaviour) as server:
        with pytest.raises(UpstreamUnknownError) as caught:
            ask(server, upstream)
        elapsed_s = time.monotonic() - started_s
    assert caught.value.reason == reason
    assert elapsed_s < TIMEOUT_S + 1.5


def test_a_compressed_reply_is_read(upstream: Upstream) -> None:
    whole = json.dumps({"choices": [{"message": {"content": "Fine."}}]}).encode()
    with serving(llm_server.compressed(gzip.compress(whole))) as server:
        assert ask(server, upstream).reply.text == "Fine."


def test_a_bomb_is_not_undone(upstream: Upstream) -> None:
    with serving(llm_server.compressed(BOMB)) as server:
        tracemalloc.start()
        try:
            with pytest.raises(UpstreamUnknownError):
                ask(server, upstream)
            assert tracemalloc.get_traced_memory()[1] < 150_000_000
        finally:
            tracemalloc.stop()


def test_half_a_character_in_a_reply_can_be_kept(upstream: Upstream) -> None:
    whole = rb'{"choices": [{"message": {"content": "a\ud800b"}, "finish_reason": "\udfff"}]}'
    with serving(llm_server.raw(whole)) as server:
        reply = ask(server, upstream).reply
    assert (reply.text, reply.finish_reason) == ("a\ufffdb", "\ufffd")


def test_where_nobody_listens_nothing_was_sent(upstream: Upstream) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        with pytest.raises(UpstreamUnreachableError):
            upstream.complete(model(address), REQUEST, timeout_s=TIMEOUT_S)
