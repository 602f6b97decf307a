"""The service as a handle sees it: really signed pointers and attestations, in memory."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from aem.artifact import Bundle
from aem.client import Client
from aem.proof import (
    GOLD_REPORT_PREDICATE_TYPE,
    POINTER_PAYLOAD_TYPE,
    STATEMENT_PAYLOAD_TYPE,
    ChannelPointer,
    Envelope,
    KeyPurpose,
    canonical_json,
    sign_envelope,
    statement,
)
from tests.fakes.keys import FakeKeys

HEARTBEAT_INTERVAL_S = 0.02
WAIT_S = 15.0


class FakeService:
    """One channel of one artifact, with a history and its events."""

    def __init__(
        self, keys: FakeKeys | None = None, *, artifact: str = "acme/echo", lifetime_s: int = 3600
    ) -> None:
        self.keys = keys or FakeKeys()
        self.root_signer = self.keys.signer(KeyPurpose.ROOT)
        self.artifact = artifact
        self.channel = "production"
        self.bundles: dict[str, bytes] = {}
        self.attestations: dict[str, list[Any]] = {}
        self.pointer: Any = None
        self.generation = 0
        self.acknowledgements: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.is_down = False
        self.refuses_acknowledgements = False
        self.refuses_streams = False
        self.followed_after: list[int] = []
        self.lifetime = timedelta(seconds=lifetime_s)
        self._events: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._lines = 0

    def client(self) -> Client:
        return Client(
            "https://aem.test",
            "key",
            transport=httpx.MockTransport(self._answer),
            sleep=lambda _pause_s: None,
        )

    def publish(self, bundle: Bundle, **predicate: Any) -> str:
        """Make a version that a gold report accepts."""
        self.bundles[bundle.digest] = bundle.to_archive()
        self.attestations[bundle.digest] = [self.attest(bundle.digest, **predicate).to_json()]
        return bundle.digest

    def attest(
        self,
        digest: str,
        *,
        purpose: KeyPurpose = KeyPurpose.ATTESTATION,
        subject_name: str | None = None,
        predicate_type: str = GOLD_REPORT_PREDICATE_TYPE,
        **predicate: Any,
    ) -> Envelope:
        content = statement(
            subject_name=subject_name or self.artifact,
            subject_digest=digest,
            predicate_type=predicate_type,
            predicate={"accepted": True, **predicate},
        )
        return sign_envelope(
            payload_type=STATEMENT_PAYLOAD_TYPE,
            payload=canonical_json(content),
            sign=self.keys.signer(purpose),
        )

    def move(
        self,
        digest: str,
        *,
        generation: int | None = None,
        purpose: KeyPurpose = KeyPurpose.POINTER,
        keys: FakeKeys | None = None,
        **fields: Any,
    ) -> None:
        """Point the channel to a version and tell whoever follows it."""
        with self._changed:
            self.generation = self.generation + 1 if generation is None else generation
            now = datetime.now(UTC)
            pointer = {
                "artifact": self.artifact,
                "channel": self.channel,
                "digest": digest,
                "number": 1 + list(self.bundles).index(digest),
                "generation": self.generation,
                "issued_at": now,
                "expires_at": now + self.lifetime,
            }
            self.pointer = sign_envelope(
                payload_type=POINTER_PAYLOAD_TYPE,
                payload=ChannelPointer(**{**pointer, **fields}).to_payload(),
                sign=(keys or self.keys).signer(purpose),
            ).to_json()
        self.tell(digest)

    def tell(self, digest: str, *, generation: int | None = None, kind: str = "moved") -> None:
        """Send an event; by default that of a new generation."""
        with self._changed:
            event = {
                "topic": f"channel:{self.artifact}:{self.channel}",
                "sequence": len(self._events) + 1,
                "at": "2030-01-01T00:00:00.000000Z",
                "kind": kind,
                "data": {
                    "digest": digest,
                    "generation": generation if generation is not None else self.generation,
                },
            }
            self._events.append(event)
            self._changed.notify_all()

    def wait_for_acknowledgement(self, count: int) -> dict[str, Any]:
        """Return the agent's answer with this number, from 1."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.acknowledgements) >= count, WAIT_S):
                raise TimeoutError(f"no answer number {count}: {self.acknowledgements}")
            return self.acknowledgements[count - 1]

    def go_down(self) -> None:
        """Answer nothing any more, and break all streams."""
        self.is_down = True
        self.break_streams()

    def break_streams(self) -> None:
        """Break the streams that are open now."""
        with self._changed:
            self._lines += 1

    def wait_for_request(self, path: str, count: int) -> None:
        """Wait until something was asked for so many times."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.requests.count(path) >= count, WAIT_S):
                raise TimeoutError(f"{path} was not asked for {count} times")

    def _answer(self, request: httpx.Request) -> httpx.Response:
        with self._changed:
            if self.is_down:
                raise httpx.ConnectError("the service is down")
            self.requests.append(request.url.path)
            self._changed.notify_all()
        path = request.url.path
        if path == "/.well-known/aem-trust.json":
            return httpx.Response(200, json=self.keys.trust_root.sign(self.root_signer).to_json())
        if path == "/api/v1/events":
            return self._open_stream(int(request.url.params["after"]))
        if path.endswith("/acks"):
            return self._record(json.loads(request.content))
        if path.endswith("/bundle"):
            return httpx.Response(200, content=self.bundles[path.split("/")[-2]])
        if self.pointer is None:
            return httpx.Response(404, json={"reason": "channel_empty", "detail": "nothing runs"})
        digest = json.loads(Envelope.from_json(self.pointer).payload)["digest"]
        answer = {"pointer": self.pointer, "state": {}, "attestations": self.attestations[digest]}
        return httpx.Response(200, json=answer)

    def _open_stream(self, after: int) -> httpx.Response:
        if self.refuses_streams:
            return httpx.Response(403, json={"reason": "not_allowed", "detail": "no"})
        self.followed_after.append(after)
        return httpx.Response(200, stream=_EventBytes(self, after, self._lines))

    def _record(self, acknowledgement: dict[str, Any]) -> httpx.Response:
        if self.refuses_acknowledgements:
            return httpx.Response(400, json={"reason": "acknowledgement_refused", "detail": "no"})
        with self._changed:
            self.acknowledgements.append(acknowledgement)
            self._changed.notify_all()
        return httpx.Response(200, json={})

    def stream(self, after: int, line: int) -> Iterator[bytes]:
        """Yield the events' frames and heartbeats until the line breaks."""
        while True:
            with self._changed:
                if len(self._events) <= after:
                    self._changed.wait(HEARTBEAT_INTERVAL_S)
                found = self._events[after:]
                is_broken = line != self._lines
            if is_broken:
                raise httpx.ReadError("the line broke")
            yield b": alive\n\n"
            for event in found:
                after = event["sequence"]
                yield f"data: {json.dumps(event)}\n\n".encode()


class _EventBytes(httpx.SyncByteStream):
    def __init__(self, service: FakeService, after: int, line: int) -> None:
        self._chunks = service.stream(after, line)

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks
