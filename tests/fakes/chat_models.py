"""Chat models without a network: they answer from a script and keep what they were asked."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from aem.artifact import ChatReply, ChatRequest

Answer = str | ChatReply | Exception | Callable[[ChatRequest], str]


class ScriptedModel:
    """Gives the answers of a script in turn, the last one for ever."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self._answers = list(answers)
        self.requests: list[ChatRequest] = []

    def complete(self, request: ChatRequest) -> ChatReply:
        self.requests.append(request)
        number = min(len(self.requests), len(self._answers))
        answer = self._answers[number - 1]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, ChatReply):
            return answer
        return ChatReply(text=answer if isinstance(answer, str) else answer(request))

    @property
    def questions(self) -> list[str]:
        """What the user's messages said."""
        return [request.messages[-1].content for request in self.requests]


def replacing(path: str, search: str, replace: str, rationale: str = "") -> str:
    """A reply with one search-and-replace edit."""
    return proposal({"path": path, "search": search, "replace": replace}, rationale=rationale)


def rewriting(path: str, content: str, rationale: str = "") -> str:
    """A reply with one whole file."""
    return proposal({"path": path, "content": content}, rationale=rationale)


def proposal(*edits: dict[str, Any], rationale: str = "") -> str:
    return json.dumps({"rationale": rationale, "edits": list(edits)})
