"""The sandbox port's contract, as far as it makes sense for prompts, and what is theirs alone."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from aem.artifact import Bundle, ChatReply, ChatRequest, RequestRefusedError
from core.errors import InfrastructureError
from sandbox import (
    PromptSandbox,
    Sandbox,
    SandboxLimits,
    SandboxSession,
    SessionExpiredError,
    VariantNotLoadedError,
)
from tests.fakes.prompts import ScriptedModel, prompt_bundle, prompt_files

LIMITS = SandboxLimits(session_s=60.0, case_wall_s=2.0, output_bytes=100)


class Hands:
    """A clock that a model moves on while it answers."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class ProviderDownError(InfrastructureError):
    reason = "provider_down"


@pytest.fixture
def hands() -> Hands:
    return Hands()


def word_of(request: ChatRequest) -> str:
    """Answer with the last word of the user's text."""
    return json.dumps({"word": request.messages[-1].content.split()[-1]})


def opened(
    answer: Callable[[ChatRequest], str | ChatReply] = word_of,
    *,
    clock: Callable[[], float] | None = None,
    limits: SandboxLimits = LIMITS,
    **changes: Any,
) -> SandboxSession:
    bundle = prompt_bundle(**changes)
    sandbox: Sandbox = PromptSandbox(
        ScriptedModel(answer),
        settings=bundle.manifest.prompt,
        provider="house",
        monotonic_s=clock or Hands(),
    )
    session = sandbox.open(limits=limits, label="contract-test")
    assert session.load("v", bundle).is_loaded
    return session


def test_a_prompt_answers_with_the_models_json_text() -> None:
    run = opened(lambda request: ' {"word": 1.0}\n').run("v", "case-1", {"text": "café au lait"})
    assert (run.status, run.case_id, run.output_text) == ("answered", "case-1", b'{"word": 1.0}')
    assert (run.error, run.lines, run.wall_ms) == (None, None, 0)


def test_the_input_reaches_the_model_as_the_template_says() -> None:
    assert opened().run("v", "c", {"text": "au café"}).output_text == b'{"word": "caf\\u00e9"}'


@pytest.mark.parametrize("text", ["", "hello", '{"a": NaN}', '{"a": 1, "a": 2}'])
def test_a_reply_that_is_no_json_is_an_error_and_the_next_case_is_served(text: str) -> None:
    replies = iter([text, "{}"])
    session = opened(lambda request: next(replies))
    run = session.run("v", "c1", {"text": "x"})
    assert (run.status, run.output_text) == ("error", None)
    assert "not one JSON value" in str(run.error)
    assert session.run("v", "c2", {"text": "x"}).output_text == b"{}"


def test_a_reply_that_was_cut_off_is_an_error() -> None:
    run = opened(lambda request: ChatReply(text="12", finish_reason="length")).run(
        "v", "c", {"text": "x"}
    )
    assert run.status == "error"
    assert "max_tokens" in str(run.error)


def test_an_input_without_a_value_that_the_template_asks_for_is_an_error() -> None:
    run = opened().run("v", "c", {})
    assert run.status == "error"
    assert "{{text}}" in str(run.error)


def test_an_output_is_bounded() -> None:
    session = opened(lambda request: '"' + "x" * int(request.messages[-1].content[6:]) + '"')
    assert session.run("v", "c1", {"text": "98"}).status == "answered"
    too_large = session.run("v", "c2", {"text": "99"})
    assert (too_large.status, too_large.output_text) == ("output_too_large", None)
    assert session.usage().output_bytes == 100


def test_an_answer_that_comes_too_late_is_a_timeout(hands: Hands) -> None:
    def slow(request: ChatRequest) -> str:
        hands.now_s += float(request.messages[-1].content[6:])
        return "{}"

    session = opened(slow, clock=hands)
    in_time = session.run("v", "c1", {"text": "2.0"})
    assert (in_time.status, in_time.wall_ms) == ("answered", 2000)
    late = session.run("v", "c2", {"text": "2.5"})
    assert (late.status, late.output_text, late.wall_ms) == ("timeout", None, 2500)


def test_a_reply_that_tells_its_own_time_is_not_billed_what_was_tried_before(
    hands: Hands,
) -> None:
    def tried_twice(_request: ChatRequest) -> ChatReply:
        hands.now_s += 30.0  # of which a refusal, and a pause that it asked for
        return ChatReply(text="{}", latency_ms=1500)

    session = opened(tried_twice, clock=hands)
    run = session.run("v", "c1", {"text": "x"})
    assert (run.status, run.wall_ms) == ("answered", 1500)


def test_the_session_has_a_deadline_and_an_end(hands: Hands) -> None:
    session = opened(clock=hands)
    hands.now_s += 59.9
    assert session.run("v", "c", {"text": "x"}).status == "answered"
    hands.now_s += 0.2
    for use in (
        lambda: session.run("v", "c", {"text": "x"}),
        lambda: session.load("v", prompt_bundle()),
        lambda: session.drop("v"),
    ):
        with pytest.raises(SessionExpiredError):
            use()
    session.close()
    session.close()
    hands.now_s += 50
    assert session.usage().wall_ms == 60_100


def test_a_closed_session_runs_nothing() -> None:
    with opened() as session:
        pass
    with pytest.raises(SessionExpiredError):
        session.run("v", "c", {"text": "x"})


@pytest.mark.parametrize(
    "files",
    [
        {"artifact.toml": b""},
        {"messages.json": b"[]"},
        {"messages.json": b'[{"role": "user", "content": "{{other}}"}]'},
    ],
)
def test_a_prompt_that_cannot_be_read_fails_to_load_and_all_its_cases_with_it(
    files: dict[str, bytes],
) -> None:
    session = opened()
    outcome = session.load("v", Bundle({**prompt_files(), **files}))
    assert outcome.status == "error"
    run = session.run("v", "c", {"text": "x"})
    assert (run.status, run.error) == ("error", outcome.error)


def test_two_variants_of_one_session_do_not_see_each_other() -> None:
    session = opened(lambda request: json.dumps(request.messages[0].content))
    for word in ("one", "two"):
        session.load(word, prompt_bundle(messages=[{"role": "user", "content": word}]))
    outputs = [session.run(word, "c", {"text": ""}).output_text for word in ("one", "two", "one")]
    assert outputs == [b'"one"', b'"two"', b'"one"']


def test_a_variant_may_be_dropped_and_one_that_is_not_loaded_is_named() -> None:
    session = opened()
    session.drop("v")
    session.drop("v")
    with pytest.raises(VariantNotLoadedError, match="'v'"):
        session.run("v", "c", {"text": "x"})


def test_a_provider_that_fails_is_not_the_prompts_failure() -> None:
    def fail(request: ChatRequest) -> str:
        raise ProviderDownError("no answer")

    with pytest.raises(ProviderDownError):
        opened(fail).run("v", "c", {"text": "x"})


def test_a_request_that_no_model_takes_is_the_prompts_failure() -> None:
    def refuse(request: ChatRequest) -> str:
        raise RequestRefusedError("longer than the context")

    run = opened(refuse).run("v", "c", {"text": "x"})
    assert (run.status, run.error) == ("error", "longer than the context")


def test_use_counts_cases_and_the_time_that_the_session_is_open(hands: Hands) -> None:
    session = opened(clock=hands)
    session.run("v", "c", {"text": "x"})
    hands.now_s += 1.5
    usage = session.usage()
    assert (usage.cases, usage.wall_ms, usage.cpu_ms) == (1, 1500, 0)


def test_an_attestation_says_which_model_answered_and_how_it_was_asked() -> None:
    settings = prompt_bundle(temperature=0.5).manifest.prompt
    said = PromptSandbox(ScriptedModel(word_of), settings=settings, provider="house").isolation()
    assert (said["engine"], said["model"], said["provider"]) == ("prompt", "small", "house")
    assert said["sampling"] == {
        "temperature": 0.5,
        "max_tokens": 64,
        "seed": 7,
        "stop": ["END"],
        "constraint": "output_schema",
    }
    assert (said["degraded"], said["notice"], said["image"]) == (False, None, None)
    other = prompt_bundle(temperature=0.6).manifest.prompt
    changed = PromptSandbox(ScriptedModel(word_of), settings=other, provider="house").isolation()
    assert changed["profile"] != said["profile"]
    assert json.dumps(said)
