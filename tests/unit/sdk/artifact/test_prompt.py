import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aem.artifact import (
    ArtifactError,
    Bundle,
    ChatMessage,
    ChatReply,
    Constraint,
    PlaceholderError,
    PromptError,
    ReplyError,
    Role,
    parse_reply,
    read_prompt,
)
from aem.artifact.prompt import parse_template
from tests.fakes.bundles import echo_bundle
from tests.fakes.prompts import MANIFEST, OUTPUT_SCHEMA, prompt_bundle, prompt_files

DEMONSTRATIONS = [{"input": {"text": "one two"}, "output": {"word": "two"}}]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    # Any character that can be sent, braces and the like often among them.
    | st.text(st.sampled_from('{}"\\\n.textsm') | st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)  # fmt: skip


def user_prompt(content: str, schema: Any = None) -> Any:
    """A prompt of one message, over inputs of any shape unless a schema is given."""
    messages = [{"role": "user", "content": content}]
    shape = {} if schema is None else schema
    return read_prompt(prompt_bundle(messages=messages, input_schema=shape))


def rendered(content: str, value: Any) -> str:
    text: str = user_prompt(content).render(value).messages[-1].content
    return text


def test_a_prompt_is_rendered_into_a_request() -> None:
    prompt = read_prompt(prompt_bundle(demonstrations=DEMONSTRATIONS))
    request = prompt.render({"text": "a\nb"})
    assert request.messages == (
        ChatMessage(role=Role.SYSTEM, content="Find the word. Write {{text}}."),
        ChatMessage(role=Role.USER, content="Text: one two"),
        ChatMessage(role=Role.ASSISTANT, content='{"word":"two"}'),
        ChatMessage(role=Role.USER, content="Text: a\nb"),
    )
    assert (request.model, request.max_tokens, request.seed) == ("small", 64, 7)
    assert (request.temperature, request.stop) == (0.0, ("END",))
    assert request.reply_schema == OUTPUT_SCHEMA


def test_a_constraint_may_have_a_schema_of_its_own_or_none() -> None:
    files = prompt_files()
    narrower = {**files, "narrow.json": b'{"type": "object", "maxProperties": 1}'}
    narrower["artifact.toml"] = (
        files["artifact.toml"]
        .decode()
        .replace('"output_schema"\n[limits]', '"schema"\nschema = "narrow.json"\n[limits]')
        .encode()
    )
    prompt = read_prompt(Bundle(narrower))
    assert prompt.settings.constraint is Constraint.SCHEMA
    assert prompt.render({"text": ""}).reply_schema == {"type": "object", "maxProperties": 1}
    free = read_prompt(prompt_bundle(constraint="none"))
    assert free.render({"text": ""}).reply_schema is None


@pytest.mark.parametrize(
    "limit", [b"NaN", b"1e400", b"123456789012345678901234567890", b'"\\ud800"']
)
def test_a_schema_that_cannot_be_sent_as_it_is_written_is_refused(limit: bytes) -> None:
    files = prompt_bundle().files | {"schema/output.json": b'{"maximum": ' + limit + b"}"}
    with pytest.raises(PromptError, match="cannot be sent"):
        read_prompt(Bundle(files))


def test_what_the_tables_leave_out_has_its_default() -> None:
    head = MANIFEST[: MANIFEST.index("temperature")].format(name="finder", model="small")
    head = head.replace('demonstrations = "demonstrations.json"\n', "")
    manifest = (head + "max_tokens = 9\n").encode()
    settings = read_prompt(Bundle({**prompt_files(), "artifact.toml": manifest})).settings
    assert (settings.demonstrations, settings.temperature, settings.seed) == (None, 0.0, None)
    assert (settings.stop, settings.constraint, settings.reply_schema) == ((), "none", None)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('messages = "messages.json"\n', "", "prompt.messages"),
        ('messages = "messages.json"', "messages = 1", "prompt.messages"),
        ('messages = "messages.json"', 'mesages = "messages.json"', "prompt.mesages"),
        ('name = "small"', "name = 1", "model.name"),
        ('name = "small"', 'name = ""', "model.name"),
        ('name = "small"\n', "", "model.name"),
        ("temperature = 0.0", "temperature = 2.5", "model.temperature"),
        ("temperature = 0.0", "temperature = nan", "model.temperature"),
        ("temperature = 0.0", "temperature = true", "model.temperature"),
        ("max_tokens = 64\n", "", "model.max_tokens"),
        ("max_tokens = 64", "max_tokens = 0", "model.max_tokens"),
        ("seed = 7", "seed = -1", "model.seed"),
        ("seed = 7", "top_p = 1", "model.top_p"),
        ('stop = ["END"]', 'stop = "END"', "model.stop"),
        ('stop = ["END"]', 'stop = [""]', "model.stop"),
        ('stop = ["END"]', 'stop = ["1", "2", "3", "4", "5"]', "model.stop"),
        ('constraint = "output_schema"', 'constraint = "grammar"', "reply.constraint"),
        ('constraint = "output_schema"', "constraint = 1", "reply.constraint"),
        ('constraint = "output_schema"', 'constraint = "schema"', "reply.schema"),
        ("[reply]", '[reply]\nschema = "schema/output.json"', "reply.schema"),
        ("[limits]", '[self_test]\ncase = "x"\n[limits]', "self_test.case"),
        ('kind = "prompt"', 'kind = "prompt"\nentry = "a:b"', "entry"),
        ('kind = "prompt"', 'kind = "prompt"\nrequires = []', "requires"),
        ('kind = "prompt"', 'kind = "policy"', "model"),
    ],
)
def test_a_wrong_key_of_a_prompts_tables_is_named(old: str, new: str, key: str) -> None:
    files = prompt_files()
    manifest = files["artifact.toml"].decode()
    assert old in manifest
    with pytest.raises(ArtifactError) as caught:
        _ = Bundle({**files, "artifact.toml": manifest.replace(old, new).encode()}).manifest
    assert (caught.value.reason, caught.value.details["key"]) == ("bad_manifest", key)


@pytest.mark.parametrize("path", ["messages.json", "demonstrations.json"])
def test_a_file_that_a_prompt_names_must_be_there(path: str) -> None:
    files = prompt_files()
    del files[path]
    with pytest.raises(ArtifactError) as caught:
        _ = Bundle(files).manifest
    assert (caught.value.reason, caught.value.details["path"]) == ("file_missing", path)


def test_only_prompts_are_read_as_prompts() -> None:
    with pytest.raises(PromptError, match="of kind python"):
        read_prompt(echo_bundle())


@pytest.mark.parametrize(
    "messages",
    [
        {},
        [],
        ["hello"],
        [{"role": "user"}],
        [{"role": "user", "content": 1}],
        [{"role": "user", "content": "x", "name": "y"}],
        [{"role": "tool", "content": "x"}],
        [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}],
        [{"role": "user", "content": "x"}] * 101,
    ],
)
def test_messages_that_no_model_takes_are_refused(messages: Any) -> None:
    with pytest.raises(PromptError) as caught:
        read_prompt(prompt_bundle(messages=messages))
    assert caught.value.details["path"] == "messages.json"


@pytest.mark.parametrize(
    "text",
    [
        b"[",
        b'[{"role": "user", "role": "system", "content": "x"}]',
        b'[{"role": "user", "content": "\\ud800"}]',
        b"[" * 100_000,
    ],
)
def test_messages_that_are_no_plain_json_are_refused(text: bytes) -> None:
    with pytest.raises(PromptError, match="not JSON"):
        read_prompt(Bundle({**prompt_files(), "messages.json": text}))


@pytest.mark.parametrize(
    "demonstrations",
    [{"input": 1}, ["x"], [{"input": {"text": "x"}}], [{"input": {}, "output": 1}]],
)
def test_demonstrations_that_cannot_be_shown_are_refused(demonstrations: Any) -> None:
    files = {**prompt_files(), "demonstrations.json": json.dumps(demonstrations).encode()}
    with pytest.raises(PromptError) as caught:
        read_prompt(Bundle(files))
    assert caught.value.details["path"] == "demonstrations.json"


@pytest.mark.parametrize(
    ("content", "value", "expected"),
    [
        ("{{a}}", {"a": "x"}, "x"),
        ("{{ a }}", {"a": "x"}, "x"),
        ("{{a.b}}", {"a": {"b": "x"}}, "x"),
        ("{{a.1}}", {"a": ["x", "y"]}, "y"),
        ("{{/a.b}}", {"a.b": "x"}, "x"),
        ("{{/a~1b/~0}}", {"a/b": {"~": "x"}}, "x"),
        ("{{/}}", {"": "x"}, "x"),
        ("{{.}}", {"a": ["é", None]}, '{"a":["é",null]}'),
        ("{{a}}", {"a": 1.5}, "1.5"),
        ("{{a}}", {"a": True}, "true"),
        ("{{a}} and {{b}}", {"a": "{{b}}", "b": "{{a}}"}, "{{b}} and {{a}}"),
        ('{{{{a}} {"b":{"c":{}}} }}', {}, '{{a}} {"b":{"c":{}}} }}'),
    ],
)
def test_placeholders_are_replaced_by_the_inputs_values(
    content: str, value: Any, expected: str
) -> None:
    assert rendered(content, value) == expected


@pytest.mark.parametrize(
    "content",
    [
        "{{#if a}}",
        "{{a|upper}}",
        "{{a b}}",
        "{{}}",
        "{{a.}}",
        "{{/a~2}}",
        "{{a",
        "{{{a}}}",
        "{{$}}",
    ],
)
def test_what_is_no_placeholder_is_an_error(content: str) -> None:
    with pytest.raises(PlaceholderError, match="no placeholder") as caught:
        user_prompt(content)
    assert caught.value.details["path"] == "messages.json"


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("{{a}}", {}),
        ("{{a.b}}", {"a": "b"}),
        ("{{a.1}}", {"a": ["x"]}),
        ("{{a.01}}", {"a": ["x", "y"]}),
        ("{{a.-1}}", {"a": ["x", "y"]}),
        ("{{a}}", {"a": float("nan")}),
        ("{{a}}", {"a": {1, 2}}),
        ("{{a}}", {"a": "\ud800"}),
    ],
)
def test_an_input_without_the_value_is_an_error_at_render(content: str, value: Any) -> None:
    prompt = user_prompt(content)
    with pytest.raises(PlaceholderError) as caught:
        prompt.render(value)
    assert caught.value.details["placeholder"] == content.strip("{}")


CLOSED = {"type": "object", "additionalProperties": False}


@pytest.mark.parametrize(
    ("content", "schema"),
    [
        ("{{b}}", {**CLOSED, "properties": {"a": {}}}),
        ("{{a.b}}", {"properties": {"a": {"type": "string"}}}),
        ("{{a.b}}", {"properties": {"a": {"type": ["string", "null"]}}}),
        ("{{a.b}}", {"properties": {"a": {"type": "array"}}}),
        ("{{a.2}}", {"properties": {"a": {"type": "array", "maxItems": 2}}}),
        ("{{a}}", {"type": "string"}),
        ("{{a}}", {"properties": {"a": False}}),
        ("{{a.b}}", {"properties": {"a": {"$ref": "#/$defs/t"}}, "$defs": {"t": CLOSED}}),
        ("{{a}}", {"anyOf": [CLOSED, {"type": "number"}]}),
        ("{{a}}", {"allOf": [{}, CLOSED]}),
        ("{{a.0.b}}", {"properties": {"a": {"type": "array", "items": CLOSED}}}),
        ("{{a.0.b}}", {"properties": {"a": {"type": "array", "prefixItems": [CLOSED]}}}),
    ],
)
def test_a_placeholder_that_the_input_schema_rules_out_is_an_error_at_load(
    content: str, schema: dict[str, Any]
) -> None:
    with pytest.raises(PlaceholderError, match="rules it out"):
        user_prompt(content, schema)


@pytest.mark.parametrize(
    ("content", "schema"),
    [
        ("{{b}}", {"type": "object", "properties": {"a": {}}}),
        ("{{b}}", {**CLOSED, "patternProperties": {"^b": {}}}),
        ("{{b}}", {"anyOf": [CLOSED, {"type": "object"}]}),
        ("{{b}}", {"$ref": "https://elsewhere.example/schema"}),
        ("{{a.0}}", {"properties": {"a": {"type": "array", "items": {}}}}),
        ("{{a.b.c}}", {"$defs": {"t": {"$ref": "#/$defs/t"}}, "$ref": "#/$defs/t"}),
    ],
)
def test_what_the_input_schema_leaves_open_is_allowed(
    content: str, schema: dict[str, Any]
) -> None:
    assert user_prompt(content, schema)


@given(before=json_values, value=json_values)
def test_no_input_can_change_roles_or_reach_another_value(before: Any, value: Any) -> None:
    messages = [
        {"role": "system", "content": "S {{/before}} S"},
        {"role": "user", "content": "U {{/text}} U {{/secret}}"},
    ]
    prompt = read_prompt(prompt_bundle(messages=messages, input_schema={}))
    request = prompt.render({"before": before, "text": value, "secret": "<s>"})
    system, user = request.messages
    assert (system.role, user.role) == (Role.SYSTEM, Role.USER)
    assert system.content == f"S {written(before)} S"
    assert user.content == f"U {written(value)} U <s>"


def written(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@given(st.text(st.sampled_from("{}ab./~ #\n") | st.characters(exclude_categories=["Cs"])))
def test_any_text_is_a_template_or_refused_and_braces_are_never_lost(text: str) -> None:
    try:
        parts = parse_template(text, "m")
    except PlaceholderError:
        assert "{{" in text
        return
    if "{{" not in text:
        assert "".join(map(str, parts)) == text


@given(json_values)
def test_a_demonstrated_output_is_a_reply_that_is_read_back(value: Any) -> None:
    demonstrations = [{"input": {"text": ""}, "output": value}]
    prompt = read_prompt(prompt_bundle(demonstrations=demonstrations))
    reply = prompt.render({"text": ""}).messages[2].content
    assert json.loads(parse_reply(ChatReply(text=reply))) == value


def test_a_reply_is_taken_as_it_is_but_for_white_space_around_it() -> None:
    assert parse_reply(ChatReply(text=' \n{"a": 1.0}\t')) == b'{"a": 1.0}'


@pytest.mark.parametrize(
    "text",
    ["", "hello", '```json\n{"a": 1}\n```', '{"a": 1} done', '{"a": 1, "a": 2}', "NaN", "\ud800",
     '"\ud800"', "[" * 100_000],
)  # fmt: skip
def test_a_reply_that_is_not_one_json_value_is_refused(text: str) -> None:
    with pytest.raises(ReplyError):
        parse_reply(ChatReply(text=text))


def test_a_reply_that_was_cut_off_is_refused_even_where_it_reads_as_json() -> None:
    with pytest.raises(ReplyError, match="cut off"):
        parse_reply(ChatReply(text="12", finish_reason="length"))


def test_a_schema_that_refers_to_itself_twice_is_read_once() -> None:
    # Each level doubles the ways to the next one: followed one by one they would never end.
    schema = {"allOf": [{"$ref": "#"}, {"$ref": "#"}], "anyOf": [{"$ref": "#"}, {"$ref": "#"}]}
    assert rendered("{{text}}", {"text": "a"}) == "a"
    assert user_prompt("{{text}}", schema).messages
    with pytest.raises(PlaceholderError):
        user_prompt("{{text}}", {**schema, "properties": {"text": False}})


def test_a_value_that_stands_at_many_places_ends_before_memory_does() -> None:
    value = {"text": "x" * 100_000}
    prompt = user_prompt("{{text}}" * 1_000)  # 100 million characters
    tracemalloc.start()
    try:
        with pytest.raises(PromptError, match="2000000 characters"):
            prompt.render(value)
        with pytest.raises(PromptError, match=r"item 0: .* 2000000 characters"):
            read_prompt(
                prompt_bundle(
                    messages=[{"role": "user", "content": "{{text}}" * 1_000}],
                    demonstrations=[{"input": value, "output": {"word": ""}}],
                )
            )
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_demonstrations_are_bounded_together() -> None:
    shown = [{"input": {"text": "x" * 300_000}, "output": {"word": "y" * 300_000}}] * 4
    with pytest.raises(PromptError, match=r"item 3: .* 2000000 characters"):
        read_prompt(prompt_bundle(demonstrations=shown))


def test_placeholders_are_counted() -> None:
    with pytest.raises(PromptError, match="1001 placeholders"):
        user_prompt("{{text}}" * 1_001)
