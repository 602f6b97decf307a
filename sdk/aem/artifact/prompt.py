"""Prompts: messages with placeholders, rendered into a chat request, and replies read strictly.

Templates have no logic. ``{{customer.name}}`` stands for a value of the input, ``{{{{`` for two
braces; there is nothing else. Placeholders are replaced in one pass over the author's text, so
nothing in an input can name another placeholder, and every message keeps the role that the author
gave it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aem.artifact.bundle import Bundle
from aem.artifact.chat import ChatMessage, ChatReply, ChatRequest, Role
from aem.artifact.errors import PlaceholderError, PromptError, ReplyError
from aem.artifact.prompt_settings import PromptSettings
from aem.artifact.schema_path import is_position, is_ruled_out
from aem.proof import NotCanonicalError, canonical_json

MAX_MESSAGES = 100
MAX_DEMONSTRATIONS = 100
"""Each is two messages of every call: more belong into training, not into a prompt."""

MAX_PLACEHOLDERS = 1_000
"""In all messages together."""

MAX_REQUEST_CHARACTERS = 2_000_000
"""Of all messages of a call: above the longest context of any model."""

MAX_QUOTED_CHARACTERS = 300
"""Of a reply that cannot be read, in the error's message."""

_MARKS = re.compile(r"\{\{\{\{|\{\{(.*?)\}\}|\{\{", re.DOTALL)
_DOTTED = re.compile(r"[\w-]+(?:\.[\w-]+)*")
_POINTER = re.compile(r"(?:/(?:[^{}/~]|~[01])*)+")
_BRACES = "{{"
_WHOLE = "."


@dataclass(frozen=True, kw_only=True)
class Placeholder:
    """A value of the input: `name` as the author wrote it, and its path from the top."""

    name: str
    path: tuple[str, ...]

    def resolve(self, value: Any) -> str:
        """Return the text to put in: strings as they are, other values as compact JSON.

        Raises:
            PlaceholderError: the input has nothing there, or no JSON value.
        """
        for key in self.path:
            if isinstance(value, Mapping) and key in value:
                value = value[key]
            elif isinstance(value, list) and is_position(key) and int(key) < len(value):
                value = value[int(key)]
            else:
                raise PlaceholderError(
                    f"the input has nothing at {{{{{self.name}}}}}: give it, or let the input"
                    " schema require it",
                    placeholder=self.name,
                )
        return self._written(value)

    def _written(self, value: Any) -> str:
        try:
            text = value if isinstance(value, str) else compact_json(value)
            text.encode()  # half a surrogate pair cannot be sent
        except (TypeError, ValueError, RecursionError) as error:
            raise PlaceholderError(
                f"what the input has at {{{{{self.name}}}}} cannot be sent as JSON: {error}",
                placeholder=self.name,
            ) from error
        return text


class Room:
    """What the messages of a call may still have: it ends before memory does."""

    def __init__(self, path: str) -> None:
        """Begin with `MAX_REQUEST_CHARACTERS`; `path` is the file to complain of."""
        self._path = path
        self._left = MAX_REQUEST_CHARACTERS

    def take(self, text: str) -> None:
        """Count a text.

        Raises:
            PromptError: the messages are longer than any model takes.
        """
        self._left -= len(text)
        if self._left < 0:
            raise PromptError(
                f"the messages have more than {MAX_REQUEST_CHARACTERS} characters with this input",
                path=self._path,
            )


@dataclass(frozen=True, kw_only=True)
class MessageTemplate:
    """A message: texts and placeholders in turns."""

    role: Role
    parts: tuple[str | Placeholder, ...]

    @property
    def placeholders(self) -> list[Placeholder]:
        """The placeholders, in order."""
        return [part for part in self.parts if isinstance(part, Placeholder)]

    def render(self, value: Any, room: "Room") -> ChatMessage:
        """Put an input's values in.

        Raises:
            PlaceholderError: the input lacks one.
            PromptError: there is no room for them.
        """
        texts = []
        for part in self.parts:  # one by one: a value may stand at a thousand places
            text = part if isinstance(part, str) else part.resolve(value)
            room.take(text)
            texts.append(text)
        return ChatMessage(role=self.role, content="".join(texts))


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """An input and the output that is wanted for it, both JSON values."""

    input: Any
    output: Any


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A parsed prompt.

    Attributes:
        settings: what the manifest says.
        messages: at least one; the last one is the user's.
        demonstrations: shown before the last message, each as a turn of user and assistant.
        reply_schema: what replies are held to while they are made, None for nothing.
        fixed: the demonstrations' turns, as messages.
    """

    settings: PromptSettings
    messages: tuple[MessageTemplate, ...]
    demonstrations: tuple[Demonstration, ...]
    reply_schema: Mapping[str, Any] | None
    fixed: tuple[ChatMessage, ...]

    def render(self, value: Any) -> ChatRequest:
        """Return what to ask the model for an input.

        Raises:
            PlaceholderError: the input has nothing where a placeholder points to.
            PromptError: the messages are longer than any model takes.
        """
        room = Room(self.settings.messages)
        for message in self.fixed:
            room.take(message.content)
        *before, last = (message.render(value, room) for message in self.messages)
        messages = (*before, *self.fixed, last)
        settings = self.settings
        return ChatRequest(
            model=settings.model,
            messages=messages,
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            seed=settings.seed,
            stop=settings.stop,
            reply_schema=self.reply_schema,
        )


def read_prompt(bundle: Bundle) -> Prompt:
    """Parse a prompt artifact's files and check all that can be known without an input.

    Raises:
        ArtifactError: the manifest is wrong, or not a prompt's.
        PromptError: messages or demonstrations are not what they must be.
        PlaceholderError: a placeholder is malformed, or the input schema rules it out.
    """
    settings = bundle.manifest.prompt
    if settings is None:
        raise PromptError(
            f"{bundle.manifest.name} is of kind {bundle.manifest.kind.value}, not a prompt",
            path="artifact.toml",
        )
    messages = _messages(settings.messages, bundle.files[settings.messages])
    schema = json.loads(bundle.files[bundle.manifest.input_schema])
    _require_possible(messages, schema, settings.messages, bundle.manifest.input_schema)
    demonstrations = _demonstrations(settings.demonstrations, bundle)
    reply_path = settings.reply_schema
    return Prompt(
        settings=settings,
        messages=messages,
        demonstrations=demonstrations,
        reply_schema=None if reply_path is None else _sendable(bundle, reply_path),
        fixed=_turns(messages[-1], demonstrations, settings.demonstrations or ""),
    )


def _sendable(bundle: Bundle, path: str) -> Any:
    """Return a schema that can be sent and recorded as JSON that everybody reads alike."""
    schema = json.loads(bundle.files[path])
    try:
        canonical_json(schema)
    except NotCanonicalError as error:
        raise PromptError(f"{path} cannot be sent with a call: {error}", path=path) from error
    return schema


def parse_reply(reply: ChatReply) -> bytes:
    """Return the JSON text of a reply, byte for byte but for white space around it.

    Nothing else is tolerated: no fence, no sentence before the value, no key twice, no NaN.

    Raises:
        ReplyError: the reply is cut off, or is not one JSON value.
    """
    if reply.finish_reason == "length":
        raise ReplyError(
            "the reply was cut off: it reached `model.max_tokens`" + _quoted(reply.text),
            finish_reason=reply.finish_reason,
        )
    text = reply.text.strip()
    try:
        json.loads(text, object_pairs_hook=_distinct, parse_constant=_refuse_constant)
        return text.encode()
    except (ValueError, RecursionError) as error:
        raise ReplyError(
            f"the reply is not one JSON value: {error}" + _quoted(reply.text),
            finish_reason=reply.finish_reason,
        ) from error


def parse_template(text: str, path: str) -> tuple[str | Placeholder, ...]:
    """Split a message's text at its placeholders; `path` names the file in errors.

    Raises:
        PlaceholderError: what stands between double braces is no path.
    """
    parts: list[str | Placeholder] = []
    end = 0
    for match in _MARKS.finditer(text):
        parts.append(text[end : match.start()])
        parts.append(_BRACES if match.group() == "{{{{" else _placeholder(match, path))
        end = match.end()
    parts.append(text[end:])
    return tuple(part for part in parts if part != "")


def compact_json(value: Any) -> str:
    """Write a JSON value without white space, keys in their order; the form of demonstrations.

    Raises:
        TypeError, ValueError, RecursionError: it is no JSON value.
    """
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _placeholder(match: re.Match[str], path: str) -> Placeholder:
    inner = match.group(1)
    name = None if inner is None else inner.strip()
    if name == _WHOLE:
        return Placeholder(name=name, path=())
    if name is not None and _DOTTED.fullmatch(name):
        return Placeholder(name=name, path=tuple(name.split(".")))
    if name is not None and _POINTER.fullmatch(name):
        keys = name[1:].split("/")
        return Placeholder(
            name=name, path=tuple(key.replace("~1", "/").replace("~0", "~") for key in keys)
        )
    raise PlaceholderError(
        f"{path!r}: {match.group()[:80]!r} is no placeholder: write {{{{customer.name}}}},"
        " {{/a JSON pointer}}, {{.}} for the whole input, or {{{{ for two braces; templates have"
        " no logic",
        path=path,
        placeholder=match.group()[:80],
    )


def _require_possible(
    messages: Sequence[MessageTemplate], schema: Any, path: str, schema_path: str
) -> None:
    placeholders = [each for message in messages for each in message.placeholders]
    if len(placeholders) > MAX_PLACEHOLDERS:
        raise PromptError(
            f"{path!r} has {len(placeholders)} placeholders, and {MAX_PLACEHOLDERS} is the limit",
            path=path,
        )
    for placeholder in {each.path: each for each in placeholders}.values():
        if is_ruled_out(schema, placeholder.path):
            raise PlaceholderError(
                f"{path!r}: no input has anything at {{{{{placeholder.name}}}}}: {schema_path!r}"
                " rules it out",
                path=path,
                placeholder=placeholder.name,
            )


def _messages(path: str, data: bytes) -> tuple[MessageTemplate, ...]:
    expected = (
        f'a list of 1 to {MAX_MESSAGES} objects {{"role": "system" | "user" | "assistant",'
        ' "content": text}, the last one of the user'
    )
    listed = _json(path, data)
    if not isinstance(listed, list) or not 0 < len(listed) <= MAX_MESSAGES:
        raise PromptError(f"{path!r} must hold {expected}", path=path)
    messages = []
    for place, item in enumerate(listed):
        if (
            not isinstance(item, dict)
            or set(item) != {"role", "content"}
            or item["role"] not in list(Role)
            or not isinstance(item["content"], str)
        ):
            raise PromptError(f"{path!r}, item {place}: the file must hold {expected}", path=path)
        parts = parse_template(item["content"], path)
        messages.append(MessageTemplate(role=Role(item["role"]), parts=parts))
    if messages[-1].role is not Role.USER:
        raise PromptError(f"{path!r}: the last message must be the user's", path=path)
    return tuple(messages)


def _demonstrations(path: str | None, bundle: Bundle) -> tuple[Demonstration, ...]:
    if path is None:
        return ()
    listed = _json(path, bundle.files[path])
    if not isinstance(listed, list) or len(listed) > MAX_DEMONSTRATIONS:
        raise PromptError(
            f"{path!r} must hold a list of at most {MAX_DEMONSTRATIONS} demonstrations", path=path
        )
    for place, item in enumerate(listed):
        if not isinstance(item, dict) or set(item) != {"input", "output"}:
            raise PromptError(
                f"{path!r}, item {place}: a demonstration is an object with `input` and `output`",
                path=path,
            )
    return tuple(Demonstration(input=item["input"], output=item["output"]) for item in listed)


def _turns(
    last: MessageTemplate, demonstrations: Sequence[Demonstration], path: str
) -> tuple[ChatMessage, ...]:
    turns: list[ChatMessage] = []
    room = Room(path)
    for place, demonstration in enumerate(demonstrations):
        answer = compact_json(demonstration.output)
        try:
            turns.append(last.render(demonstration.input, room))
            room.take(answer)
        except (PlaceholderError, PromptError) as error:
            raise PromptError(f"{path!r}, item {place}: {error.message}", path=path) from error
        turns.append(ChatMessage(role=Role.ASSISTANT, content=answer))
    return tuple(turns)


def _json(path: str, data: bytes) -> Any:
    try:
        value = json.loads(data, object_pairs_hook=_distinct, parse_constant=_refuse_constant)
        compact_json(value).encode()  # refuses numbers and characters that cannot be sent
    except (ValueError, RecursionError) as error:
        raise PromptError(f"{path!r} is not JSON: {error}", path=path) from error
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return members


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


def _quoted(text: str) -> str:
    shown = text[:MAX_QUOTED_CHARACTERS]
    return f"; it begins {shown!r}" if text else "; it is empty"
