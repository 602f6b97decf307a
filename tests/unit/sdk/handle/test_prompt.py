import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openai
import pytest

from aem.artifact import Bundle, ChatMessage, ChatReply, ChatRequest, Role
from aem.handle import (
    Artifact,
    CallFailedError,
    LoadFailedError,
    NoVersionError,
    OpenAIModel,
    PromptRuntime,
)
from tests.fakes.llm_server import says, serving
from tests.fakes.prompts import ScriptedModel, prompt_bundle, prompt_files
from tests.fakes.service import FakeService

SELF_TEST = b'{"input": {"text": "ping"}, "expected": {"word": "ping"}}\n'


def version(instruction: str) -> Bundle:
    """A prompt whose self-test asks that the word comes back; its instruction tells versions."""
    messages = [
        {"role": "system", "content": instruction},
        {"role": "user", "content": "{{text}}"},
    ]
    files = prompt_files(messages=messages)
    manifest = files["artifact.toml"] + b'[self_test]\ncases = "self_test.jsonl"\n'
    return Bundle({**files, "artifact.toml": manifest, "self_test.jsonl": SELF_TEST})


def obey(request: ChatRequest) -> str:
    """Say the user's word, in the case that the system message asks for; or nothing useful."""
    system, *_, user = request.messages
    if system.content == "mumble":
        return "hm"
    word = user.content.upper() if system.content == "shout" else user.content
    return json.dumps({"word": word})


@pytest.fixture
def service() -> FakeService:
    return FakeService(artifact="acme/finder")


@pytest.fixture
def handle(service: FakeService, tmp_path: Path) -> Iterator[Callable[..., Artifact]]:
    opened: list[Artifact] = []

    def make(**options: Any) -> Artifact:
        options.setdefault("model", ScriptedModel(obey))
        artifact = Artifact(
            "acme/finder",
            client=service.client(),
            agent="acme.bot",
            home=tmp_path / "home",
            trust=service.keys.trust_root,
            **options,
        )
        opened.append(artifact)
        return artifact

    yield make
    for artifact in opened:
        artifact.close()


def test_a_call_renders_the_prompt_and_asks_the_agents_model() -> None:
    model = ScriptedModel(obey)
    runtime = PromptRuntime(version("repeat"), model)
    assert runtime.call({"text": "one"}) == {"word": "one"}
    assert model.requests[0].messages[0] == ChatMessage(role=Role.SYSTEM, content="repeat")
    runtime.close()


def test_a_prompt_that_cannot_be_read_is_not_loaded() -> None:
    with pytest.raises(LoadFailedError, match=r"messages\.json"):
        PromptRuntime(prompt_bundle(messages=[]), ScriptedModel(obey))


def fail(request: ChatRequest) -> str:
    raise TimeoutError("no answer in time")


@pytest.mark.parametrize(
    ("answer", "value", "status", "told"),
    [
        (obey, {}, "error", "{{text}}"),
        (fail, {"text": "x"}, "error", "TimeoutError: no answer in time"),
        (lambda request: "no json", {"text": "x"}, "error", "not one JSON value"),
        (
            lambda request: ChatReply(text="{}", finish_reason="length"),
            {"text": "x"},
            "error",
            "cut off",
        ),
        (lambda request: f'"{"x" * 20_000}"', {"text": "x"}, "output_too_large", "20002 bytes"),
    ],
)
def test_a_call_without_an_answer_fails_with_its_status(
    answer: Callable[[ChatRequest], str | ChatReply], value: Any, status: str, told: str
) -> None:
    with pytest.raises(CallFailedError) as caught:
        PromptRuntime(version("repeat"), ScriptedModel(answer)).call(value)
    assert caught.value.details["status"] == status
    assert told in caught.value.message


def test_prompts_are_swapped_and_rolled_back_under_the_agents_calls(
    service: FakeService, handle: Callable[..., Artifact]
) -> None:
    one, two = service.publish(version("repeat")), service.publish(version("repeat, please"))
    service.move(one, generation=1)
    with handle() as artifact:
        service.wait_for_acknowledgement(1)
        assert artifact.call({"text": "a"}).digest == one
        service.move(two, generation=2)
        service.wait_for_acknowledgement(2)
        answer = artifact.call({"text": "a"})
        assert (answer.digest, answer.output) == (two, {"word": "a"})
        service.move(one, generation=3)
        service.wait_for_acknowledgement(3)
        assert artifact.call({"text": "a"}).digest == one


@pytest.mark.parametrize("instruction", ["shout", "mumble"])
def test_a_prompt_that_fails_its_self_test_on_the_agents_model_is_refused(
    service: FakeService, handle: Callable[..., Artifact], instruction: str
) -> None:
    one, two = service.publish(version("repeat")), service.publish(version(instruction))
    service.move(one, generation=1)
    with handle() as artifact:
        service.wait_for_acknowledgement(1)
        service.move(two, generation=2)
        service.wait_for_acknowledgement(2)
        assert artifact.status.refusal == "self_test_failed"
        assert artifact.call({"text": "a"}).digest == one


def test_an_agent_starts_from_the_last_known_good_prompt_when_the_service_is_down(
    service: FakeService, handle: Callable[..., Artifact]
) -> None:
    one = service.publish(version("repeat"))
    service.move(one, generation=1)
    with handle():
        service.wait_for_acknowledgement(1)
    service.is_down = True
    with handle() as artifact:
        assert artifact.call({"text": "a"}).digest == one


def test_a_handle_without_a_model_refuses_prompts(
    service: FakeService, handle: Callable[..., Artifact]
) -> None:
    service.move(service.publish(version("repeat")), generation=1)
    with pytest.raises(NoVersionError, match="give the handle a model"):
        handle(model=None).start()


REQUEST = ChatRequest(
    model="small",
    messages=(ChatMessage(role=Role.USER, content="hello"),),
    max_tokens=5,
    temperature=0.5,
    seed=3,
    stop=("END",),
    reply_schema={"type": "object"},
)


def test_a_client_of_the_openai_package_answers_prompts() -> None:
    with serving(says('{"word": "x"}')) as server:
        client = openai.OpenAI(base_url=server.base_url, api_key="none", max_retries=0)
        reply = OpenAIModel(client, names={"small": "small-2026"}).complete(REQUEST)
        client.close()
        body = server.chats[0].body
    assert reply == ChatReply(text='{"word": "x"}', finish_reason="stop")
    assert (body["model"], body["max_tokens"], body["seed"]) == ("small-2026", 5, 3)
    assert (body["temperature"], body["stop"]) == (0.5, ["END"])
    assert body["messages"] == [{"role": "user", "content": "hello"}]
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}


def test_an_endpoint_may_know_no_schemas_and_another_cap() -> None:
    asked: list[dict[str, Any]] = []

    def create(**body: Any) -> Any:
        asked.append(body)
        choice = SimpleNamespace(message=SimpleNamespace(content=None), finish_reason="length")
        return SimpleNamespace(choices=[choice])

    client = SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create)))
    model = OpenAIModel(client, cap_parameter="max_completion_tokens", has_reply_schemas=False)
    assert model.complete(REQUEST) == ChatReply(text="", finish_reason="length")
    assert asked[0]["model"] == "small"
    assert asked[0]["max_completion_tokens"] == 5
    assert "response_format" not in asked[0]
    assert "max_tokens" not in asked[0]
