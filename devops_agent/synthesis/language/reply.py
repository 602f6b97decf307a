"""Replies: what is asked of a model, and what is read from whatever it answers.

Models with schema support answer with the bare JSON; others wrap it in a code fence or in talk.
The wanted object is looked for, never guessed: JSON that could be read in two ways is refused.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from aem.artifact import ChatReply
from devops_agent.synthesis.language.errors import (
    NothingProposedError,
    ReplyCutOffError,
    ReplyMalformedError,
    ReplyNotJsonError,
    ReplyTooLargeError,
)

MAX_REPLY_BYTES = 512 * 1024
"""Far more than the capped tokens of a reply can spell."""

MAX_EDITS = 40
MAX_RATIONALE_CHARACTERS = 2_000
MAX_OBJECTS = 1_000
"""So many places of a reply are tried as the beginning of its object."""

MAX_RETRIED_CHARACTERS = 8 * MAX_REPLY_BYTES
"""Of beginnings that came to nothing, together: nested ones are read again and again."""

SHAPE = """{"rationale": "what was wrong and why this mends it",
 "edits": [
  {"path": "file.py", "search": "text that is in the file exactly once", "replace": "new text"},
  {"path": "other.py", "content": "the whole new file"}
 ]}"""
"""The wanted reply, as models are shown it."""

REPLY_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["rationale", "edits"],
    "properties": {
        "rationale": {"type": "string"},
        "edits": {
            "type": "array",
            "items": {
                "anyOf": [
                    {
                        "type": "object",
                        "additionalProperties": False,
                        "required": list(keys),
                        "properties": {key: {"type": "string"} for key in keys},
                    }
                    for keys in (("path", "search", "replace"), ("path", "content"))
                ]
            },
        },
    },
}
"""Written with what all providers of structured output understand: no lengths, all required."""


@dataclass(frozen=True, kw_only=True)
class Replacement:
    """Replaces a text that stands in a file exactly once."""

    path: str
    search: str
    replace: str


@dataclass(frozen=True, kw_only=True)
class Rewriting:
    """Gives a file, new or not, this content."""

    path: str
    content: str


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What a model wants to be changed, and why; its texts are the model's own."""

    rationale: str
    edits: tuple[Replacement | Rewriting, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the proposal as models write it."""
        return {"rationale": self.rationale, "edits": [asdict(edit) for edit in self.edits]}


def read_reply(reply: ChatReply) -> Proposal:
    """Read a proposal from a reply.

    Raises:
        ReplyTooLargeError, ReplyCutOffError, ReplyNotJsonError, ReplyMalformedError: there is
            none that can be read in one way only.
        NothingProposedError: it has no edits.
    """
    size_bytes = len(reply.text.encode(errors="surrogatepass"))
    if size_bytes > MAX_REPLY_BYTES:
        raise ReplyTooLargeError(
            f"the reply has {size_bytes} bytes; {MAX_REPLY_BYTES} is the most: use"
            " search-and-replace edits"
        )
    found = list(_proposals(reply.text))
    if not found:
        if reply.finish_reason == "length":
            raise ReplyCutOffError(
                "the reply reached its cap of tokens before its JSON ended: propose fewer or"
                " smaller edits"
            )
        raise ReplyNotJsonError(
            'the reply holds no JSON object with "edits": answer with that object alone'
        )
    return _proposal(found[-1])  # drafts come before what is meant


def _proposals(text: str) -> Iterator[dict[str, Any]]:
    """Iterate over the outermost JSON objects in a text that have edits."""
    place = text.find("{")
    retried = 0
    for _ in range(MAX_OBJECTS):
        if place < 0 or retried > MAX_RETRIED_CHARACTERS:
            return
        try:
            value, end = _DECODER.raw_decode(text, place)
        except (json.JSONDecodeError, RecursionError) as error:
            # Where it gave up tells how much it has read; where it went too deep, nothing does.
            retried += getattr(error, "pos", len(text)) - place
            place = text.find("{", place + 1)
            continue
        if isinstance(value, dict) and "edits" in value:
            yield value
        place = text.find("{", end)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise ReplyMalformedError(f"the key {twice[:80]!r} is given twice in one object")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_members, strict=False)
"""Not strict: models write line breaks inside strings, which have one meaning only."""


def _proposal(value: Mapping[str, Any]) -> Proposal:
    rationale, edits = value.get("rationale", ""), value["edits"]
    if not isinstance(rationale, str):
        raise ReplyMalformedError('"rationale" must be a text')
    if not isinstance(edits, list):
        raise ReplyMalformedError('"edits" must be a list')
    if len(edits) > MAX_EDITS:
        raise ReplyMalformedError(f"{len(edits)} edits are more than {MAX_EDITS}")
    if not edits:
        raise NothingProposedError('"edits" is empty: propose at least one edit')
    return Proposal(
        rationale=_printable(rationale)[:MAX_RATIONALE_CHARACTERS],
        edits=tuple(_edit(number, edit) for number, edit in enumerate(edits, 1)),
    )


def _edit(number: int, value: Any) -> Replacement | Rewriting:
    if not isinstance(value, dict):
        raise ReplyMalformedError(f"edit {number} is no object")
    given = {key: part for key, part in value.items() if part is not None}
    if not all(isinstance(part, str) and _is_text(part) for part in given.values()):
        raise ReplyMalformedError(f"edit {number} has a value that is no text")
    if set(given) == {"path", "content"}:
        return Rewriting(**given)
    if set(given) == {"path", "search", "replace"} and given["search"]:
        return Replacement(**given)
    raise ReplyMalformedError(
        f'edit {number} has the keys {sorted(given)!r:.200}; it must have "path", "search" (not'
        ' empty) and "replace", or "path" and "content"'
    )


def _is_text(value: str) -> bool:
    """Whether no half of a character stands alone."""
    return not re.search("[\ud800-\udfff]", value)


def _printable(text: str) -> str:
    """Return a text for people: no control characters, no invisible changes of direction."""
    return "".join(
        character if character.isprintable() or character == "\n" else " " for character in text
    )
