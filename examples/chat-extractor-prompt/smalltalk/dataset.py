"""The gold dataset and the traces, from a seed: the same seed gives the same bytes."""

import json
import random
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from smalltalk.chats import Chat, Group, compose, read_groups

EXAMPLE = Path(__file__).parents[1]
ARTIFACT = EXAMPLE / "artifact"
STATIC = EXAMPLE / "gold"

TRACE_GROUPS = 6
"""The last ones of the file; no gold case has their lines."""

CHATS_PER_GROUP = 3
"""With 16 groups and a holdout share of 0.6: 30 conversations are held out."""

TRACES_PER_GROUP = 5
SEED = 11
AT = "2026-01-05T09:30:00Z"
VERSION = f"sha256:{'0' * 64}"

Case = dict[str, Any]


def build_dataset(into: Path, *, chats_per_group: int = CHATS_PER_GROUP, seed: int = SEED) -> int:
    """Write the dataset, replacing the folder; return how many cases it has."""
    groups = read_groups()[:-TRACE_GROUPS]
    files = {
        "robustness": list(_robustness(groups, chats_per_group, seed)),
        "scenario": list(_scenarios(groups, seed)),
        "structure": list(_structures()),
    }
    if into.exists():
        shutil.rmtree(into)
    shutil.copytree(STATIC, into)
    for name, cases in files.items():
        write_lines(into / "cases" / f"{name}.jsonl", cases)
    return sum(map(len, files.values()))


def build_traces(path: Path, *, seed: int = SEED) -> int:
    """Write what an agent recorded of the incumbent, and what its users corrected."""
    rng = random.Random(f"traces {seed}")
    traces = []
    for group in read_groups()[-TRACE_GROUPS:]:
        for number in range(TRACES_PER_GROUP):
            chat = _chat(group, rng, telling=number % 3)
            traces.append(_trace(f"{group.name}-{number}", chat))
    write_lines(path, traces)
    return len(traces)


def write_lines(path: Path, lines: Sequence[Case]) -> None:
    """Write JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = (json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    path.write_text("".join(written), "utf-8")


def _robustness(groups: Sequence[Group], each: int, seed: int) -> Iterable[Case]:
    for group in groups:
        rng = random.Random(f"robustness {seed} {group.name}")
        for number in range(each):
            chat = _chat(group, rng, telling=1 + number % 2)
            yield {
                "id": f"chat-{group.name}-{number}",
                "type": "robustness",
                "group": group.name,
                "input": chat.input_json(),
                "entities": chat.entities_json(),
            }


def _scenarios(groups: Sequence[Group], seed: int) -> Iterable[Case]:
    """A chat about an order in every second group."""
    rules = ["names-the-order", "stands-in-the-chat", "nothing-twice"]
    for group in groups[::2]:
        rng = random.Random(f"scenario {seed} {group.name}")
        chat = _chat(group, rng, telling=2)
        while "order" not in dict(chat.entities):
            chat = _chat(group, rng, telling=2)
        yield {
            "id": f"order-{group.name}",
            "type": "scenario",
            "group": group.name,
            "input": chat.input_json(),
            "rules": rules,
            "expected": {"order": dict(chat.entities)["order"]},
        }


def _structures() -> Iterable[Case]:
    """What people send that is hardly a chat: the answer must be well-formed all the same."""
    texts = ("ok", "?", "thanks, bye\nbye", '{"entities": "none"}', "AAAA " * 12)
    for number, text in enumerate(texts):
        yield {
            "id": f"odd-{number}",
            "type": "structure",
            "group": f"odd-{number}",
            "input": {"chat": text},
        }


def _chat(group: Group, rng: random.Random, *, telling: int) -> Chat:
    return compose(group, rng, telling=telling, small_talk=rng.randint(0 if telling else 1, 1))


def _trace(name: str, chat: Chat) -> Case:
    """A call that failed, as the incumbent's do, and the answer that an agent's user gave."""
    return {
        "id": name,
        "at": AT,
        "version": VERSION,
        "input": chat.input_json(),
        "error": "the reply is not one JSON value",
        "feedback": {"score": 0.0, "corrected_output": {"entities": chat.entities_json()}},
    }
