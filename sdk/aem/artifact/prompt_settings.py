"""The manifest's tables of a prompt: ``[prompt]``, ``[model]`` and ``[reply]``, read strictly."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from aem.artifact.errors import ManifestError
from aem.artifact.tables import (
    missing,
    read_count,
    read_table,
    read_text,
    refuse_unknown,
    require_file,
    wrong,
)

PROMPT_TABLES = frozenset({"prompt", "model", "reply"})

MAX_MODEL_NAME_CHARACTERS = 200
MAX_REPLY_TOKENS = 1_000_000
"""Above what any model gives in one reply."""

MAX_TEMPERATURE = 2.0
"""What the chat completions API takes."""

MAX_SEED = 2**31 - 1
"""What every provider takes: some read seeds into 32 bits."""

MAX_STOPS = 4
"""What the chat completions API takes."""

MAX_STOP_CHARACTERS = 200

_PROMPT_KEYS = frozenset({"messages", "demonstrations"})
_MODEL_KEYS = frozenset({"name", "temperature", "max_tokens", "seed", "stop"})
_REPLY_KEYS = frozenset({"constraint", "schema"})


class Constraint(StrEnum):
    """What a reply is held to while it is made, by models that can be held to a schema."""

    NONE = "none"
    OUTPUT_SCHEMA = "output_schema"
    SCHEMA = "schema"


@dataclass(frozen=True, kw_only=True)
class PromptSettings:
    """What the manifest says of a prompt; every file that it names is in the bundle.

    Attributes:
        messages: path of the messages.
        demonstrations: path of the demonstrations, None without.
        model: the name by which whoever performs the calls knows the model.
        temperature: 0.0 asks for the likeliest reply; above, replies vary from call to call.
        max_tokens: most tokens of a reply; one that reaches them is cut off, and no answer.
        seed: of sampling, for models that take one.
        stop: texts at which a reply ends.
        constraint: what a reply is held to while it is made.
        reply_schema: path of the schema of that; None without a constraint.
    """

    messages: str
    demonstrations: str | None
    model: str
    temperature: float
    max_tokens: int
    seed: int | None
    stop: tuple[str, ...]
    constraint: Constraint
    reply_schema: str | None

    @property
    def is_stochastic(self) -> bool:
        """Whether the same input may have another answer the next time."""
        return self.temperature > 0.0


def read_prompt_settings(
    fields: Mapping[str, Any], files: Mapping[str, bytes], *, output_schema: str
) -> PromptSettings:
    """Read a prompt's tables.

    Raises:
        ManifestError: a key is wrong, unknown or missing, or a schema is no JSON object.
        FileMissingError: a key names a file that is not in the bundle.
    """
    prompt, model, reply = (read_table(fields, name) for name in ("prompt", "model", "reply"))
    refuse_unknown(prompt, _PROMPT_KEYS, "prompt.")
    refuse_unknown(model, _MODEL_KEYS, "model.")
    refuse_unknown(reply, _REPLY_KEYS, "reply.")
    constraint = _constraint(reply)
    messages = _path(prompt, "messages", "prompt.", files)
    return PromptSettings(
        messages=messages,
        demonstrations=(
            _path(prompt, "demonstrations", "prompt.", files)
            if "demonstrations" in prompt
            else None
        ),
        model=_model_name(model),
        temperature=_temperature(model.get("temperature", 0.0)),
        max_tokens=_max_tokens(model),
        seed=(read_count("model.seed", model["seed"], 0, MAX_SEED) if "seed" in model else None),
        stop=_stop(model.get("stop", [])),
        constraint=constraint,
        reply_schema=_reply_schema(reply, constraint, files, output_schema=output_schema),
    )


def read_schema(
    fields: Mapping[str, Any], key: str, files: Mapping[str, bytes], prefix: str = ""
) -> str:
    """Return the path of a file that holds a JSON object.

    Raises:
        ManifestError: the key is missing or no text, or the file holds something else.
        FileMissingError: there is no such file.
    """
    path = _path(fields, key, prefix, files, "a text, the path of a JSON Schema file")
    try:
        schema = json.loads(files[path])
    except (ValueError, RecursionError) as error:
        raise ManifestError(
            f"{path!r}, which `{prefix}{key}` names, is not JSON: {error}", path=path, key=key
        ) from error
    if not isinstance(schema, dict):
        raise ManifestError(
            f"{path!r}, which `{prefix}{key}` names, must hold a JSON object", path=path, key=key
        )
    return path


def _path(
    table: Mapping[str, Any],
    key: str,
    prefix: str,
    files: Mapping[str, bytes],
    expected: str = "a text, the path of a JSON file",
) -> str:
    path = read_text(table, key, expected, prefix)
    require_file(prefix + key, path, files)
    return path


def _constraint(reply: Mapping[str, Any]) -> Constraint:
    expected = " or ".join(f'"{constraint}"' for constraint in Constraint)
    value = reply.get("constraint", Constraint.NONE.value)
    if not isinstance(value, str) or value not in set(Constraint):
        raise wrong("reply.constraint", expected, value)
    return Constraint(value)


def _reply_schema(
    reply: Mapping[str, Any],
    constraint: Constraint,
    files: Mapping[str, bytes],
    *,
    output_schema: str,
) -> str | None:
    if constraint is Constraint.SCHEMA:
        return read_schema(reply, "schema", files, "reply.")
    if "schema" in reply:
        expected = f'left out, or `reply.constraint` be "{Constraint.SCHEMA}"'
        raise wrong("reply.schema", expected, reply["schema"])
    return output_schema if constraint is Constraint.OUTPUT_SCHEMA else None


def _model_name(model: Mapping[str, Any]) -> str:
    expected = f"a text of 1 to {MAX_MODEL_NAME_CHARACTERS} printable characters"
    name = read_text(model, "name", expected, "model.")
    if not 0 < len(name) <= MAX_MODEL_NAME_CHARACTERS or not name.isprintable():
        raise wrong("model.name", expected, name)
    return name


def _temperature(value: Any) -> float:
    expected = f"a number from 0 to {MAX_TEMPERATURE:g}"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not 0 <= value <= MAX_TEMPERATURE:
        raise wrong("model.temperature", expected, value)
    return float(value)


def _max_tokens(model: Mapping[str, Any]) -> int:
    if "max_tokens" not in model:
        raise missing("model.max_tokens", "an integer: without a cap a reply has no finite price")
    return read_count("model.max_tokens", model["max_tokens"], 1, MAX_REPLY_TOKENS)


def _stop(value: Any) -> tuple[str, ...]:
    expected = f"a list of at most {MAX_STOPS} texts of 1 to {MAX_STOP_CHARACTERS} characters"
    if not isinstance(value, list) or len(value) > MAX_STOPS:
        raise wrong("model.stop", expected, value)
    for text in value:
        if not isinstance(text, str) or not 0 < len(text) <= MAX_STOP_CHARACTERS:
            raise wrong("model.stop", expected, value)
    return tuple(value)
