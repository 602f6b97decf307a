"""Orders that ask a language model, one at a time, each with its books closed afterwards.

Prices stand still, and one micro-token is one nano-dollar here, so that every charge can be told
from what the provider reported.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aem.artifact import Bundle
from sandbox import select_sandbox
from tests.fakes.clock import FakeClock
from tests.fakes.llm_server import Asked, Behaviour, LlmServer
from tests.fakes.order_books import OrderBooks
from tests.fakes.running_service import FAULTY, GOOD, RunningService, running, settings

INPUT_UTOK = 100
OUTPUT_UTOK = 400
REPLY_TOKENS = 4_096
OVERHEAD_TOKENS = 16
CALL_S = 1.0
SOURCE = FAULTY.files["extractor.py"].decode()
RIGHT = GOOD.files["extractor.py"].decode()
REPAIRED = {"extractor.py": RIGHT}
PATCH = json.dumps(
    {
        "rationale": "the first turn and the bound belong in",
        "edits": [
            {"path": "extractor.py", "search": "[1:]", "replace": "[0:]"},
            {
                "path": "extractor.py",
                "search": "DIGITS < len",
                "replace": "DIGITS <= len",
            },
        ],
    }
)
CATALOGUE = """
[[models]]
name = "{name}"
provider = "example"
base_url = "{base_url}"
input_usd_per_million = "0.10"
output_usd_per_million = "0.40"
context_tokens = 128000
reply_tokens_max = 4096
has_reply_schemas = {has_schemas}
"""


@contextmanager
def opened(
    folder: Path, database_url: str, llm: LlmServer, *, model_tokens: int = 100_000
) -> Iterator[RunningService]:
    """A service that knows the provider's model twice: with schemas for replies and without."""
    catalogue = folder / "models.toml"
    catalogue.write_text(
        "".join(
            CATALOGUE.format(name=name, base_url=llm.base_url, has_schemas=has_schemas)
            for name, has_schemas in (("tutor", "true"), ("plain", "false"))
        )
    )
    chosen = settings(
        folder / "service",
        database_url,
        models=catalogue,
        model_call_s=CALL_S,
        model_tokens=model_tokens,
    )
    clock = FakeClock()
    sandbox = select_sandbox("bubblewrap", clock=clock).sandbox
    with running(chosen, clock=clock, sandbox=sandbox) as service:
        service.fund()
        yield service


class Desk:
    """Orders one thing at a time, and checks its money to the micro-token."""

    def __init__(self, house: RunningService, llm: LlmServer) -> None:
        self.house = house
        self.gold = house.freeze()
        self.found: Any = None
        self._llm = llm
        self._books = OrderBooks(house)
        self._before = self._fiat()

    def order(self, *behaviours: Behaviour, bundle: Bundle = FAULTY, **options: Any) -> Any:
        self._llm.behave(*behaviours)
        options = {"synthesizer": "openai", "model": "tutor"} | options
        self.found = self.house.order(bundle, gold=self.gold, **options)
        return self.found

    @property
    def calls(self) -> list[Any]:
        return list(self.house.agent.order_calls(self.found["id"])["items"])

    @property
    def statuses(self) -> list[str]:
        return [call["status"] for call in self.calls]

    def close(self) -> dict[str, int]:
        """Check what is true however an order ends; return what each account gained by it."""
        gained = self._books.close(self.found)
        records = self.house.operator.usage(reference=self.found["id"])["items"]
        asked = dict(zip([call["id"] for call in self.calls], self._llm.chats, strict=True))
        for call in self.calls:
            charged = [r["charge_utok"] for r in records if r["attempt_id"] == call["id"]]
            most = bound_utok(asked[call["id"]])
            assert sum(charged) == call["charge_utok"] == min(_billed_nusd(call), most)
        lost_ids = {call["id"] for call in self.calls if call["status"] == "lost"}
        lost = sum(bound_utok(asked[call_id]) for call_id in lost_ids)
        self._close_escrow(gained, records, lost)
        self._close_fiat(suspense=lost, spent=sum(map(_billed_nusd, self.calls)))
        return gained

    def _close_escrow(self, gained: dict[str, int], records: Sequence[Any], lost: int) -> None:
        """Let the reserve have borne what the house spoiled, and a failed order altogether."""
        found = self.found
        charged = sum(record["charge_utok"] for record in records)
        spoiled = sum(_spoiled(records, is_failed=found["outcome"] == "failed"))
        assert found["metered_utok"] == charged - spoiled
        refunded = found["metered_utok"] if found["outcome"] == "failed" else 0
        assert gained["reserve"] == -lost - spoiled - refunded
        assert gained["burned"] == charged + lost
        assert gained["treasury"] == found["fee_utok"]

    def _close_fiat(self, *, suspense: int, spent: int) -> None:
        after = self._fiat()
        gained = {code: after[code] - self._before[code] for code in after}
        self._before = after
        assert gained == {"suspense:example": suspense, "fiat-spent:example": spent}

    def _fiat(self) -> dict[str, int]:
        codes = ("suspense:example", "fiat-spent:example")
        return {code: self.house.balance(code) for code in codes}


def _spoiled(records: Sequence[Any], *, is_failed: bool) -> Iterator[int]:
    """The sandbox's charges for attempts at a stage that failed: all but a last good one."""
    own = [record for record in records if record["provider"] == "sandbox"]
    for record in own:
        stage, _, number = record["attempt_id"].rpartition(":")
        others = [r["attempt_id"] for r in own if r["attempt_id"].startswith(f"{stage}:")]
        if is_failed or int(number) < max(int(other.rpartition(":")[2]) for other in others):
            yield record["charge_utok"]


def _billed_nusd(call: Any) -> int:
    """What the provider says, however it ended; a call whose outcome is unknown is in suspense."""
    used = call["use"] or {"input_tokens": 0, "output_tokens": 0}
    return int(used["input_tokens"] * INPUT_UTOK + used["output_tokens"] * OUTPUT_UTOK)


def input_bound(asked: Asked) -> int:
    """A token has at least one byte, and the chat template adds its own around each message."""
    size = sum(len(message["content"].encode()) for message in asked.body["messages"])
    if asked.has_schema:
        size += len(json.dumps(asked.body["response_format"]["json_schema"]["schema"]))
    return size + OVERHEAD_TOKENS * (len(asked.body["messages"]) + 1)


def bound_utok(asked: Asked) -> int:
    """What a call may cost at most."""
    assert asked.body["max_tokens"] == REPLY_TOKENS
    return input_bound(asked) * INPUT_UTOK + REPLY_TOKENS * OUTPUT_UTOK


def beside(cheat: str) -> str:
    """Move the faulty program aside and put a cheat in its place."""
    return json.dumps(
        {
            "rationale": "It passes now.",
            "edits": [
                {"path": "honest.py", "content": SOURCE},
                {"path": "extractor.py", "content": cheat},
            ],
        }
    )
