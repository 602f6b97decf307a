"""Traces: what the artifact did on chats that share no template and no thread with the gold."""

import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from corpus.artifacts import Run, load_artifact
from corpus.chats import Chat
from corpus.dataset import bucket_chats, read_material
from corpus.wheels import WheelCache

CHATS_PER_BUCKET = 40
FEEDBACK_SHARE = 0.35
"""How many chats a person looked at afterwards."""

FIRST_CALL_AT = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
CALL_INTERVAL = timedelta(seconds=97)

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How one call ended: an output, or what it failed with."""

    output: Json | None
    error: str | None
    latency_ms: float

    def to_json(self) -> Json:
        """Return the answer's members of a trace."""
        ending = {"output": self.output} if self.error is None else {"error": self.error}
        return ending | {"latency_ms": round(self.latency_ms, 3), "cost_utok": 0}


def build_traces(
    wheels: WheelCache, artifact: Path, into: Path, *, version: str, seed: int
) -> int:
    """Write one trace a line and return how many; all but the latencies follow from the seed."""
    run = load_artifact(artifact)
    rng = random.Random(f"traces {seed}")
    material = read_material(wheels)
    lines: list[Json] = []
    for bucket in material.buckets["traces"]:
        for chat, _ in bucket_chats(bucket, material.passages, CHATS_PER_BUCKET, rng):
            lines.append(_trace(len(lines), chat, run, version, rng))
    into.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
    into.write_text(text, encoding="utf-8", newline="\n")
    return len(lines)


def _trace(number: int, chat: Chat, run: Run, version: str, rng: random.Random) -> Json:
    answer = _called(run, chat.input_json())
    trace: Json = {
        "id": f"call-{number:04d}",
        "at": (FIRST_CALL_AT + number * CALL_INTERVAL).isoformat(),
        "version": version,
        "input": chat.input_json(),
        **answer.to_json(),
    }
    if rng.random() < FEEDBACK_SHARE:
        trace["feedback"] = _feedback(chat, answer.output)
    return trace


def _called(run: Run, value: Json) -> Answer:
    began = time.perf_counter()
    output, error = None, None
    try:
        output = run(value)
    except Exception as failure:  # noqa: BLE001 - whatever it fails with is what the trace tells
        error = f"{type(failure).__name__}: {failure}"
    return Answer(output=output, error=error, latency_ms=(time.perf_counter() - began) * 1_000)


def _feedback(chat: Chat, output: Json | None) -> Json:
    right = chat.entities_json()
    given = output["entities"] if output else []
    hits = sum(each in right for each in given)
    size = len(right) + len(given)
    return {
        "score": round(2 * hits / size, 3) if size else 1.0,
        "comment": ", ".join(_complaints(right, given)) or "all right",
        "corrected_output": {"entities": right, "refusal": None},
    }


def _complaints(right: list[Json], given: list[Json]) -> Iterator[str]:
    missing = sorted({each["type"] for each in right if each not in given})
    wrong = sorted({each["type"] for each in given if each not in right})
    if missing:
        yield f"missing: {' '.join(missing)}"
    if wrong:
        yield f"wrong: {' '.join(wrong)}"
