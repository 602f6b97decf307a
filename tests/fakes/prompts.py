"""Small prompt artifacts, and models that answer from a script."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from aem.artifact import Bundle, ChatReply, ChatRequest

MANIFEST = """\
name = "acme/{name}"
kind = "prompt"
input_schema = "schema/input.json"
output_schema = "schema/output.json"
[prompt]
messages = "messages.json"
demonstrations = "demonstrations.json"
[model]
name = "{model}"
temperature = {temperature}
max_tokens = 64
seed = 7
stop = ["END"]
[reply]
constraint = "{constraint}"
[limits]
wall_s = 5.0
output_bytes = 20000
"""

INPUT_SCHEMA = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "customer": {"type": "object", "properties": {"name": {"type": "string"}}},
    },
    "required": ["text"],
    "additionalProperties": False,
}
OUTPUT_SCHEMA = {
    "type": "object",
    "properties": {"word": {"type": "string"}},
    "required": ["word"],
    "additionalProperties": False,
}
MESSAGES = [
    {"role": "system", "content": "Find the word. Write {{{{text}}."},
    {"role": "user", "content": "Text: {{text}}"},
]


def prompt_files(
    *,
    messages: Any = MESSAGES,
    demonstrations: Any = (),
    input_schema: Mapping[str, Any] = INPUT_SCHEMA,
    output_schema: Mapping[str, Any] = OUTPUT_SCHEMA,
    constraint: str = "output_schema",
    temperature: float = 0.0,
    model: str = "small",
    name: str = "finder",
) -> dict[str, bytes]:
    """The files of a prompt that is to find a word in a text."""
    manifest = MANIFEST.format(
        name=name, model=model, temperature=temperature, constraint=constraint
    )
    documents = {
        "messages.json": messages,
        "demonstrations.json": list(demonstrations),
        "schema/input.json": input_schema,
        "schema/output.json": output_schema,
    }
    written = {path: json.dumps(value).encode() for path, value in documents.items()}
    return {"artifact.toml": manifest.encode(), **written}


def prompt_bundle(**changes: Any) -> Bundle:
    """The prompt as a bundle."""
    return Bundle(prompt_files(**changes))


class ScriptedModel:
    """Answers by a function of the request; keeps the requests."""

    def __init__(self, answer: Callable[[ChatRequest], str | ChatReply]) -> None:
        self.requests: list[ChatRequest] = []
        self._answer = answer

    def complete(self, request: ChatRequest) -> ChatReply:
        self.requests.append(request)
        answer = self._answer(request)
        return answer if isinstance(answer, ChatReply) else ChatReply(text=answer)
