"""Talking HTTP: authentication, retries that cannot act twice, problems as errors."""

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from aem.artifact import MAX_ARCHIVE_BYTES
from aem.errors import ApiError, BadAnswerError, BadHeaderError, UnreachableError

DEFAULT_TIMEOUT_S = 30.0

PAUSES_S = (0.2, 0.4, 0.8)
"""Before each further attempt: long enough to bridge a restart of the service."""

MAX_ANSWER_BYTES = MAX_ARCHIVE_BYTES
"""The largest answer is a bundle's archive."""

MAX_SHOWN_BYTES = 300
"""How much of an answer that is no problem document an error repeats."""

IDEMPOTENCY_HEADER = "Idempotency-Key"

ENFORCEMENT_HEADER = "AEM-Enforcement"
"""Says that the service refuses nothing for lack of money, where that is so."""

MAX_KEY_CHARACTERS = 200
_SENDABLE = re.compile(r"[!-~]+")
"""What an API key or an idempotency key is made of: printable ASCII, no blanks."""

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""What fails before the service can have read a request."""

_PLAIN_IN_PATHS = "/:"
"""What stands for itself in our paths; names that callers give may hold anything else."""

_PROBLEM_MEMBERS = frozenset({"type", "title", "status", "detail", "reason", "instance"})


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A whole answer."""

    url: str
    status: int
    content: bytes

    @property
    def is_success(self) -> bool:
        """Whether the service did what it was asked."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    def json(self) -> Any:
        """Return the answer's JSON.

        Raises:
            ValueError: it is none.
        """
        return json.loads(self.content)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request, as it is sent on every attempt."""

    method: str
    path: str
    query: Mapping[str, Any] | None = None
    json: Any = None
    content: bytes | None = None
    form: Mapping[str, str] | None = None
    files: Mapping[str, tuple[str, bytes, str]] | None = None
    headers: Mapping[str, str] | None = None


class Connection:
    """A service's address, the key to it, and how often to ask. Safe to share among threads.

    Attributes:
        base_url: the service's address.
        pause: waits between attempts, in seconds.
        enforcement: ``observe`` if the newest answer said that the service refuses nothing for
            lack of money; "" otherwise.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        transport: httpx.BaseTransport | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Keep the address and the key; nothing is sent.

        Raises:
            BadHeaderError: no key has such characters.
        """
        if api_key and not _SENDABLE.fullmatch(api_key):
            raise BadHeaderError("the API key is none: keys are printable ASCII, without blanks")
        self._http = httpx.Client(
            base_url=base_url,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=timeout_s,
            transport=transport,
            event_hooks={"response": [self._note]},
        )
        self.base_url = base_url
        self.enforcement = ""
        self.pause = sleep

    def _note(self, response: httpx.Response) -> None:
        """Remember what an answer says of the service's mode."""
        self.enforcement = response.headers.get(ENFORCEMENT_HEADER, "")

    def close(self) -> None:
        """Close all pooled connections."""
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON at a path; parameters that are None are left out."""
        return self._json(Request(method="GET", path=path, query=_present(query)))

    def get_bytes(self, path: str, **query: Any) -> bytes:
        """Return the bytes at a path."""
        return self._send(Request(method="GET", path=path, query=query)).content

    def post(
        self, path: str, body: Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> Any:
        """Send JSON; sent again, it acts once.

        Raises:
            BadHeaderError: the key cannot be sent.
        """
        return self._json(_mutation("POST", path, json=_present(body), key=idempotency_key))

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send JSON; sent again, it acts once."""
        return self._json(_mutation("PUT", path, json=_present(body)))

    def post_bytes(self, path: str, content: bytes, content_type: str, **query: Any) -> Any:
        """Send bytes; sent again, they act once. Parameters that are None are left out."""
        headers = {"Content-Type": content_type}
        return self._json(
            _mutation("POST", path, content=content, headers=headers, query=_present(query))
        )

    def post_form(
        self,
        path: str,
        *,
        form: Mapping[str, str],
        files: Mapping[str, tuple[str, bytes, str]],
        idempotency_key: str | None = None,
    ) -> Any:
        """Send a form with files (name: file name, content, type); sent again, it acts once."""
        return self._json(_mutation("POST", path, form=form, files=files, key=idempotency_key))

    def stream(self, path: str, query: Mapping[str, Any], silence_s: float) -> httpx.Response:
        """Open a stream that may be silent for so long; the caller closes it. Asked once.

        Raises:
            ApiError: the service refuses.
            UnreachableError: no answer came.
        """
        usual = self._http.timeout
        timeout = httpx.Timeout(
            connect=usual.connect, read=silence_s, write=usual.write, pool=usual.pool
        )
        request = self._http.build_request("GET", path, params=dict(query), timeout=timeout)
        try:
            response = self._http.send(request, stream=True)
            if not response.is_success:
                raise _problem(_read_whole(response))
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        return response

    def download(self, path: str, query: Mapping[str, Any], silence_s: float) -> Iterator[bytes]:
        """Yield the bytes at a path as they come, however many. Asked once.

        Raises:
            ApiError: the service refuses.
            UnreachableError: no answer came, or it broke off.
        """
        response = self.stream(path, _present(query), silence_s)
        try:
            yield from response.iter_bytes()
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        finally:
            response.close()

    def _json(self, request: Request) -> Any:
        answer = self._send(request)
        try:
            return answer.json()
        except ValueError as error:
            raise BadAnswerError(
                f"{answer.url} answered with something else than JSON: {_shown(answer)}"
            ) from error

    def _send(self, request: Request) -> Answer:
        """Ask again while there is no answer or "not now" (503); the last answer counts."""
        may_have_acted = False
        for pause_s in PAUSES_S:
            try:
                answer = self._ask(request)
            except UnreachableError as error:
                may_have_acted |= not isinstance(error.__cause__, _NOT_SENT)
            else:
                if answer.status != HTTPStatus.SERVICE_UNAVAILABLE:
                    return _successful(answer)
            self.pause(pause_s)
        try:
            return _successful(self._ask(request))
        except UnreachableError as error:
            may_have_acted |= not isinstance(error.__cause__, _NOT_SENT)
            key = (request.headers or {}).get(IDEMPOTENCY_HEADER)
            if key and may_have_acted:
                raise _unknown(error, key) from error
            raise

    def _ask(self, request: Request) -> Answer:
        built = self._http.build_request(
            request.method,
            quote(request.path, safe=_PLAIN_IN_PATHS),
            params=request.query,
            json=request.json,
            content=request.content,
            data=request.form,
            files=request.files,
            headers=request.headers,
        )
        try:
            return _read_whole(self._http.send(built, stream=True))
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: httpx.TransportError) -> UnreachableError:
        return UnreachableError(
            f"{self.base_url} gives no answer ({error or type(error).__name__}): is the service"
            " running, and is the address right?",
            base_url=self.base_url,
        )


def _mutation(
    method: str,
    path: str,
    *,
    key: str | None = None,
    headers: Mapping[str, str] | None = None,
    **parts: Any,
) -> Request:
    """Make a request whose every attempt carries the same key, so that it acts once."""
    if key is None:
        key = str(uuid.uuid4())
    if not _SENDABLE.fullmatch(key) or len(key) > MAX_KEY_CHARACTERS:
        raise BadHeaderError(
            f"an idempotency key is 1 to {MAX_KEY_CHARACTERS} printable ASCII characters, without"
            f" blanks, not {key[:MAX_KEY_CHARACTERS]!r}"
        )
    return Request(
        method=method, path=path, headers={**(headers or {}), IDEMPOTENCY_HEADER: key}, **parts
    )


def _unknown(error: UnreachableError, key: str) -> UnreachableError:
    return UnreachableError(
        f"{error.message} It may have done what it was asked: asked again with the idempotency"
        f" key {key}, it does that once",
        idempotency_key=key,
        **error.details,
    )


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _read_whole(response: httpx.Response) -> Answer:
    """Read an answer into memory unless it is past the limit, and close it."""
    content = bytearray()
    try:
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > MAX_ANSWER_BYTES:
                raise BadAnswerError(
                    f"{response.url} answered with more than {MAX_ANSWER_BYTES} bytes",
                    limit_bytes=MAX_ANSWER_BYTES,
                )
    finally:
        response.close()
    return Answer(url=str(response.url), status=response.status_code, content=bytes(content))


def _successful(answer: Answer) -> Answer:
    if not answer.is_success:
        raise _problem(answer)
    return answer


def _problem(answer: Answer) -> ApiError:
    """Read an RFC 9457 problem; a proxy's page becomes one that names its status."""
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or "reason" not in problem:
        return ApiError(
            status=answer.status,
            reason="no_problem_document",
            detail=f"{answer.url} answered {answer.status} with: {_shown(answer)}",
            details={},
        )
    return ApiError(
        status=answer.status,
        reason=str(problem["reason"]),
        detail=str(problem.get("detail") or problem.get("title") or problem["reason"]),
        details={name: problem[name] for name in problem.keys() - _PROBLEM_MEMBERS},
    )


def _shown(answer: Answer) -> str:
    return answer.content[:MAX_SHOWN_BYTES].decode(errors="replace")
