"""Calls of language models, at their providers: one request, one reply, no retry.

The openai client speaks with any compatible endpoint. What it lacks is added at its transport: a
deadline for the whole exchange and a cap on its bytes, since an endless body keeps every time-out
that is counted from the last byte from ever ending. Nothing that it finds in the environment gets
past it: what a provider is sent is what the catalogue and the request say.
"""

import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

import httpx2
import openai
from openai.types.chat import ChatCompletion

from aem.artifact import ChatReply, ChatRequest
from market.catalogue import TOKENS_MAX, Model
from market.errors import (
    UpstreamDisconnectedError,
    UpstreamError,
    UpstreamRefusedError,
    UpstreamReplyMalformedError,
    UpstreamReplyTooLargeError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)

REPLY_MAX_BYTES = 8 * 1024**2
"""More than any capped reply takes, escaped and wrapped."""

CODINGS = frozenset({"identity", "gzip", "deflate"})
"""Compressions of a body that are undone."""

SENT_HEADERS = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "host"}
    | {"user-agent"}
)
"""Of those that the client makes; it adds more that its ``OPENAI_`` variables name."""

RETRY_STATUSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})

REASON_MAX_CHARACTERS = 40
"""Of why a reply ended."""

USAGE_MISSING = "usage_missing"
USAGE_IMPOSSIBLE = "usage_impossible"
"""It said a number of tokens that no call has."""

_HALVES = re.compile("[\ud800-\udfff]")

MESSAGE_MAX_CHARACTERS = 300
"""Of a provider's error message, in ours."""


@dataclass(frozen=True, kw_only=True)
class UpstreamReply:
    """A reply, and what it used.

    Attributes:
        reply: what the model answered.
        input_tokens: of the request, as the provider counts them.
        output_tokens: of the reply, hidden reasoning included.
        bound_because: why the call's bound stands for what it used: `USAGE_MISSING`,
            `USAGE_IMPOSSIBLE`, or "" where the provider said it.
        latency_ms: from sending to the last byte.
    """

    reply: ChatReply
    input_tokens: int
    output_tokens: int
    bound_because: str
    latency_ms: int

    def to_json(self) -> dict[str, Any]:
        """Return JSON values for the record of a call."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "UpstreamReply":
        """Read what `to_json` made."""
        return cls(**(value | {"reply": ChatReply(**value["reply"])}))


class Upstream:
    """Performs calls; for any number of threads."""

    def __init__(self) -> None:
        """Keep one client a model, made when it is first called."""
        # OPENAI_LOG would have it write whole requests to the log, the holdout's too.
        logging.getLogger("openai").setLevel(logging.WARNING)
        self._clients: dict[Model, openai.OpenAI] = {}
        self._making = threading.Lock()

    def complete(self, model: Model, request: ChatRequest, *, timeout_s: float) -> UpstreamReply:
        """Ask a model, once, and wait at most `timeout_s` for the whole reply.

        Raises:
            UncappedReplyError: the request caps the reply at nothing.
            UpstreamRefusedError, UpstreamUnreachableError: nothing was billed.
            UpstreamUnknownError: the call may be billed in full.
        """
        body = _body(model, request)
        started_s = time.monotonic()
        client = self._client(model).with_options(timeout=timeout_s)
        try:
            answer = client.chat.completions.create(**body)
        except openai.OpenAIError as error:
            raise _translated(model, error) from error
        except httpx2.HTTPError as error:
            raise _broken(model, error) from error
        except (ValueError, RecursionError, TypeError) as error:
            raise _malformed(model, type(error).__name__) from error
        latency_ms = int((time.monotonic() - started_s) * 1000)
        return _read(model, request, answer, latency_ms)

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            client.close()

    def _client(self, model: Model) -> openai.OpenAI:
        with self._making:
            if model not in self._clients:
                api_key = model.api_key or "none"
                transport = _BoundedTransport(authorization=f"Bearer {api_key}")
                self._clients[model] = openai.OpenAI(
                    base_url=model.base_url,
                    api_key=api_key,
                    max_retries=0,  # each retry is an attempt of its own, with its own holds
                    http_client=httpx2.Client(transport=transport, trust_env=False),
                )
            return self._clients[model]


class _BoundedTransport(httpx2.BaseTransport):
    """Ends an exchange at its deadline and at its cap of bytes, however it dribbles."""

    def __init__(self, *, authorization: str) -> None:
        self._authorization = authorization
        # A connection for each exchange: the watch is told of those that are made for it.
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        self._inner = httpx2.HTTPTransport(limits=limits, trust_env=False)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        sent = [(k, v) for k, v in request.headers.multi_items() if k.lower() in SENT_HEADERS]
        request.headers = httpx2.Headers([*sent, ("authorization", self._authorization)])
        watch = _Watch(request.extensions["timeout"]["read"])
        request.extensions = {**request.extensions, "trace": watch.trace}
        try:
            with watch.told():
                response = self._inner.handle_request(request)
        except BaseException:
            watch.end()
            raise
        headers = [
            (name, value)
            for name, value in response.headers.multi_items()
            if name not in ("content-encoding", "content-length")
        ]
        return httpx2.Response(
            status_code=response.status_code,
            headers=headers,
            stream=_BoundedStream(response, watch),
            extensions=response.extensions,
        )

    def close(self) -> None:
        self._inner.close()


class _Watch:
    """Cuts an exchange's connection at its deadline: the client's own begin anew at each byte."""

    def __init__(self, timeout_s: float) -> None:
        self._is_over = False
        self._connection: socket.socket | None = None
        self._timer = threading.Timer(timeout_s, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def trace(self, event: str, told: Mapping[str, Any]) -> None:
        """Learn the connection (the client's extension `trace`)."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._connection = told["return_value"].get_extra_info("socket")
            if self._is_over:
                self._cut()

    @contextmanager
    def told(self) -> Iterator[None]:
        """Name what the cut breaks as what it is.

        Raises:
            httpx2.ReadTimeout: the deadline has passed.
        """
        try:
            yield
        except (httpx2.HTTPError, OSError) as error:
            if self._is_over and not isinstance(error, _NOT_SENT):
                raise httpx2.ReadTimeout("the exchange did not end in time") from error
            raise

    def require_time(self) -> None:
        """Refuse what came after the deadline.

        Raises:
            httpx2.ReadTimeout: the deadline has passed.
        """
        if self._is_over:
            raise httpx2.ReadTimeout("the exchange did not end in time")

    def end(self) -> None:
        """Watch no longer."""
        self._timer.cancel()

    def _cut(self) -> None:
        self._is_over = True
        if self._connection is not None:
            with suppress(OSError):  # it is closed already
                self._connection.shutdown(socket.SHUT_RDWR)


_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


class _TooLargeError(httpx2.HTTPError):
    """The body passed its cap."""


class _BoundedStream(httpx2.SyncByteStream):
    """A body without its compression, of which no more is undone than a reply may have."""

    def __init__(self, response: httpx2.Response, watch: _Watch) -> None:
        self._response = response
        self._watch = watch

    def __iter__(self) -> Iterator[bytes]:
        coding = self._response.headers.get("content-encoding", "identity").strip().lower()
        if coding not in CODINGS:  # one in another would grow a thousandfold twice
            raise httpx2.DecodingError(f"the body is coded as {coding!r:.80}, which nobody asked")
        size = 0
        with self._watch.told():
            for chunk in self._response.iter_bytes():
                size += len(chunk)
                if size > REPLY_MAX_BYTES:
                    raise _TooLargeError("the body is longer than any reply")
                yield chunk
        self._watch.require_time()  # a body without a length ends wherever it is cut

    def close(self) -> None:
        self._watch.end()
        self._response.close()


def _body(model: Model, request: ChatRequest) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": model.upstream_name,
        "messages": [message.to_json() for message in request.messages],
        "temperature": request.temperature,
        "n": 1,
        "stream": False,
        model.cap_parameter: model.reply_cap_tokens(request),
    }
    if request.seed is not None:
        body["seed"] = request.seed
    if request.stop:
        body["stop"] = list(request.stop)
    if request.reply_schema is not None and model.has_reply_schemas:
        schema = {"name": "reply", "schema": dict(request.reply_schema), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def _translated(model: Model, error: openai.OpenAIError) -> UpstreamError:
    match error:
        case openai.APITimeoutError():
            return _broken(model, error.__cause__)
        case openai.APIConnectionError():
            return _broken(model, error.__cause__)
        case openai.APIStatusError():
            return _refused(model, error)
        case _:  # what cannot be read as the API's reply
            return _malformed(model, type(error).__name__)


def _broken(model: Model, error: BaseException | None) -> UpstreamError:
    """Name how a connection failed; before it came about nothing was sent."""
    if isinstance(error, _NOT_SENT):
        return UpstreamUnreachableError(
            f"{model.name} at {model.base_url} cannot be reached: start it, or correct base_url",
            model=model.name,
        )
    kinds: tuple[tuple[type[BaseException], Callable[..., UpstreamError], str], ...] = (
        (_TooLargeError, UpstreamReplyTooLargeError, "sent more bytes than any reply has"),
        (httpx2.TimeoutException, UpstreamTimeoutError, "gave no whole reply in time"),
    )
    for kind, made, what in kinds:
        if isinstance(error, kind):
            return made(f"{model.name} {what}", model=model.name)
    return UpstreamDisconnectedError(
        f"the connection to {model.name} broke before its reply was whole", model=model.name
    )


def _refused(model: Model, error: openai.APIStatusError) -> UpstreamRefusedError:
    said = _said(error)
    return UpstreamRefusedError(
        f"{model.name} refused the call with status {error.status_code}{said and ': '}{said}",
        may_retry=error.status_code in RETRY_STATUSES,
        retry_after_s=_retry_after_s(error.response),
        model=model.name,
        status=error.status_code,
    )


def _said(error: openai.APIStatusError) -> str:
    """Return a provider's own words, as text that can be printed anywhere; "" for none."""
    body = error.body
    found = [body.get("message"), body.get("detail")] if isinstance(body, dict) else [body]
    words = next((each for each in found if isinstance(each, str)), "")
    plain = "".join(c if c.isprintable() else " " for c in words[: 2 * MESSAGE_MAX_CHARACTERS])
    return " ".join(plain.split())[:MESSAGE_MAX_CHARACTERS]


def _retry_after_s(response: httpx2.Response) -> float | None:
    try:
        return max(0.0, float(response.headers["retry-after"]))
    except (KeyError, ValueError):
        return None


def _malformed(model: Model, what: str) -> UpstreamReplyMalformedError:
    return UpstreamReplyMalformedError(
        f"{model.name} answered with something that is no chat completion ({what})",
        model=model.name,
    )


def _read(
    model: Model, request: ChatRequest, answer: ChatCompletion, latency_ms: int
) -> UpstreamReply:
    """Take text and usage; the client does not check types, so nothing is taken on trust."""
    try:
        choice = answer.choices[0]
        text = choice.message.content or ""
        finish_reason = _sendable(str(choice.finish_reason)[:REASON_MAX_CHARACTERS])
    except (AttributeError, LookupError, TypeError) as error:
        raise _malformed(model, "no choices") from error
    if not isinstance(text, str):
        raise _malformed(model, "no text")
    text = _sendable(text)
    input_tokens = _reported(answer, "prompt_tokens")
    output_tokens = _reported(answer, "completion_tokens", least=1 if text else 0)
    bound_because = ""
    if input_tokens is None or output_tokens is None:
        said = (
            getattr(answer.usage, name, None) for name in ("prompt_tokens", "completion_tokens")
        )
        bound_because = USAGE_MISSING if None in said else USAGE_IMPOSSIBLE
    if input_tokens is None:
        input_tokens = model.input_bound_tokens(request)
    if output_tokens is None:
        output_tokens = model.reply_cap_tokens(request)
    return UpstreamReply(
        reply=ChatReply(text=text, finish_reason=finish_reason),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        bound_because=bound_because,
        latency_ms=latency_ms,
    )


def _sendable(text: str) -> str:
    """Replace halves of characters, which JSON can spell and nothing else can hold."""
    return _HALVES.sub("\ufffd", text)


def _reported(answer: ChatCompletion, name: str, *, least: int = 1) -> int | None:
    """Return a token count of the provider's, or None where it is missing or cannot be true."""
    value = getattr(answer.usage, name, None)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if least <= value <= TOKENS_MAX else None
