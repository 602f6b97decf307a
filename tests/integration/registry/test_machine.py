"""Random publications, moves, rollbacks and yanks against a model without a database."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from aem.proof import ChannelPointer, KeyPurpose, verify_envelope
from core.errors import AemError
from registry import ChannelEmptyError
from tests.fakes.registry import OWNER, RegistryHouse, bundle, evidence

CHANNEL = "production"
INDEXES = st.integers(min_value=0, max_value=3)


@dataclass
class Model:
    """What must be true of one artifact and its channel.

    `path` holds the versions that rollbacks can still go back to, the head last: a promotion adds
    to it, a rollback cuts it.
    """

    digests: list[str] = field(default_factory=list)
    accepted: set[str] = field(default_factory=set)
    yanked: set[str] = field(default_factory=set)
    history: list[str] = field(default_factory=list)
    paths: list[tuple[str, ...]] = field(default_factory=list)
    yank_events: int = 0

    @property
    def head(self) -> str | None:
        return self.history[-1] if self.history else None

    def refusal(self, digest: str) -> str | None:
        if digest == self.head:
            return "already_current"
        if digest in self.yanked:
            return "version_yanked"
        return None if digest in self.accepted else "attestation_missing"

    def promote(self, digest: str) -> str | None:
        refusal = self.refusal(digest)
        if refusal is None:
            self.paths.append((*(self.paths[-1] if self.paths else ()), digest))
            self.history.append(digest)
        return refusal

    def roll_back(self, digest: str | None) -> str | None:
        if self.head is None:
            return "channel_empty"
        if digest is None:
            path = self.paths[-1][:-1]
            while path and (path[-1] == self.head or path[-1] in self.yanked):
                path = path[:-1]
        else:
            path = next(
                (path for path in reversed(self.paths) if path[-1] == digest),
                (),
            )
        if not path:
            return "no_rollback_target"
        refusal = self.refusal(path[-1])
        if refusal is None:
            self.paths.append(path)
            self.history.append(path[-1])
        return refusal


class RegistryMachine(RuleBasedStateMachine):
    house: RegistryHouse
    names = count()

    def __init__(self) -> None:
        super().__init__()
        self.artifact = f"acme/machine-{next(self.names)}"
        self.model = Model()

    @initialize()
    def publish_three(self) -> None:
        for index in range(3):
            self.publish(index, accepted=True)

    @rule(index=INDEXES, accepted=st.booleans())
    def publish(self, index: int, *, accepted: bool) -> None:
        files = bundle(str(index), artifact=self.artifact)
        version = self.house.publish(files, artifact=self.artifact)
        if version.digest not in self.model.digests:
            self.model.digests.append(version.digest)
        assert version.number == self.model.digests.index(version.digest) + 1
        with self.house.database.transaction() as session:
            self.house.registry.attestations.attest(
                session, version.digest, evidence(accepted=accepted)
            )
        if accepted:
            self.model.accepted.add(version.digest)

    @rule(index=INDEXES)
    def promote(self, index: int) -> None:
        self.move(index, 0)

    @rule(index=INDEXES, offset=st.sampled_from([-1, 1]))
    def move(self, index: int, offset: int) -> None:
        digest = self.model.digests[index % len(self.model.digests)]
        expected = "stale_channel" if offset else self.model.promote(digest)
        before = self.model.history if offset or expected else self.model.history[:-1]
        assert expected == self._attempt(
            "move",
            digest=digest,
            expected_generation=len(before) + offset,
            expected_digest=before[-1] if before else None,
        )

    @rule(index=st.sampled_from([None, None, 0, 1, 2, 3]))
    def roll_back(self, index: int | None) -> None:
        named = None if index is None else self.model.digests[index % len(self.model.digests)]
        expected = self.model.roll_back(named)
        assert expected == self._attempt("rollback", digest=named)

    @precondition(lambda self: len(self.model.yanked) < 2)  # leave something to deploy
    @rule(index=INDEXES)
    def yank(self, index: int) -> None:
        digest = self.model.digests[index % len(self.model.digests)]
        expected = "version_yanked" if digest in self.model.yanked else None
        if expected is None:
            self.model.yanked.add(digest)
            self.model.yank_events += digest == self.model.head
        assert expected == self._reason(
            self.house.registry.versions.yank, digest, reason="bad", actor=OWNER
        )

    @rule(days=st.integers(min_value=0, max_value=5))
    def renew(self, days: int) -> None:
        self.house.clock.advance(days=days)
        renewed = 1
        while renewed:
            with self.house.database.transaction() as session:
                renewed = self.house.registry.channels.renew_pointers(session)

    @invariant()
    def the_head_is_the_models(self) -> None:
        with self.house.database.reading() as session:
            try:
                state = self.house.registry.channels.head(session, self.artifact, CHANNEL)
            except ChannelEmptyError:
                assert self.model.head is None
                return
        keys = self.house.signer.public_keys()
        payload = verify_envelope(state.pointer, keys, KeyPurpose.POINTER)
        pointer = ChannelPointer.from_payload(payload)
        assert (pointer.artifact, pointer.channel) == (self.artifact, CHANNEL)
        for word in (pointer, state):
            assert word.generation == len(self.model.history)
            assert word.digest == self.model.head
            assert word.number == self.model.digests.index(word.digest) + 1
        if state.digest not in self.model.yanked:
            assert pointer.expires_at > self.house.clock.now()

    @invariant()
    def history_and_events_are_the_models(self) -> None:
        with self.house.database.reading() as session:
            moves = self.house.registry.channels.history(
                session, self.artifact, CHANNEL, limit=200
            ).items[::-1]
        assert [move.digest for move in moves] == self.model.history
        assert [move.generation for move in moves] == list(range(1, len(moves) + 1))
        assert [move.previous_digest for move in moves] == [None, *self.model.history][:-1]
        events = self.house.events.read(f"channel:{self.artifact}:{CHANNEL}")
        assert [event.data["digest"] for event in events if event.kind == "moved"] == (
            self.model.history
        )
        assert sum(event.kind == "yanked" for event in events) == self.model.yank_events

    def _attempt(self, name: str, **arguments: Any) -> str | None:
        return self._reason(
            getattr(self.house.registry.channels, name),
            artifact=self.artifact,
            channel=CHANNEL,
            reason="because",
            actor=OWNER,
            **arguments,
        )

    def _reason(
        self, use_case: Callable[..., object], *names: str, **arguments: Any
    ) -> str | None:
        """Run a use case in a transaction of its own and return why it was refused, if it was."""
        try:
            with self.house.database.transaction() as session:
                use_case(session, *names, **arguments)
        except AemError as error:
            return error.reason
        return None


def test_the_registry_is_its_model(house: RegistryHouse) -> None:
    machine = type("Machine", (RegistryMachine,), {"house": house, "names": count()})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=12,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
