"""Language models whose proposals are no improvement, and providers that fail: never accepted.

Through the whole main job: a provider on loopback, variants in bubblewrap, both databases.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from aem.client import ApiError
from tests.acceptance.orders.model_desk import (
    INPUT_UTOK,
    OUTPUT_UTOK,
    PATCH,
    REPAIRED,
    REPLY_TOKENS,
    RIGHT,
    SOURCE,
    Desk,
    beside,
    input_bound,
    opened,
)
from tests.fakes.chat_models import replacing, rewriting
from tests.fakes.llm_server import (
    Behaviour,
    LlmServer,
    endless,
    engineer,
    flood,
    hangs_up,
    never,
    raw,
    says,
    serving,
    status,
    usage,
    without_schemas,
)
from tests.fakes.running_service import RunningService

pytestmark = [pytest.mark.bubblewrap, pytest.mark.slow]


@pytest.fixture(scope="module")
def llm() -> Iterator[LlmServer]:
    with serving(engineer(REPAIRED)) as server:
        yield server


@pytest.fixture(scope="module")
def house(
    module_database_url: str, llm: LlmServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    """A house for orders that never come to be judged, which would make each next one harder."""
    with opened(tmp_path_factory.mktemp("house"), module_database_url, llm) as service:
        yield service


@pytest.fixture
def desk(house: RunningService, llm: LlmServer) -> Desk:
    return Desk(house, llm)


# Providers that fail: the order is refunded, and the artifact is not to blame


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What a provider does, how the order ends, and what becomes of each call."""

    behaviour: Behaviour
    reason: str
    statuses: Sequence[str]


LOST = ["lost"] * 3
FAILURES = {
    "time-out": Failure(behaviour=never, reason="model_timeout", statuses=LOST),
    "endless body": Failure(behaviour=endless, reason="model_timeout", statuses=LOST),
    "flood": Failure(behaviour=flood, reason="model_reply_too_large", statuses=LOST),
    "disconnect": Failure(behaviour=hangs_up, reason="model_disconnected", statuses=LOST),
    "no JSON": Failure(behaviour=raw(b"<html>"), reason="model_reply_malformed", statuses=LOST),
    "500": Failure(behaviour=status(500), reason="model_refused", statuses=["unbilled"] * 9),
    "400": Failure(behaviour=status(400), reason="model_refused", statuses=["unbilled"]),
    "no schemas": Failure(
        behaviour=without_schemas(engineer(REPAIRED)),
        reason="model_refused",
        statuses=["unbilled"],
    ),
    "overbilling": Failure(
        behaviour=engineer(REPAIRED, usage=usage(5_000_000, 1_000_000)),
        reason="model_overbilled",
        statuses=["answered"],
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_provider_that_fails_costs_the_buyer_nothing(
    desk: Desk, llm: LlmServer, name: str
) -> None:
    failure = FAILURES[name]
    found = desk.order(failure.behaviour)
    assert (found["outcome"], found["reason"]) == ("failed", failure.reason)
    assert desk.statuses == failure.statuses
    assert len(llm.chats) == len(failure.statuses)
    assert (found["version"], found["price_utok"]) == (None, 0)
    assert found["refunded_utok"] == found["escrowed_utok"]
    assert {call["reason"] for call in desk.calls} == {failure.reason}
    desk.close()


def test_a_refusal_is_told_in_the_providers_words(desk: Desk) -> None:
    found = desk.order(status(401, "this key was revoked"))
    told = found["summary"]["synthesis"]
    assert told["reason"] == "model_refused"
    assert told["message"] == "tutor refused the call with status 401: this key was revoked"
    desk.close()


def test_where_no_model_is_named_those_that_are_there_are(desk: Desk) -> None:
    with pytest.raises(ApiError, match="this service has tutor, plain") as caught:
        desk.order(engineer(REPAIRED), model="")
    assert caught.value.reason == "bad_submission"


# Proposals that are no improvement: rejected, and paid for as metered


CHEAT_BY_READING = """
import glob
import json
import os

import honest


def run(input, context):
    for folder in ("/", "/tmp", "/proc/self/cwd", os.path.dirname(__file__), os.getcwd()):
        for path in glob.glob(folder + "/**/*.jsonl", recursive=True)[:50]:
            for line in open(path):
                case = json.loads(line)
                if case.get("input") == input and "entities" in case:
                    return {"entities": case["entities"], "refusal": None}
    return honest.run(input, context)
"""
CHEAT_BY_PATCHING = """
import builtins
import gc
import json
import os
import sys
import types

import honest


class Equal(dict):
    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0


for module in [each for each in gc.get_objects() if isinstance(each, types.ModuleType)]:
    for name in ("score_case", "judge", "loss", "passed"):
        if hasattr(module, name):
            setattr(module, name, lambda *args, **options: True)
json.dumps = lambda *args, **options: '{"entities": [], "refusal": null}'
builtins.len = lambda value: 0


def run(input, context):
    return Equal(honest.run(input, context))
"""
CHEAT_BY_FORGING = """
import os

import honest


def run(input, context):
    for descriptor in (1, 3, 4, 5):
        try:
            os.write(descriptor, b'{"status": "answered", "passed": true, "loss": 0.0}\\n')
        except OSError:
            pass
    return honest.run(input, context)
"""


REFUSALS = {
    "not JSON": ("I suggest to look at the bounds.", "reply_not_json"),
    "cut JSON": (PATCH[:-20], "reply_not_json"),
    "malformed": ('{"edits": "all of them"}', "reply_malformed"),
    "duplicate keys": ('{"edits": [], "edits": []}', "reply_malformed"),
    "does not apply": (replacing("extractor.py", "[2:]", "[0:]"), "edit_not_found"),
    "ambiguous": (replacing("extractor.py", "text", "words"), "edit_ambiguous"),
    "does not compile": (rewriting("extractor.py", "def run(:\n"), "source_broken"),
    "no change": (rewriting("extractor.py", SOURCE), "edit_no_change"),
    "leads out": (rewriting("../extractor.py", RIGHT), "edit_outside"),
    "plants a start-up file": (rewriting("sitecustomize.py", "A = 1\n"), "edit_forbidden"),
    "plants a path file": (rewriting("honest.pth", "import os\n"), "edit_forbidden"),
    "widens a limit": (
        replacing("artifact.toml", "[limits]", "[limits]\noutput_bytes = 9999999"),
        "manifest_changed",
    ),
    "loosens the schema": (rewriting("schema/output.json", "{}"), "manifest_changed"),
    "does not load": (rewriting("extractor.py", "import nothing\n"), "proposal_repeated"),
    "cheats by reading": (beside(CHEAT_BY_READING), "proposal_repeated"),
    "cheats by patching": (beside(CHEAT_BY_PATCHING), "proposal_repeated"),
    "cheats by forging": (beside(CHEAT_BY_FORGING), "proposal_repeated"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_no_improvement_is_no_candidate(desk: Desk, llm: LlmServer, name: str) -> None:
    text, reason = REFUSALS[name]
    found = desk.order(says(text))
    assert (found["outcome"], found["reason"]) == ("rejected", "no_candidate")
    synthesis = found["summary"]["synthesis"]
    assert (synthesis["reason"], synthesis["candidates"]) == (reason, 0)
    assert (found["version"], found["fee_utok"]) == (None, 0)
    assert len(llm.chats) == 3
    if reason == "proposal_repeated":
        first = synthesis["statistics"]["replies"].keys() - {reason}
        assert first in ({"no_gain"}, {"hard_case_broken"})
    desk.close()


# Money


@pytest.mark.parametrize(
    ("reported", "counts_input", "counts_output"),
    [
        (None, False, False),
        ({}, False, False),
        (usage(0, 0), False, False),
        ({"prompt_tokens": 10}, True, False),
        (usage(-5, 10), False, True),
        ({"completion_tokens": "x"}, False, False),
    ],
    ids=["missing", "empty", "zero", "partial", "negative", "no number"],
)
def test_usage_that_cannot_be_true_costs_its_bound(
    desk: Desk,
    llm: LlmServer,
    reported: Any,
    counts_input: bool,  # noqa: FBT001 - a column of the table
    counts_output: bool,  # noqa: FBT001
) -> None:
    found = desk.order(says("I pass.", usage=reported))
    assert found["reason"] == "no_candidate"
    assert {call["reason"] for call in desk.calls} <= {"usage_missing", "usage_impossible"}
    assert [call["charge_utok"] for call in desk.calls] == [
        (10 if counts_input else input_bound(asked)) * INPUT_UTOK
        + (10 if counts_output else REPLY_TOKENS) * OUTPUT_UTOK
        for asked in llm.chats
    ]
    desk.close()


def test_a_spendthrift_is_stopped_by_the_escrow(desk: Desk, llm: LlmServer) -> None:
    """Replies cost their bounds, until the escrow does not cover one more."""
    found = desk.order(says("I pass.", usage=None), max_price_utok=16_000_000)
    assert (found["outcome"], found["reason"]) == ("rejected", "no_candidate")
    because = found["summary"]["synthesis"]["reason"]
    assert because == "the order's escrow does not cover another model call"
    assert 0 < len(llm.chats) < 3
    assert found["price_utok"] <= found["escrowed_utok"]
    desk.close()
