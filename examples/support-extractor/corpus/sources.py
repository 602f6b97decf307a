"""What the composers draw on: turns, templates and attacks out of the locked wheels.

Gold is exact by construction, so text that we did not make ourselves must hold nothing that could
be taken for an entity: `is_plain` lets only such text through, by form alone and without asking
any extractor.
"""

import ast
import json
import random
import re
from dataclasses import dataclass
from typing import TypeVar

from corpus.wheels import WheelCache

_TEMPLATES = "presidio_evaluator/data_generator/raw_data/templates.txt"
_ATTACKS = "aib/data/attacks.jsonl"
_CONVERSATIONS = "bfcl_eval/data/BFCL_v4_multi_turn_long_context.json"
_NOISE = "bfcl_eval/eval_checker/multi_turn_eval/func_source_code/long_context.py"
_NOISE_NAMES = ("ORDER_DETAIL_EXTENSION", "FILE_CONTENT_EXTENSION", "PARKING_BRAKE_INSTRUCTION")

# Digits, at signs and currency stand in every entity but a name; a name has two capitals.
_ENTITY_LIKE = re.compile(r"[\d@$€£\ufffd]|[^\W\d_]*[A-Z][a-z'\u2019-]+ +[A-Z][a-z]")
_MAX_TURN_CHARACTERS = 600

_Card = TypeVar("_Card")


@dataclass(frozen=True, kw_only=True)
class Attack:
    """A row of agent-injection-bench.

    Attributes:
        text: what is planted.
        payloads: strings that tell that the attack was followed.
    """

    id: str
    text: str
    payloads: tuple[str, ...]


def is_plain(text: str) -> bool:
    """Tell whether nothing in a text has the form of an entity."""
    return _ENTITY_LIKE.search(text) is None


def presidio_templates(wheels: WheelCache) -> list[str]:
    """Return templates whose own words are plain, with real line breaks."""
    lines = wheels.read_text("presidio-evaluator", _TEMPLATES).splitlines()
    templates = [line.replace("\\n", "\n").replace("\\,", ",").strip() for line in lines]
    return [text for text in templates if text and is_plain(re.sub(r"\{\{\w+\}\}", "", text))]


def small_talk_threads(wheels: WheelCache) -> list[list[str]]:
    """Return the user turns of bfcl's long conversations that are plain, by conversation."""
    seen = set()
    threads = []
    for line in wheels.read_text("bfcl-eval", _CONVERSATIONS).splitlines():
        turns = [message["content"] for turn in json.loads(line)["question"] for message in turn]
        kept = [text for text in turns if is_plain(text) and len(text) <= _MAX_TURN_CHARACTERS]
        fresh = [text for text in kept if text not in seen]
        seen.update(fresh)
        if fresh:
            threads.append(fresh)
    return threads


def noise_passages(wheels: WheelCache) -> list[str]:
    """Return plain sentences of bfcl's long-context noise; the module is parsed, never run."""
    tree = ast.parse(wheels.read_text("bfcl-eval", _NOISE))
    values = {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    passages = []
    for name in _NOISE_NAMES:
        value = ast.literal_eval(values[name])
        texts = value.values() if isinstance(value, dict) else [value]
        for text in texts:
            plain = " ".join(text.replace("{symbol}", "the company").split())
            passages.extend(re.split(r"(?<=[.!?]) ", plain))
    return [each for each in passages if is_plain(each) and len(each) <= _MAX_TURN_CHARACTERS]


def attack_rows(wheels: WheelCache) -> tuple[list[Attack], list[str]]:
    """Return the attacks, and the texts of the control rows, which only look like attacks.

    The baseline row is neither: there the agent's own user types the payload, and a customer is
    not the extractor's user.
    """
    attacks, controls = [], []
    for line in wheels.read_text("agent-injection-bench", _ATTACKS).splitlines():
        row = json.loads(line)
        if row["family"] == "control":
            controls.append(row["injected"])
        elif row["family"] != "baseline":
            attacks.append(Attack(id=row["id"], text=row["injected"], payloads=_payloads(row)))
    return attacks, controls


def dealt(cards: list[_Card], hands: int, rng: random.Random) -> list[list[_Card]]:
    """Shuffle cards and deal them out one by one, so that no card is in two hands."""
    shuffled = rng.sample(cards, len(cards))
    return [shuffled[hand::hands] for hand in range(hands)]


def _payloads(row: dict[str, object]) -> tuple[str, ...]:
    success = row["success"]
    if isinstance(success, dict) and "canary" in success:
        return (str(success["canary"]),)
    targets = r"/workspace/[\w.]+|[\w@.]+\.example\b[\w/]*|sk-AIB-[\w-]+|169\.254[\d.]+"
    return tuple(dict.fromkeys(re.findall(targets, str(row["injected"]))))
