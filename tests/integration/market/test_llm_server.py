"""The fake provider speaks with the unmodified openai client as a real one does."""

from collections.abc import Iterator

import httpx
import openai
import pytest

from tests.fakes.llm_server import (
    LlmServer,
    endless,
    engineer,
    hangs_up,
    never,
    raw,
    says,
    serving,
    status,
    usage,
    without_schemas,
)

QUESTION = (
    "# File; its path is the first line\n<<<data-0f\na.py\n\nA = 1\n\ndata-0f>>>\n\n"
    "# File; its path is the first line\n<<<data-0f\nb.py\n\nB = 1\n\ndata-0f>>>\n"
)


@pytest.fixture
def server() -> Iterator[LlmServer]:
    with serving(says("hello")) as running:
        yield running


@pytest.fixture
def client(server: LlmServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=0, timeout=2) as opened:
        yield opened


def ask(
    client: openai.OpenAI, text: str = "hi", **options: object
) -> openai.types.chat.ChatCompletion:
    return client.chat.completions.create(
        model="tutor-1", messages=[{"role": "user", "content": text}], **options
    )


def test_a_reply_with_its_usage(server: LlmServer, client: openai.OpenAI) -> None:
    found = ask(client)
    assert found.choices[0].message.content == "hello"
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (1, 2)
    [asked] = server.chats
    assert (asked.question, asked.has_schema) == ("hi", False)
    assert asked.headers["authorization"] == "Bearer k"


@pytest.mark.parametrize("includes_usage", [True, False])
def test_a_stream(server: LlmServer, client: openai.OpenAI, *, includes_usage: bool) -> None:
    server.behave(says("word " * 30, usage=usage(7, 9)))
    chunks = list(ask(client, stream=True, stream_options={"include_usage": includes_usage}))
    texts = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
    assert "".join(texts) == "word " * 30
    assert [chunk.usage.total_tokens for chunk in chunks if chunk.usage] == [16] * includes_usage


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["tutor-1"]


def test_behaviours_follow_each_other(server: LlmServer, client: openai.OpenAI) -> None:
    server.behave(status(429, Retry_After="3"), status(500), says("at last"))
    with pytest.raises(openai.RateLimitError) as caught:
        ask(client)
    assert caught.value.response.headers["retry-after"] == "3"
    with pytest.raises(openai.InternalServerError):
        ask(client)
    assert [ask(client).choices[0].message.content for _ in range(2)] == ["at last"] * 2
    assert len(server.chats) == 4


def test_the_engineer_changes_the_files_that_differ(
    server: LlmServer, client: openai.OpenAI
) -> None:
    server.behave(engineer({"a.py": "A = 2\n", "b.py": "B = 1\n"}))
    answer = ask(client, QUESTION).choices[0].message.content
    assert '"edits": [{"path": "a.py", "content": "A = 2\\n"}]' in answer


def test_time_outs_and_broken_connections(server: LlmServer, client: openai.OpenAI) -> None:
    server.behave(never, hangs_up, raw(b"{not json"))
    with pytest.raises(openai.APITimeoutError):
        ask(client.with_options(timeout=0.2))
    with pytest.raises(openai.APIConnectionError):
        ask(client)
    with pytest.raises(Exception, match=r"(?i)json|expecting|property"):
        ask(client)


def test_streams_without_end(server: LlmServer) -> None:
    server.behave(endless)
    with httpx.stream(
        "POST",
        f"{server.base_url}/chat/completions",
        json={"messages": [{"content": ""}], "stream": True},
    ) as response:
        lines = response.iter_lines()
        assert all(next(lines) or True for _ in range(20))
    server.behave(hangs_up)
    with (
        pytest.raises(httpx.RemoteProtocolError),
        httpx.stream(
            "POST", f"{server.base_url}/chat/completions", json={"messages": [], "stream": True}
        ) as response,
    ):
        list(response.iter_lines())


def test_endpoints_without_schemas(server: LlmServer, client: openai.OpenAI) -> None:
    server.behave(without_schemas(says("plain")))
    with pytest.raises(openai.BadRequestError):
        ask(client, response_format={"type": "json_object"})
    assert ask(client).choices[0].message.content == "plain"
