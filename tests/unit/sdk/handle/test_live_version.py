import random
import threading
import time
from datetime import UTC, datetime
from typing import Any

from aem.handle.live_version import LiveVersion
from aem.handle.release import Proof, Release
from aem.proof import ChannelPointer, Envelope
from tests.fakes.bundles import echo_bundle

NOW = datetime(2030, 1, 1, tzinfo=UTC)


class CountingRuntime:
    """Tells whether it was called after it was closed."""

    def __init__(self) -> None:
        self.closed = 0
        self.called_closed = 0

    def call(self, value: Any) -> Any:
        self.called_closed += self.closed
        time.sleep(0.0005)
        self.called_closed += self.closed
        return value

    def close(self) -> None:
        self.closed += 1


def live(runtime: CountingRuntime) -> LiveVersion:
    bundle = echo_bundle()
    pointer = ChannelPointer(
        artifact="acme/echo",
        channel="production",
        digest=bundle.digest,
        number=1,
        generation=1,
        issued_at=NOW,
        expires_at=NOW,
    )
    envelope = Envelope(payload_type="", payload=b"", signatures=())
    proof = Proof(pointer=pointer, pointer_envelope=envelope, attestation=envelope)
    return LiveVersion(Release(proof=proof, bundle=bundle), runtime)


def test_it_is_closed_at_once_when_nothing_runs() -> None:
    runtime = CountingRuntime()
    version = live(runtime)
    version.retire()
    version.retire()
    assert (runtime.closed, version.enter()) == (1, False)


def test_it_is_closed_after_its_last_call() -> None:
    runtime = CountingRuntime()
    version = live(runtime)
    assert version.enter()
    assert version.enter()
    version.retire()
    version.leave()
    assert runtime.closed == 0
    version.leave()
    assert runtime.closed == 1


def test_many_threads_never_call_a_closed_version() -> None:
    for seed in range(10):
        runtime = CountingRuntime()
        version = live(runtime)

        def work(version: LiveVersion = version, runtime: CountingRuntime = runtime) -> None:
            while version.enter():
                runtime.call(1)
                version.leave()

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        time.sleep(random.Random(seed).random() / 100)
        version.retire()
        for thread in threads:
            thread.join()
        assert (runtime.closed, runtime.called_closed) == (1, 0)
