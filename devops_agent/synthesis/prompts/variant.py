"""Variants of a prompt: the parts that a search changes, and the files that they make."""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from aem.artifact import MANIFEST_PATH, Bundle, Constraint, Demonstration, compact_json
from devops_agent.synthesis.port import EditRecord

DEMONSTRATIONS_PATH = "demonstrations.json"
REPLY_SCHEMA_PATH = "schema/reply.json"

_HEADER = re.compile(r"\s*\[([A-Za-z0-9_.\"' -]+)\]\s*(#.*)?")

Messages = tuple[tuple[str, str], ...]
"""Role and content of each message, in order."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A prompt, as far as a search changes it.

    Attributes:
        messages: the templates; the last one is the user's.
        demonstrations: shown before the last message.
        constraint: what replies are held to.
        reply_schema: of the constraint `schema`, else None.
        max_tokens: of a reply.
        moves: what was done to the incumbent, in order.
    """

    messages: Messages
    demonstrations: tuple[Demonstration, ...]
    constraint: Constraint
    reply_schema: Mapping[str, Any] | None
    max_tokens: int
    moves: tuple[str, ...] = ()

    def moved(self, move: str, **changes: Any) -> "Variant":
        """Return the variant with some parts changed, and the move noted."""
        return replace(self, moves=(*self.moves, move), **changes)

    def key(self) -> str:
        """Return a text that is equal for variants that ask the same."""
        shown = [[each.input, each.output] for each in self.demonstrations]
        parts = [self.messages, shown, self.constraint.value, self.reply_schema, self.max_tokens]
        return compact_json(parts)


def read_variant(bundle: Bundle) -> Variant:
    """Read the incumbent's parts; its files were checked when they were submitted."""
    settings = bundle.manifest.prompt
    if settings is None:
        raise ValueError("a variant is made of a prompt")
    messages = json.loads(bundle.files[settings.messages])
    shown = json.loads(bundle.files[settings.demonstrations]) if settings.demonstrations else []
    schema = (
        json.loads(bundle.files[settings.reply_schema or ""])
        if settings.constraint is Constraint.SCHEMA
        else None
    )
    return Variant(
        messages=tuple((message["role"], message["content"]) for message in messages),
        demonstrations=tuple(
            Demonstration(input=item["input"], output=item["output"]) for item in shown
        ),
        constraint=settings.constraint,
        reply_schema=schema,
        max_tokens=settings.max_tokens,
    )


def write_variant(bundle: Bundle, variant: Variant) -> Bundle:
    """Return the incumbent's bundle with the variant's parts; other files stay as they are.

    Raises:
        ValueError: the manifest is laid out in a way that cannot be edited line by line.
    """
    settings = bundle.manifest.prompt
    if settings is None:
        raise ValueError("a variant is made of a prompt")
    before = read_variant(bundle)
    if variant.key() == before.key():
        return bundle
    manifest = bundle.files[MANIFEST_PATH].decode()
    files = {settings.messages: _pretty([_message(*each) for each in variant.messages])}
    if variant.demonstrations or settings.demonstrations:
        path = settings.demonstrations or _free(bundle, DEMONSTRATIONS_PATH)
        files[path] = _pretty(
            [{"input": each.input, "output": each.output} for each in variant.demonstrations]
        )
        manifest = with_key(manifest, "prompt", "demonstrations", path)
    manifest = with_key(manifest, "model", "max_tokens", variant.max_tokens)
    manifest = with_key(manifest, "reply", "constraint", variant.constraint.value)
    if variant.constraint is Constraint.SCHEMA and variant.reply_schema != before.reply_schema:
        path = _free(bundle, REPLY_SCHEMA_PATH)
        files[path] = _pretty(variant.reply_schema)
        manifest = with_key(manifest, "reply", "schema", path)
    elif settings.constraint is Constraint.SCHEMA and variant.reply_schema is None:
        manifest = with_key(manifest, "reply", "schema", None)
    return bundle.replace({**files, MANIFEST_PATH: manifest.encode()})


def differences(before: Bundle, after: Bundle) -> list[EditRecord]:
    """Return the files that changed, whole, for whoever reads the order."""
    return [
        EditRecord(
            path=path,
            line=1,
            function="",
            family="prompt",
            before=before.files.get(path, b"").decode(errors="replace"),
            after=content.decode(errors="replace"),
        )
        for path, content in after.files.items()
        if before.files.get(path) != content
    ]


def with_key(manifest: str, table: str, key: str, value: str | int | None) -> str:
    """Set a key of a manifest's table, or remove it; comments and all else stay.

    Raises:
        ValueError: the table is not written as a table with a line for each key.
    """
    wanted = tomllib.loads(manifest)
    changed = dict(wanted.get(table, {}))
    changed.pop(key, None)
    if value is not None:
        changed[key] = value
    wanted[table] = changed
    edited = "\n".join(_edited(manifest.splitlines(), table, key, value)) + "\n"
    if tomllib.loads(edited) != wanted:
        raise ValueError(f"the manifest's table [{table}] cannot be edited line by line")
    return edited


def _edited(lines: Sequence[str], table: str, key: str, value: str | int | None) -> list[str]:
    new = [] if value is None else [f"{key} = {json.dumps(value)}"]
    found: list[str] = []
    current, is_done = "", False
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header:
            current = header.group(1)
        if current == table and re.match(rf"\s*{key}\s*=", line):
            found += new
            is_done = True
            continue
        found.append(line)
    if is_done or value is None:
        return found
    for place, line in enumerate(found):
        header = _HEADER.fullmatch(line)
        if header and header.group(1) == table:
            return [*found[: place + 1], *new, *found[place + 1 :]]
    return [*found, f"[{table}]", *new]


def _free(bundle: Bundle, wanted: str) -> str:
    """Return a path at which the author keeps nothing: an output schema may have such a name."""
    stem, _, suffix = wanted.rpartition(".")
    taken = {path.casefold() for path in bundle.files}
    names = (wanted, *(f"{stem}-{number}.{suffix}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _pretty(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()
