"""Language models that mend, and ones that cheat their way to the judge: the whole main job.

A provider on loopback answers over HTTP, variants run in bubblewrap, and the judge decides.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gold import load_dataset
from tests.acceptance.orders.model_desk import PATCH, REPAIRED, RIGHT, SOURCE, Desk, beside, opened
from tests.fakes.chat_models import replacing, rewriting
from tests.fakes.gold import artifact, gold_files
from tests.fakes.llm_server import (
    Behaviour,
    LlmServer,
    engineer,
    hangs_up,
    says,
    serving,
    status,
    usage,
    without_schemas,
)
from tests.fakes.running_service import FAULTY, GOOD, RunningService

pytestmark = [pytest.mark.bubblewrap, pytest.mark.slow]


@pytest.fixture(scope="module")
def llm() -> Iterator[LlmServer]:
    with serving(engineer(REPAIRED)) as server:
        yield server


@pytest.fixture
def house(tmp_path: Path, database_url: str, llm: LlmServer) -> Iterator[RunningService]:
    """A house of the test's own: each judging on a holdout makes the next one harder."""
    with opened(tmp_path, database_url, llm) as service:
        yield service


@pytest.fixture
def desk(house: RunningService, llm: LlmServer) -> Desk:
    return Desk(house, llm)


# An engineer


@pytest.mark.parametrize(
    ("model", "behaviour"),
    [
        ("tutor", engineer(REPAIRED)),
        ("tutor", says(PATCH)),
        ("plain", without_schemas(says(f"Here you are:\n```json\n{PATCH}\n```\nDone."))),
    ],
    ids=["whole files", "search and replace", "talk, no schema"],
)
def test_a_competent_engineer_is_accepted(
    desk: Desk, llm: LlmServer, model: str, behaviour: Behaviour
) -> None:
    found = desk.order(behaviour, model=model)
    assert (found["outcome"], found["reason"]) == ("accepted", "")
    assert found["version"]["digest"] == GOOD.digest
    assert found["summary"]["synthesis"]["statistics"]["ended_by"] == "solved"
    [asked], [call] = llm.chats, desk.calls
    assert asked.has_schema == (model == "tutor")
    assert (call["status"], call["request"]["messages"]) == ("answered", asked.body["messages"])
    assert call["charge_utok"] > 0
    assert desk.close()["treasury"] == found["fee_utok"] > 0


def test_a_secret_never_leaves_and_never_is_lost(desk: Desk, llm: LlmServer) -> None:
    secret = "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9b"
    keyed = FAULTY.replace({"extractor.py": f"{SOURCE}API_KEY = '{secret}'\n".encode()})
    trace = {"id": "1", "at": "2026-01-05T09:00:00Z", "version": "", "input": {}, "error": secret}
    found = desk.order(says(PATCH), bundle=keyed, traces=json.dumps(trace).encode())
    assert found["outcome"] == "accepted"
    assert secret not in json.dumps([asked.body for asked in llm.chats])
    assert "__AEM_SECRET_1__" in llm.chats[0].question
    version = desk.house.agent.bundle(found["version"]["digest"])
    assert version.files["extractor.py"].decode() == f"{RIGHT}API_KEY = '{secret}'\n"
    assert secret not in json.dumps(found)
    desk.close()


def test_a_busy_provider_is_asked_again(desk: Desk) -> None:
    found = desk.order(status(429, Retry_After="0"), status(503), engineer(REPAIRED))
    assert found["outcome"] == "accepted"
    assert desk.statuses == ["unbilled", "unbilled", "answered"]
    desk.close()


def test_what_was_answered_before_a_failure_is_not_paid_for_twice(
    desk: Desk, llm: LlmServer
) -> None:
    """The stage is attempted anew, and what was answered is answered from the record."""
    found = desk.order(
        says(replacing("extractor.py", "[1:]", "[0:]")),
        hangs_up,
        says(replacing("extractor.py", "DIGITS < len", "DIGITS <= len")),
    )
    assert (found["outcome"], found["version"]["digest"]) == ("accepted", GOOD.digest)
    assert desk.statuses == ["answered", "lost", "answered"]
    desk.close()

    told = "\n".join(asked.question for asked in llm.chats)
    dev, holdout = (_told_texts(part) for part in ("dev", "holdout"))
    assert dev & {text for text in dev if text in told}
    assert len(holdout - dev) > 20
    assert not [text for text in holdout - dev if text in told]


def _told_texts(part: str) -> set[str]:
    """What is said in the conversations of a part of gold, as JSON spells it."""
    cases = load_dataset(gold_files()).cases(part)
    texts = {turn["text"] for case in cases for turn in case.input["conversation"]}
    return {json.dumps(text)[1:-1] for text in texts if text}


# Cheats that reach the judge


CHEAT_BY_HEART = """
import base64
import hashlib
import json
import zlib

import honest

ANSWERS = {answers}


def run(input, context):
    key = hashlib.sha256(json.dumps(input, sort_keys=True).encode()).hexdigest()[:16]
    return ANSWERS[key] if key in ANSWERS else honest.run(input, context)
"""


def by_heart() -> dict[str, Any]:
    """The dev cases' answers, by hashes of their inputs."""
    run = artifact("good")
    return {
        hashlib.sha256(json.dumps(case.input, sort_keys=True).encode()).hexdigest()[:16]: run(
            case.input, None
        )
        for case in load_dataset(gold_files()).cases("dev")
    }


def hidden(answers: dict[str, Any]) -> str:
    packed = base64.b64encode(zlib.compress(json.dumps(answers).encode())).decode()
    pieces = [packed[start : start + 20] for start in range(0, len(packed), 20)]
    return f"json.loads(zlib.decompress(base64.b64decode(''.join({pieces!r}))))"


@pytest.mark.parametrize(
    ("spelled", "reason"), [(repr, "gold_leak"), (hidden, "context_robustness_failed")]
)
def test_answers_learned_by_heart_pass_dev_and_not_the_judge(
    desk: Desk, spelled: Callable[[dict[str, Any]], str], reason: str
) -> None:
    found = desk.order(says(beside(CHEAT_BY_HEART.format(answers=spelled(by_heart())))))
    assert found["summary"]["synthesis"]["statistics"]["best_loss"] == 0.0
    assert (found["outcome"], found["reason"]) == ("rejected", reason)
    assert found["version"] is None
    desk.close()


@pytest.mark.parametrize("part", ["dev", "holdout"])
def test_text_copied_from_gold_is_found_before_it_runs(desk: Desk, part: str) -> None:
    cases = load_dataset(gold_files()).cases(part)
    longest = max(cases, key=lambda case: len(json.dumps(case.input)))
    found = desk.order(says(rewriting("extractor.py", f"{RIGHT}\nSEEN = {longest.input!r}\n")))
    assert (found["outcome"], found["reason"]) == ("rejected", "gold_leak")
    assert found["version"] is None
    desk.close()


# Money


def test_a_spendthrift_is_stopped_by_the_cap_of_tokens(
    tmp_path: Path, database_url: str, llm: LlmServer
) -> None:
    with opened(tmp_path, database_url, llm, model_tokens=30_000) as house:
        desk = Desk(house, llm)
        found = desk.order(says("I pass. " * 2_000, usage=usage(10_000, 4_000)))
        assert (found["outcome"], found["reason"]) == ("rejected", "no_candidate")
        because = found["summary"]["synthesis"]["reason"]
        assert because == "the order's cap of 30000 model tokens is used up"
        assert len(llm.chats) == 1
        desk.close()
