"""Chat calls as plain values: what a prompt asks of a model, and what the model answers.

Whoever performs a call implements `ChatModel`: an agent with its own client, or the service, which
takes holds for it first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol


class Role(StrEnum):
    """Who speaks a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, kw_only=True)
class ChatMessage:
    """One message of a conversation."""

    role: Role
    content: str

    def to_json(self) -> dict[str, str]:
        """Return the message as the chat completions API takes it."""
        return {"role": self.role.value, "content": self.content}


@dataclass(frozen=True, kw_only=True)
class ChatRequest:
    """What is asked of a model; it has a finite price, since the reply's length is capped.

    Attributes:
        model: the name by which whoever performs the call knows the model.
        messages: the conversation so far; at least one.
        max_tokens: most tokens that the reply may have; more than zero.
        temperature: 0.0 asks for the likeliest reply.
        seed: of sampling, for models that take one.
        stop: texts at which the reply ends.
        reply_schema: JSON Schema that the reply must follow, or None for free text.
    """

    model: str
    messages: tuple[ChatMessage, ...]
    max_tokens: int
    temperature: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    reply_schema: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return JSON values: the record of a call, and what its digest is taken over."""
        return {
            "model": self.model,
            "messages": [message.to_json() for message in self.messages],
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "seed": self.seed,
            "stop": list(self.stop),
            "reply_schema": None if self.reply_schema is None else dict(self.reply_schema),
        }


@dataclass(frozen=True, kw_only=True)
class ChatReply:
    """What a model answered.

    Attributes:
        text: the reply; a model that was cut off leaves an unfinished one.
        finish_reason: ``stop``, or why the reply ends early, such as ``length``.
        latency_ms: how long this reply took, without what was tried in vain before it; None where
            whoever performed the call does not say.
    """

    text: str
    finish_reason: str = "stop"
    latency_ms: int | None = None


class ChatModel(Protocol):
    """Performs chat calls."""

    def complete(self, request: ChatRequest) -> ChatReply:
        """Ask the model and wait for the whole reply.

        Raises:
            RequestRefusedError: the request itself is refused, so that asking again is no use.
            Exception: whatever the performer raises where there is no reply; the service's own
                says what is wrong and whether it was paid for.
        """
        ...
