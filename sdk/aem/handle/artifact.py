"""The handle: an agent calls an artifact, and the version behind it is swapped while it runs."""

import logging
import re
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aem.artifact import ChatModel
from aem.client import Client, ClientError, Event
from aem.errors import SdkError
from aem.handle.acknowledgement import Acknowledgements
from aem.handle.bubblewrap import BubblewrapRuntime
from aem.handle.channel_source import ChannelSource
from aem.handle.errors import (
    BadNameError,
    CacheNotWritableError,
    NotRunningError,
    NoVersionError,
)
from aem.handle.follower import Follower
from aem.handle.in_process import InProcessRuntime
from aem.handle.last_known_good import LastKnownGood
from aem.handle.live_version import LiveVersion
from aem.handle.prompt import by_kind
from aem.handle.release import Proof, Release
from aem.handle.runtime import RuntimeFactory
from aem.handle.self_test import run_self_test
from aem.handle.trust import PinnedTrust
from aem.proof import ChannelPointer, TrustRoot

_log = logging.getLogger(__name__)

_TRUST_FILE = "trust.json"
_MOVED = "moved"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,62}")
_CHANNEL = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An artifact's answer and the version that made it."""

    output: Any
    digest: str
    number: int


@dataclass(frozen=True, kw_only=True)
class HandleStatus:
    """What a handle runs.

    Attributes:
        digest: of the version in use; None when the handle is not running.
        number: of that version.
        generation: of the channel's move that it follows.
        refusal: why the newest offer was refused; None when it was not.
    """

    artifact: str
    channel: str
    digest: str | None
    number: int | None
    generation: int | None
    refusal: str | None


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Artifact:
    """A handle on a channel of an artifact: always one verified version, swapped in place.

    `call` may be used by many threads. A swap changes one reference: calls in flight finish on
    their version, later ones run on the new one, and none waits. Offers are verified (signature,
    expiry, generation, digest, gold attestation, self-test) before they replace anything; what
    fails is refused with a reason that the service is told, and the running version stays.

    Only what our keys signed moves a handle. That the service is down, or answers with an error,
    moves nothing: the running version stays, and a start falls back to the last known good
    version on disk, verified again, even where its pointer has expired meanwhile.
    """

    def __init__(
        self,
        name: str,
        channel: str = "production",
        *,
        client: Client,
        agent: str,
        home: Path,
        trust: TrustRoot | None = None,
        in_process_namespaces: Collection[str] = (),
        model: ChatModel | None = None,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        """Prepare a handle; nothing is read or sent.

        Args:
            name: ``namespace/name`` of the artifact.
            channel: which of its channels to follow.
            client: of the service.
            agent: name under which the service records what runs here.
            home: folder of this agent process alone, kept between its runs.
            trust: keys to believe; None pins what the service shows first.
            in_process_namespaces: whose code may run inside this process; others' runs in
                bubblewrap.
            model: answers the calls of prompts; None where the artifact is code.
            now: tells the time that pointers expire by.

        Raises:
            BadNameError: the name or the channel has not the form of one.
        """
        if not _NAME.fullmatch(name) or not _CHANNEL.fullmatch(channel):
            raise BadNameError(
                f"{name!r} {channel!r} is no artifact's and channel's name: write"
                ' "namespace/name" and "production"'
            )
        self._name, self._channel, self._agent = name, channel, agent
        self._client = client
        self._home = home
        self._given_trust = trust
        self._now = now
        is_trusted = name.partition("/")[0] in in_process_namespaces
        code: RuntimeFactory = InProcessRuntime if is_trusted else BubblewrapRuntime
        self._load = by_kind(code, model)
        folder = home / "artifacts" / name / channel
        self._memory = LastKnownGood(folder, artifact=name, channel=channel)
        self._acknowledgements = Acknowledgements(
            client=client, artifact=name, channel=channel, agent=agent
        )
        self._follower = Follower(client, f"channel:{name}:{channel}", self._settle)
        self._source: ChannelSource | None = None
        self._live: LiveVersion | None = None
        self._refusal: SdkError | None = None
        self._judged_generation = -1
        self._is_stale = True
        self._swapping = threading.Lock()
        self._is_closed = False

    def __enter__(self) -> Self:
        """Start the handle."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the handle."""
        self.close()

    def start(self) -> None:
        """Take the channel's version into use, or the last known good one, and follow the channel.

        Raises:
            NoVersionError: neither can be used; its cause says why.
            CacheCorruptedError: the service offers nothing, and the disk's copy is damaged.
            TrustChangedError: another trust root is pinned than the one given.
        """
        trust = PinnedTrust.pin(
            self._home / _TRUST_FILE, given=self._given_trust, client=self._client
        )
        self._source = ChannelSource(
            client=self._client,
            artifact=self._name,
            channel=self._channel,
            trust=trust,
            memory=self._memory,
            now=self._now,
        )
        problem: SdkError | None = None
        try:
            self._settle(None)
        except ClientError as error:
            problem = error
        if self._live is None:
            self._fall_back(problem or self._refusal, trust.root)
        self._follower.start()

    def call(self, value: Any) -> Answer:
        """Return the artifact's answer to an input, with the version that made it.

        Raises:
            CallFailedError: the artifact raised, crashed, or passed a limit.
            InputRefusedError: the input is no JSON value.
            NotRunningError: the handle is not started, or closed.
        """
        live = self._live
        while live is None or not live.enter():
            # A version is retired only after its successor stands in its place.
            live = self._live
            if live is None:
                raise NotRunningError(f"the handle on {self._name} is not started, or closed")
        try:
            output = live.runtime.call(value)
        finally:
            live.leave()
        return Answer(output=output, digest=live.digest, number=live.number)

    @property
    def status(self) -> HandleStatus:
        """What runs now, and why the newest offer does not."""
        live = self._live
        pointer = live.release.pointer if live is not None else None
        return HandleStatus(
            artifact=self._name,
            channel=self._channel,
            digest=pointer.digest if pointer is not None else None,
            number=pointer.number if pointer is not None else None,
            generation=pointer.generation if pointer is not None else None,
            refusal=self._refusal.reason if self._refusal is not None else None,
        )

    def close(self) -> None:
        """Stop following and let the version go after its last call; again, does nothing."""
        self._follower.stop()
        with self._swapping:
            self._is_closed = True
            live, self._live = self._live, None
        if live is not None:
            live.retire()

    def _fall_back(self, problem: SdkError | None, trust: TrustRoot) -> None:
        """Start from the last known good version; `problem` is why the service's is not used."""
        release = self._memory.load(trust)
        if release is None:
            raise NoVersionError(
                f"there is no version of {self._name} {self._channel} to start with: {problem}"
            ) from problem
        _log.warning(
            "%s: starting from the last known good version %s: %s",
            self._name,
            release.pointer.digest,
            problem,
        )
        self._swap(self._loaded(release))

    def _settle(self, event: Event | None) -> None:
        """Do all that is due; raises `ClientError` when it is to be tried again later."""
        self._acknowledgements.send()
        if event is not None and self._is_news(event):
            self._is_stale = True
        if self._is_stale:
            self._refresh()
            self._is_stale = False
        self._acknowledgements.send()

    def _is_news(self, event: Event) -> bool:
        """Whether it tells of a move that was not judged yet: streams begin with old ones."""
        generation = event.data.get("generation")
        if event.kind != _MOVED or not isinstance(generation, int):
            return False
        return generation > self._judged_generation

    def _refresh(self) -> None:
        """Take over what the service offers, or refuse it and stay with what runs."""
        source = self._source
        if source is None:
            raise NotRunningError(f"the handle on {self._name} is not started")
        claimed: ChannelPointer | None = None
        try:
            offer = source.offer()
            claimed = offer.claimed
            proof = source.prove(offer)
            self._judged_generation = proof.pointer.generation
            self._adopt(proof, source)
        except ClientError:
            raise
        except SdkError as error:
            self._refuse(claimed, error)

    def _adopt(self, proof: Proof, source: ChannelSource) -> None:
        """Run the proven version and remember it."""
        live = self._live
        if live is not None and live.digest == proof.pointer.digest:
            live.release = Release(proof=proof, bundle=live.release.bundle)
        else:
            bundle = source.fetch(proof.pointer)
            live = self._loaded(Release(proof=proof, bundle=bundle))
            self._swap(live)
        self._refusal = None
        self._acknowledgements.accept(proof.pointer)
        try:
            self._memory.save(live.release)
        except CacheNotWritableError as error:
            _log.warning("%s: the next start will not know this version: %s", self._name, error)

    def _loaded(self, release: Release) -> LiveVersion:
        """Load a release and let it pass its self-test."""
        runtime = self._load(release.bundle)
        try:
            run_self_test(release.bundle, runtime)
        except BaseException:
            runtime.close()
            raise
        return LiveVersion(release, runtime)

    def _swap(self, live: LiveVersion) -> None:
        """Let later calls run on this version; calls in flight finish on theirs."""
        with self._swapping:
            # An update may still be loading when the handle is closed.
            old = live if self._is_closed else self._live
            if not self._is_closed:
                self._live = live
        _log.info("%s: now running %s", self._name, live.digest)
        if old is not None:
            old.retire()

    def _refuse(self, claimed: ChannelPointer | None, error: SdkError) -> None:
        self._refusal = error
        _log.error("%s: an offer is refused: %s: %s", self._name, error.reason, error)
        if claimed is not None:
            self._acknowledgements.refuse(claimed, error)
