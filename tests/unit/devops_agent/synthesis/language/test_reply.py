"""Replies as models write them, and as they should not be believed."""

import json
import time

import jsonschema
import pytest

from aem.artifact import ChatReply
from devops_agent.synthesis.language.errors import ProposalRefusedError
from devops_agent.synthesis.language.reply import (
    MAX_EDITS,
    MAX_RATIONALE_CHARACTERS,
    MAX_REPLY_BYTES,
    REPLY_SCHEMA,
    SHAPE,
    Replacement,
    Rewriting,
    read_reply,
)
from tests.fakes.chat_models import proposal, replacing, rewriting

REPLACING = replacing("a.py", "x", "y", rationale="because")
EDIT = (Replacement(path="a.py", search="x", replace="y"),)


def refusal(text: str, finish_reason: str = "stop") -> str:
    with pytest.raises(ProposalRefusedError) as caught:
        read_reply(ChatReply(text=text, finish_reason=finish_reason))
    return caught.value.reason


@pytest.mark.parametrize(
    "text",
    [
        REPLACING,
        f"\ufeff  {REPLACING}\n",
        f"```json\n{REPLACING}\n```",
        f"```\n{REPLACING}\n```\nThat mends it.",
        f"<think>Maybe {{x}} or {{}}?</think>\nHere: {REPLACING} Good luck with {{it}}.",
        f'Draft: {{"edits": []}}. No, better:\n{REPLACING}',
        json.dumps(json.loads(REPLACING), indent=2),
        REPLACING.replace('"y"}', '"y", "content": null, "mode": null}'),
    ],
    ids=["bare", "mark", "fence", "fence and talk", "thoughts", "draft", "lines", "nulls"],
)
def test_the_object_is_found_wherever_it_is(text: str) -> None:
    found = read_reply(ChatReply(text=text))
    assert (found.rationale, found.edits) == ("because", EDIT)


def test_both_kinds_of_edits_are_read() -> None:
    text = proposal(
        {"path": "a.py", "search": "x", "replace": ""}, {"path": "b/c.py", "content": "z\n"}
    )
    assert read_reply(ChatReply(text=text)).edits == (
        Replacement(path="a.py", search="x", replace=""),
        Rewriting(path="b/c.py", content="z\n"),
    )


def test_line_breaks_inside_strings_are_understood() -> None:
    text = '{"rationale": "two\nlines", "edits": [{"path": "a", "content": "x\n\ty"}]}'
    assert read_reply(ChatReply(text=text)).edits == (Rewriting(path="a", content="x\n\ty"),)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "reply_not_json"),
        ("I cannot help with that.", "reply_not_json"),
        ("[]", "reply_not_json"),
        ('{"rationale": "no edits here"}', "reply_not_json"),
        (REPLACING[:-9], "reply_not_json"),
        ("{" * 5_000, "reply_not_json"),
        ('{"edits":' * 50_000, "reply_not_json"),
        (" " * (MAX_REPLY_BYTES + 1), "reply_too_large"),
        ('{"edits": [], "rationale": ""}', "nothing_proposed"),
        ('{"edits": [], "edits": [{"path": "a", "content": ""}]}', "reply_malformed"),
        ('{"edits": [{"path": "a", "path": "b", "content": ""}]}', "reply_malformed"),
        ('{"edits": {}}', "reply_malformed"),
        ('{"edits": ["a"]}', "reply_malformed"),
        ('{"edits": [{"path": "a"}]}', "reply_malformed"),
        ('{"edits": [{"path": 1, "content": ""}]}', "reply_malformed"),
        ('{"edits": [{"path": "a", "content": "\\ud800"}]}', "reply_malformed"),
        ('{"edits": [{"path": "a", "search": "", "replace": "b"}]}', "reply_malformed"),
        ('{"edits": [{"path": "a", "search": "x", "content": "b"}]}', "reply_malformed"),
        ('{"edits": [{"path": "a", "content": "b", "mode": "x"}]}', "reply_malformed"),
        ('{"edits": [{"path": "a", "content": ""}], "rationale": 7}', "reply_malformed"),
        (proposal(*[{"path": "a", "content": "b"}] * (MAX_EDITS + 1)), "reply_malformed"),
    ],
)
def test_what_is_no_proposal_is_refused_by_name(text: str, reason: str) -> None:
    assert refusal(text) == reason


def test_a_reply_that_was_cut_off_is_told_apart() -> None:
    assert refusal(REPLACING[:-9], finish_reason="length") == "reply_cut_off"
    whole = ChatReply(text=REPLACING, finish_reason="length")
    assert read_reply(whole).edits == EDIT


def test_a_rationale_is_plain_text_of_bounded_length() -> None:
    text = rewriting("a.py", "x", rationale="\u202e\x1b[2J" + "ab" * MAX_RATIONALE_CHARACTERS)
    rationale = read_reply(ChatReply(text=text)).rationale
    assert len(rationale) == MAX_RATIONALE_CHARACTERS
    assert rationale.isprintable()


def test_the_shape_that_is_shown_is_what_the_schema_and_the_reader_take() -> None:
    jsonschema.Draft202012Validator.check_schema(REPLY_SCHEMA)
    jsonschema.validate(json.loads(SHAPE), REPLY_SCHEMA)
    assert len(read_reply(ChatReply(text=SHAPE)).edits) == 2
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"rationale": "", "edits": [{"path": "a"}]}, REPLY_SCHEMA)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"k":' * 900 + "[1" + ",1" * 200_000, "reply_not_json"),
        ("{" + ",".join(f'"{n}":1' for n in [*range(40_000), 39_999]) + "}", "reply_malformed"),
    ],
    ids=["nested", "twice"],
)
def test_hostile_replies_are_read_in_no_time(text: str, reason: str) -> None:
    begun_s = time.process_time()
    assert refusal(text) == reason
    assert time.process_time() - begun_s < 5
