"""Moves: what a search tries on a prompt, none of it special to any artifact."""

import copy
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aem.artifact import Constraint, Demonstration
from devops_agent.synthesis.prompts.pool import shape_of
from devops_agent.synthesis.prompts.variant import Messages, Variant

DEMONSTRATIONS_MOST = 12
SET_SIZES = (3, 5, 8)
"""Of the first sets of demonstrations, which are drawn whole."""

SETS_EACH = 4

REPLY_TOKENS_MOST = 4_096

TEXT_LEAST, TEXT_DEFAULT = 16, 80
ITEMS_LEAST, ITEMS_DEFAULT = 2, 10
"""Bounds of a constraint; twice the longest that was ever seen, where anything was."""

INSTRUCTION_LEAST_CHARACTERS = 20
"""A shorter text before the input is a label, not an instruction."""

FIELDS_MOST = 40

RULES: Mapping[str, str] = {
    "verbatim": "Copy values exactly as they are written in the input. Do not correct, complete"
    " or translate them.",
    "empty": "Report only what the input states. Where there is nothing to report, answer with an"
    " empty list.",
    "once": "Report every item once, in the order in which the input has it.",
    "json-only": "Answer with the JSON value alone, without a word before or after it.",
}


@dataclass(frozen=True, kw_only=True)
class Schemas:
    """What moves read beside the variant: the artifact's output schema."""

    output: Mapping[str, Any]


def constraints(
    variant: Variant, schemas: Schemas, examples: Sequence[Demonstration]
) -> Iterator[Variant]:
    """Hold replies to the output schema, to a bounded form of it, or to nothing."""
    if variant.constraint is not Constraint.SCHEMA:
        outputs = [each.output for each in examples]
        yield variant.moved(
            "bounded-constraint",
            constraint=Constraint.SCHEMA,
            reply_schema=bounded(schemas.output, outputs),
        )
    for kind in (Constraint.OUTPUT_SCHEMA, Constraint.NONE):
        if variant.constraint is not kind:
            yield variant.moved(f"constraint-{kind.value}", constraint=kind, reply_schema=None)


def longer_replies(variant: Variant) -> Iterator[Variant]:
    """Let replies be twice as long."""
    if 2 * variant.max_tokens <= REPLY_TOKENS_MOST:
        yield variant.moved("longer-replies", max_tokens=2 * variant.max_tokens)


def instructions(variant: Variant, schemas: Schemas) -> Iterator[Variant]:
    """Split the instruction from the input, name the fields, add a rule."""
    parts = split(variant.messages)
    if parts is not None:
        yield variant.moved("split", messages=parts)
    texts = {"fields": named_fields(schemas.output), **RULES}
    for name, text in texts.items():
        if text and not any(text in content for _, content in variant.messages):
            yield variant.moved(name, messages=with_instruction(variant.messages, text))


def sets(
    variant: Variant, pool: Sequence[Demonstration], generator: random.Random
) -> Iterator[Variant]:
    """Show whole sets of demonstrations, each as varied as the pool allows."""
    for size in SET_SIZES:
        for number in range(SETS_EACH):
            shown = varied(pool, size, generator)
            if len(shown) == size:
                yield variant.moved(f"demonstrations-{size}-{number}", demonstrations=shown)


def exchanges(
    variant: Variant, pool: Sequence[Demonstration], generator: random.Random, *, most: int
) -> Iterator[Variant]:
    """Add, replace and remove single demonstrations; and show them in another order."""
    shown = variant.demonstrations
    others = [each for each in pool if each not in shown]
    generator.shuffle(others)
    others.sort(key=lambda each: _times_shown(each, shown))
    for number, other in enumerate(others[:most]):
        if len(shown) < DEMONSTRATIONS_MOST:
            yield variant.moved(f"show-{number}", demonstrations=(*shown, other))
        if shown:
            place = generator.randrange(len(shown))
            changed = (*shown[:place], other, *shown[place + 1 :])
            yield variant.moved(f"replace-{number}", demonstrations=changed)
    if len(shown) > 1:
        yield variant.moved("rotate", demonstrations=(*shown[1:], shown[0]))
        for place in range(min(len(shown), most)):
            rest = (*shown[:place], *shown[place + 1 :])
            yield variant.moved(f"hide-{place}", demonstrations=rest)


def varied(
    pool: Sequence[Demonstration], size: int, generator: random.Random
) -> tuple[Demonstration, ...]:
    """Draw demonstrations whose outputs have as many shapes as possible."""
    waiting = list(pool)
    generator.shuffle(waiting)
    shown: list[Demonstration] = []
    while waiting and len(shown) < size:
        best = min(waiting, key=lambda each: _times_shown(each, shown))
        waiting.remove(best)
        shown.append(best)
    return tuple(shown)


def split(messages: Messages) -> Messages | None:
    """Move what a lone user message says before its input to a system message.

    None where there is a system message, or no instruction before the one placeholder.
    """
    if len(messages) != 1:
        return None
    before, braces, after = messages[0][1].partition("{{")
    is_plain = braces and "{{" not in after and after.rstrip().endswith("}}")
    if not is_plain or len(before.strip()) < INSTRUCTION_LEAST_CHARACTERS:
        return None
    return (("system", before.strip()), ("user", braces + after.strip()))


def with_instruction(messages: Messages, text: str) -> Messages:
    """Add a sentence where instructions stand: the system message, else before the user's."""
    role, content = messages[0]
    if role == "system":
        return ((role, f"{content.rstrip()}\n{text}"), *messages[1:])
    return (("system", text), *messages)


def named_fields(schema: Mapping[str, Any]) -> str:
    """List an output schema's fields, with their choices and descriptions."""
    lines = [f"- {path}: {told}" for path, told in _fields(schema, "")][:FIELDS_MOST]
    return "The answer is JSON with these fields:\n" + "\n".join(lines) if lines else ""


def bounded(schema: Mapping[str, Any], outputs: Sequence[Any]) -> dict[str, Any]:
    """Return the schema with an end to every text and every list: small models repeat themselves.

    A bound that the author set stays.
    """
    texts, lists = Counter[int](), Counter[int]()
    for output in outputs:
        _measure(output, texts, lists)
    text_most = max(TEXT_LEAST, 2 * max(texts)) if texts else TEXT_DEFAULT
    items_most = max(ITEMS_LEAST, 2 * max(lists)) if lists else ITEMS_DEFAULT
    changed = copy.deepcopy(dict(schema))
    _visit(changed, lambda part: _bound(part, text_most, items_most))
    return changed


def _times_shown(each: Demonstration, shown: Sequence[Demonstration]) -> int:
    shape = shape_of(each.output)
    return sum(shape_of(other.output) == shape for other in shown)


def _fields(schema: Any, path: str) -> Iterator[tuple[str, str]]:
    if not isinstance(schema, dict):
        return
    if isinstance(schema.get("items"), dict):
        yield from _fields(schema["items"], f"{path}[]")
        return
    members = schema.get("properties")
    if isinstance(members, dict):
        for name, member in members.items():
            yield from _fields(member, f"{path}.{name}" if path else name)
        return
    told = [str(schema.get("type", "value"))]
    if isinstance(schema.get("enum"), list):
        told = ["one of " + ", ".join(map(str, schema["enum"]))]
    if isinstance(schema.get("description"), str):
        told.append(schema["description"])
    if path:
        yield path, "; ".join(told)


def _measure(value: Any, texts: Counter[int], lists: Counter[int]) -> None:
    if isinstance(value, str):
        texts[len(value)] += 1
    elif isinstance(value, list):
        lists[len(value)] += 1
        for item in value:
            _measure(item, texts, lists)
    elif isinstance(value, dict):
        for item in value.values():
            _measure(item, texts, lists)


def _visit(schema: Any, change: Callable[[dict[str, Any]], None]) -> None:
    """Change every part of a schema; members that are no schemas have none of its keywords."""
    if isinstance(schema, dict):
        for name, part in schema.items():
            if name not in ("enum", "const", "default", "examples"):
                _visit(part, change)
        if isinstance(schema.get("type"), str | list):
            change(schema)
    elif isinstance(schema, list):
        for part in schema:
            _visit(part, change)


def _bound(part: dict[str, Any], text_most: int, items_most: int) -> None:
    kinds = part["type"] if isinstance(part["type"], list) else [part["type"]]
    if "string" in kinds and not {"enum", "const", "pattern", "format"} & set(part):
        part.setdefault("maxLength", max(text_most, _least(part, "minLength")))
    if "array" in kinds:
        part.setdefault("maxItems", max(items_most, _least(part, "minItems")))


def _least(part: Mapping[str, Any], keyword: str) -> int:
    """Return a lower bound of the author's; nobody has checked that it is a number."""
    value = part.get(keyword, 0)
    return value if isinstance(value, int) else 0
