"""The prompt example: artifact, dataset, traces, and a scripted model in the real one's place."""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from aem.artifact import Bundle
from tests.fakes.llm_server import Asked

EXAMPLE = Path(__file__).parents[2] / "examples" / "chat-extractor-prompt"

sys.path.append(str(EXAMPLE))

from smalltalk.dataset import build_dataset, build_traces  # noqa: E402 - from the example's folder

ENTITY = re.compile(
    r"(?P<order>ORD-\d+|#\d+)|(?P<person>[A-Z][a-z]+ [A-Z][a-z]+\b)"
    r"|(?:in|to|the) (?P<city>[A-Z][a-z]+)"
)


@dataclass(frozen=True, kw_only=True)
class ChatExample:
    """What an order of the example needs."""

    artifact: Bundle
    gold: Bundle
    traces: bytes


def chat_example(folder: Path, *, chats_per_group: int = 1) -> ChatExample:
    build_dataset(folder / "gold", chats_per_group=chats_per_group)
    build_traces(folder / "traces.jsonl")
    return ChatExample(
        artifact=Bundle.from_folder(EXAMPLE / "artifact"),
        gold=Bundle.from_folder(folder / "gold"),
        traces=(folder / "traces.jsonl").read_bytes(),
    )


def small_model(asked: Asked) -> str:
    """Do what small models do: ramble, obey a schema without sense, learn from what is shown."""
    messages = asked.body["messages"]
    shown = [m for m in messages if m["role"] == "assistant"]
    if not shown:
        return json.dumps({"entities": []}) if asked.has_schema else "Sure, here they are!"
    known = {entity["type"] for m in shown for entity in json.loads(m["content"])["entities"]}
    found = [
        {"type": match.lastgroup, "value": match.group(match.lastgroup or 0)}
        for match in ENTITY.finditer(messages[-1]["content"])
        if match.lastgroup in known
    ]
    return json.dumps({"entities": found})


def changed(bundle: Bundle, old: str, new: str, path: str = "artifact.toml") -> Bundle:
    text = bundle.files[path].decode()
    assert old in text
    return bundle.replace({path: text.replace(old, new).encode()})


def taught(example: ChatExample) -> Bundle:
    """The prompt as somebody would improve it by hand."""
    shown = [
        {"input": each["input"], "output": each["feedback"]["corrected_output"]}
        for each in map(json.loads, example.traces.splitlines()[:12])
    ]
    bundle = changed(example.artifact, '"none"', '"output_schema"')
    bundle = changed(bundle, "[model]", 'demonstrations = "shown.json"\n\n[model]')
    return bundle.replace({"shown.json": json.dumps(shown).encode()})
