"""Running a prompt in the agent: the version is rendered here, and the agent's own client asks.

There is no code of others in a prompt, so nothing is isolated. Of the manifest's limits
`output_bytes` is enforced; how long a call may take is the client's own time-out.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal

from aem.artifact import (
    ArtifactError,
    ArtifactKind,
    Bundle,
    ChatModel,
    ChatReply,
    ChatRequest,
    parse_reply,
    read_prompt,
)
from aem.handle.errors import CallFailedError, LoadFailedError, UnsupportedKindError
from aem.handle.runtime import Runtime, RuntimeFactory

SCHEMA_NAME = "reply"


class PromptRuntime:
    """A loaded prompt; for as many threads as its model is for."""

    def __init__(self, bundle: Bundle, model: ChatModel) -> None:
        """Parse and check the prompt; nobody is asked.

        Raises:
            LoadFailedError: its messages or demonstrations are not what they must be.
        """
        self._digest = bundle.digest
        self._output_bytes = bundle.manifest.limits.output_bytes
        self._model = model
        try:
            self._prompt = read_prompt(bundle)
        except ArtifactError as error:
            raise LoadFailedError(
                f"{self._digest} cannot be read as a prompt: {error.message}", digest=self._digest
            ) from error

    def call(self, value: Any) -> Any:
        """Return the model's answer (`Runtime.call`)."""
        try:
            reply = self._model.complete(self._prompt.render(value))
            output = parse_reply(reply)
        except ArtifactError as error:
            raise self._failed("error", error.message) from error
        except Exception as error:  # whatever the agent's own client raises
            raise self._failed("error", f"{type(error).__name__}: {error}") from error
        if len(output) > self._output_bytes:
            raise self._failed("output_too_large", f"the answer has {len(output)} bytes")
        return json.loads(output)

    def close(self) -> None:
        """Do nothing: the model is the agent's."""

    def _failed(self, status: str, problem: str) -> CallFailedError:
        return CallFailedError(
            f"{self._digest} failed: {problem}", status=status, digest=self._digest
        )


class OpenAIModel:
    """Implements `ChatModel` on a client of the openai package, or anything of its shape."""

    def __init__(
        self,
        client: Any,
        *,
        names: Mapping[str, str] | None = None,
        cap_parameter: Literal["max_tokens", "max_completion_tokens"] = "max_tokens",
        has_reply_schemas: bool = True,
    ) -> None:
        """Keep the client, which has its own credentials, retries and time-outs.

        Args:
            client: has ``chat.completions.create``.
            names: what the endpoint calls the models that prompts name; others are asked for by
                the prompt's name.
            cap_parameter: the field by which the endpoint caps a reply.
            has_reply_schemas: whether the endpoint takes a JSON Schema for the reply.
        """
        self._client = client
        self._names = dict(names or {})
        self._cap_parameter = cap_parameter
        self._has_reply_schemas = has_reply_schemas

    def complete(self, request: ChatRequest) -> ChatReply:
        """Ask, and wait for the whole reply; raises what the client raises."""
        answer = self._client.chat.completions.create(**self._body(request))
        choice = answer.choices[0]
        return ChatReply(
            text=choice.message.content or "", finish_reason=str(choice.finish_reason)
        )

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._names.get(request.model, request.model),
            "messages": [message.to_json() for message in request.messages],
            "temperature": request.temperature,
            self._cap_parameter: request.max_tokens,
        }
        if request.seed is not None:
            body["seed"] = request.seed
        if request.stop:
            body["stop"] = list(request.stop)
        if request.reply_schema is not None and self._has_reply_schemas:
            schema = {"name": SCHEMA_NAME, "schema": dict(request.reply_schema), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body


def by_kind(code: RuntimeFactory, model: ChatModel | None) -> RuntimeFactory:
    """Return a factory that loads prompts on the agent's model, and all else as code."""

    def load(bundle: Bundle) -> Runtime:
        if bundle.manifest.kind is not ArtifactKind.PROMPT:
            return code(bundle)
        if model is None:
            raise UnsupportedKindError(
                f"{bundle.manifest.name} is a prompt: give the handle a model to ask"
            )
        return PromptRuntime(bundle, model)

    return load
