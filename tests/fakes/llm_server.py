"""A language model's provider on loopback: real HTTP, and every way to behave well or badly.

A server is given behaviours, one for each call in turn and the last one for ever. What it was
asked is kept for assertions.
"""

import json
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]

MODEL = "tutor-1"
DRIP_S = 0.02
BYTES_PER_TOKEN = 4

FILE = re.compile(
    r"# File; its path is the first line\n<<<(data-[0-9a-f]+)\n(?P<path>[^\n]+)\n\n(?P<text>.*?)\n"
    r"\1>>>",
    re.DOTALL,
)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request, as it came."""

    path: str
    headers: Mapping[str, str]
    body: Json

    @property
    def question(self) -> str:
        return str(self.body["messages"][-1]["content"])

    @property
    def has_schema(self) -> bool:
        return "response_format" in self.body


class Exchange:
    """One request and the means to answer it."""

    def __init__(
        self, handler: BaseHTTPRequestHandler, asked: Asked, over: threading.Event
    ) -> None:
        self.asked = asked
        self.over = over
        self._handler = handler
        self._is_chunked = False

    def send_json(self, status: int, value: Any, **headers: str) -> None:
        self.send_bytes(status, json.dumps(value).encode(), **headers)

    def send_bytes(self, status: int, data: bytes, **headers: str) -> None:
        self.begin(status, **{"Content-Type": "application/json"} | headers, length=str(len(data)))
        self.write(data)

    def begin(self, status: int, *, length: str = "", **headers: str) -> None:
        self._handler.send_response(status)
        for name, value in headers.items():
            self._handler.send_header(name.replace("_", "-"), value)
        self._is_chunked = not length
        if length:
            self._handler.send_header("Content-Length", length)
        else:
            self._handler.send_header("Transfer-Encoding", "chunked")
        self._handler.send_header("Connection", "close")
        self._handler.end_headers()

    def write(self, data: bytes) -> None:
        framed = b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data
        self._handler.wfile.write(framed)
        self._handler.wfile.flush()

    def write_plain(self, data: bytes) -> None:
        """Write bytes of the connection, whatever the protocol wants there."""
        self._handler.wfile.write(data)
        self._handler.wfile.flush()

    def hang_up(self) -> None:
        """End the connection without an end of the message."""
        self._handler.connection.shutdown(socket.SHUT_RDWR)

    def reply(self, text: str, *, usage: Json | None, finish_reason: str = "stop") -> None:
        """Answer as the chat completions API does, at once or as a stream, as was asked."""
        if self.asked.body.get("stream"):
            self._stream(text, usage, finish_reason)
            return
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": finish_reason}
        value = _frame("chat.completion") | {"choices": [choice]}
        self.send_json(200, value if usage is None else value | {"usage": usage})

    def _stream(self, text: str, usage: Json | None, finish_reason: str) -> None:
        self.begin(200, Content_Type="text/event-stream")
        for piece in re.findall(r".{1,40}", text, re.DOTALL):
            self.event(piece)
        self.event(None, finish_reason)
        options = self.asked.body.get("stream_options") or {}
        if usage is not None and options.get("include_usage"):
            value = _frame("chat.completion.chunk") | {"choices": [], "usage": usage}
            self.write(f"data: {json.dumps(value)}\n\n".encode())
        self.write(b"data: [DONE]\n\n")
        self.write(b"")  # ends the message

    def event(self, content: str | None, finish_reason: str | None = None) -> None:
        delta = {} if content is None else {"role": "assistant", "content": content}
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        value = _frame("chat.completion.chunk") | {"choices": [choice]}
        self.write(f"data: {json.dumps(value)}\n\n".encode())

    def usual_usage(self, text: str) -> Json:
        """Return what an honest provider reports."""
        sent = sum(len(m["content"].encode()) for m in self.asked.body["messages"])
        return usage(sent // BYTES_PER_TOKEN + 1, len(text.encode()) // BYTES_PER_TOKEN + 1)


Behaviour = Callable[[Exchange], None]


def usage(input_tokens: int, output_tokens: int) -> Json:
    return {
        "prompt_tokens": input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
    }


class LlmServer:
    """The provider; use `serving` to run one."""

    def __init__(self, behaviours: tuple[Behaviour, ...]) -> None:
        self.asked: list[Asked] = []
        self.defects: list[BaseException] = []
        self._behaviours = behaviours
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._server = _Server(self)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def chats(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.path == "/v1/chat/completions"]

    def behave(self, *behaviours: Behaviour) -> None:
        """Forget what was asked, and behave anew."""
        with self._lock:
            self.asked.clear()
            self._behaviours = behaviours

    def start(self) -> None:
        threading.Thread(target=partial(self._server.serve_forever, 0.05), daemon=True).start()

    def stop(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        if self.defects:
            raise AssertionError(f"the fake provider failed: {self.defects}")

    def answer(self, handler: BaseHTTPRequestHandler, body: Json) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        asked = Asked(path=handler.path, headers=headers, body=body)
        exchange = Exchange(handler, asked, self._over)
        with self._lock:
            self.asked.append(asked)
            number = min(len(self.chats), len(self._behaviours))
        if asked.path == "/v1/models":
            model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "test"}
            exchange.send_json(200, {"object": "list", "data": [model]})
        elif asked.path == "/v1/chat/completions":
            self._behaviours[number - 1](exchange)
        else:
            exchange.send_json(404, _error("there is no such path"))


@contextmanager
def serving(*behaviours: Behaviour) -> Iterator[LlmServer]:
    """Run a provider on a free port of loopback until the block ends."""
    server = LlmServer(behaviours)
    server.start()
    try:
        yield server
    finally:
        server.stop()


# Behaviours


def says(
    text: str | Callable[[Asked], str],
    *,
    usage: Json | Callable[[Exchange, str], Json | None] | None = Exchange.usual_usage,
    finish_reason: str = "stop",
) -> Behaviour:
    """Answer with a text; `usage` is reported, or what it makes of the exchange, or none."""

    def behave(exchange: Exchange) -> None:
        told = text if isinstance(text, str) else text(exchange.asked)
        used = usage(exchange, told) if callable(usage) else usage
        exchange.reply(told, usage=used, finish_reason=finish_reason)

    return behave


def engineer(repaired: Mapping[str, str], **options: Any) -> Behaviour:
    """Answer as somebody who knows how these files should be, and changes those that differ."""

    def text(asked: Asked) -> str:
        shown = {found["path"]: found["text"] for found in FILE.finditer(asked.question)}
        edits = [
            {"path": path, "content": content}
            for path, content in repaired.items()
            if shown.get(path) != content
        ]
        return json.dumps({"rationale": "These files had faults.", "edits": edits})

    return says(text, **options)


def never(exchange: Exchange) -> None:
    """Take the request and say nothing."""
    exchange.over.wait()


def status(code: int, message: str = "no", **headers: str) -> Behaviour:
    """Answer with an error; `Retry_After="1"` asks to be left alone."""
    return lambda exchange: exchange.send_json(code, _error(message), **headers)


def raw(data: bytes) -> Behaviour:
    """Answer 200 with these bytes, whatever they are."""
    return lambda exchange: exchange.send_bytes(200, data)


def endless(exchange: Exchange) -> None:
    """Drip for ever: tokens of a stream, or spaces before the JSON of a plain answer."""
    is_stream = bool(exchange.asked.body.get("stream"))
    exchange.begin(200, Content_Type="text/event-stream" if is_stream else "application/json")
    while not exchange.over.wait(DRIP_S):
        if is_stream:
            exchange.event("word ")
        else:
            exchange.write(b" ")


def flood(exchange: Exchange) -> None:
    """Send bytes without end, as fast as they are taken."""
    exchange.begin(200, Content_Type="application/json")
    while not exchange.over.is_set():
        exchange.write(b" " * 65_536)


def hangs_up(exchange: Exchange) -> None:
    """Break the connection in the middle of the answer."""
    if exchange.asked.body.get("stream"):
        exchange.begin(200, Content_Type="text/event-stream")
        exchange.event("The first half")
    else:
        exchange.begin(200, Content_Type="application/json", length="1000")
        exchange.write(b'{"id": "chatcmpl-1", "choices": [')
    exchange.hang_up()


def without_schemas(behaviour: Behaviour) -> Behaviour:
    """Refuse requests with a schema for the reply, as older endpoints do."""

    def behave(exchange: Exchange) -> None:
        if exchange.asked.has_schema:
            exchange.send_json(400, _error("response_format json_schema is not supported"))
        else:
            behaviour(exchange)

    return behave


def slowly(seconds: float, behaviour: Behaviour) -> Behaviour:
    """Wait before behaving."""

    def behave(exchange: Exchange) -> None:
        exchange.over.wait(seconds)
        behaviour(exchange)

    return behave


# HTTP


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, llm: LlmServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.llm = llm

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError | TimeoutError):
            self.llm.defects.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self.server.llm.answer(self, {})

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        self.server.llm.answer(self, json.loads(self.rfile.read(length)))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        pass


def _frame(kind: str) -> Json:
    return {"id": "chatcmpl-1", "object": kind, "created": int(time.time()), "model": MODEL}


def _error(message: str) -> Json:
    return {"error": {"message": message, "type": "invalid_request_error", "code": None}}


def hints(exchange: Exchange) -> None:
    """Say for ever that an answer will come."""
    while not exchange.over.wait(DRIP_S):
        exchange.write_plain(b"HTTP/1.1 103 Early Hints\r\n\r\n")


def endless_header(exchange: Exchange) -> None:
    """Begin an answer, and never come to an end with the first header."""
    exchange.write_plain(b"HTTP/1.1 200 OK\r\nX-Header: ")
    while not exchange.over.wait(DRIP_S):
        exchange.write_plain(b"x")


def unending(text: str) -> Behaviour:
    """Answer with a whole reply of no stated length, and go on with spaces."""

    def behave(exchange: Exchange) -> None:
        message = {"role": "assistant", "content": text}
        value = {"choices": [{"message": message, "finish_reason": "stop"}]}
        exchange.write_plain(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        exchange.write_plain(json.dumps(value).encode())
        while not exchange.over.wait(DRIP_S):
            exchange.write_plain(b" ")

    return behave


def compressed(data: bytes, coding: str = "gzip") -> Behaviour:
    """Answer 200 with bytes that are declared to be compressed."""
    return lambda exchange: exchange.send_bytes(200, data, Content_Encoding=coding)
