import json
import threading
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from aem.proof import ChannelPointer, Envelope, KeyPurpose, ProofError, verify_envelope
from registry import (
    POINTER_LIFETIME,
    AcknowledgementRefusedError,
    AlreadyCurrentError,
    ArtifactNotFoundError,
    AttestationMissingError,
    ChannelEmptyError,
    ChannelState,
    MoveCause,
    NameRefusedError,
    NameTakenError,
    NoRollbackTargetError,
    ReasonRequiredError,
    StaleChannelError,
    VersionNotFoundError,
    VersionYankedError,
)
from tests.fakes.registry import ARTIFACT, OWNER, STRANGER, RegistryHouse, bundle

CHANNEL = "production"
TOPIC = f"channel:{ARTIFACT}:{CHANNEL}"


def head(house: RegistryHouse) -> ChannelState:
    with house.database.reading() as session:
        return house.registry.channels.head(session, ARTIFACT, CHANNEL)


def move(house: RegistryHouse, digest: str, generation: int, current: str | None) -> ChannelState:
    with house.database.transaction() as session:
        return house.registry.channels.move(
            session,
            artifact=ARTIFACT,
            channel=CHANNEL,
            digest=digest,
            expected_generation=generation,
            expected_digest=current,
            reason="better",
            actor=OWNER,
        )


def roll_back(
    house: RegistryHouse, digest: str | None = None, expected_generation: int | None = None
) -> ChannelState:
    with house.database.transaction() as session:
        return house.registry.channels.rollback(
            session,
            artifact=ARTIFACT,
            channel=CHANNEL,
            reason="worse",
            actor=OWNER,
            digest=digest,
            expected_generation=expected_generation,
        )


def test_a_move_signs_a_pointer_appends_to_history_and_tells_agents(house: RegistryHouse) -> None:
    first, second = house.publish_accepted(bundle("one")), house.publish_accepted(bundle("two"))
    move(house, first.digest, 0, None)
    house.clock.advance(minutes=5)
    state = move(house, second.digest, 1, first.digest)
    assert state == head(house)
    payload = verify_envelope(state.pointer, house.signer.public_keys(), KeyPurpose.POINTER)
    assert ChannelPointer.from_payload(payload) == ChannelPointer(
        artifact=ARTIFACT,
        channel=CHANNEL,
        digest=second.digest,
        number=2,
        generation=2,
        issued_at=house.clock.now(),
        expires_at=house.clock.now() + POINTER_LIFETIME,
    )
    with house.database.reading() as session:
        newest, oldest = house.registry.channels.history(session, ARTIFACT, CHANNEL).items
    assert (newest.generation, newest.digest, newest.previous_digest) == (
        2,
        second.digest,
        first.digest,
    )
    assert (newest.cause, newest.reason, newest.actor) == (
        MoveCause.PROMOTION,
        "better",
        OWNER.id,
    )
    assert (oldest.generation, oldest.previous_digest) == (1, None)
    assert [(event.kind, event.data) for event in house.events.read(TOPIC)] == [
        (
            "moved",
            {"digest": version.digest, "number": number, "generation": number, "reason": "better"},
        )
        for number, version in enumerate((first, second), start=1)
    ]


def test_every_changed_byte_of_a_pointer_is_refused(sqlite_house: RegistryHouse) -> None:
    house = sqlite_house
    house.promote(house.publish_accepted(bundle("one")))
    keys = house.signer.public_keys()
    text = json.dumps(head(house).pointer.to_json()).encode()

    def verify(written: bytes) -> None:
        verify_envelope(Envelope.from_json(json.loads(written)), keys, KeyPurpose.POINTER)

    verify(text)
    for position in range(len(text)):
        mutated = bytearray(text)
        mutated[position] ^= 0x01
        with pytest.raises((ProofError, ValueError)):
            verify(bytes(mutated))


def test_a_move_that_fails_leaves_no_trace(house: RegistryHouse) -> None:
    version = house.publish_accepted(bundle("one"))
    with Session(house.database.writing_engine) as session, session.begin() as transaction:
        house.registry.channels.move(
            session,
            artifact=ARTIFACT,
            channel=CHANNEL,
            digest=version.digest,
            expected_generation=0,
            expected_digest=None,
            reason="better",
            actor=OWNER,
        )
        transaction.rollback()
    with pytest.raises(ChannelEmptyError):
        head(house)
    with house.database.reading() as session:
        assert house.registry.channels.history(session, ARTIFACT, CHANNEL).items == ()
    assert house.events.head(TOPIC) == 0


@pytest.mark.parametrize("offset", [(-1, True), (1, True), (0, False)])
def test_a_move_with_another_expectation_is_stale_and_told_the_head(
    house: RegistryHouse, offset: tuple[int, bool]
) -> None:
    first, second = house.publish_accepted(bundle("one")), house.publish_accepted(bundle("two"))
    house.promote(first)
    generation, same_digest = offset
    expected_digest = first.digest if same_digest else second.digest
    with pytest.raises(StaleChannelError) as caught:
        move(house, second.digest, 1 + generation, expected_digest)
    assert caught.value.details == {"generation": 1, "digest": first.digest, "number": 1}


def test_of_concurrent_moves_with_one_expectation_exactly_one_wins(house: RegistryHouse) -> None:
    first = house.publish_accepted(bundle("one"))
    house.promote(first)
    versions = [house.publish_accepted(bundle(f"next-{turn}")) for turn in range(8)]
    winners = _race(house, [version.digest for version in versions], 1, first.digest)
    assert len(winners) == 1
    assert (head(house).generation, head(house).digest) == (2, winners[0])
    with house.database.reading() as session:
        history = house.registry.channels.history(session, ARTIFACT, CHANNEL)
    assert [entry.generation for entry in history.items] == [2, 1]


def test_of_concurrent_first_moves_exactly_one_wins(house: RegistryHouse) -> None:
    versions = [house.publish_accepted(bundle(f"first-{turn}")) for turn in range(8)]
    winners = _race(house, [version.digest for version in versions], 0, None)
    assert [head(house).digest] == winners


def test_only_attested_versions_of_the_artifact_that_are_not_yanked_are_deployed(
    house: RegistryHouse,
) -> None:
    unjudged = house.publish(bundle("unjudged"))
    yanked = house.publish_accepted(bundle("yanked"))
    foreign = house.publish(bundle("foreign", artifact="acme/other"), artifact="acme/other")
    with house.database.transaction() as session:
        house.registry.versions.yank(session, yanked.digest, reason="leaks", actor=OWNER)
    with pytest.raises(AttestationMissingError):
        move(house, unjudged.digest, 0, None)
    with pytest.raises(VersionYankedError):
        move(house, yanked.digest, 0, None)
    with pytest.raises(VersionNotFoundError):
        move(house, foreign.digest, 0, None)
    with pytest.raises(VersionNotFoundError):
        move(house, "sha256:" + "0" * 64, 0, None)


def test_what_else_a_move_refuses(sqlite_house: RegistryHouse) -> None:
    house = sqlite_house
    version = house.publish_accepted(bundle("one"))
    house.promote(version)
    with pytest.raises(AlreadyCurrentError):
        move(house, version.digest, 1, version.digest)
    wrong = [
        (NameRefusedError, {"channel": "Production!"}),
        (ReasonRequiredError, {"reason": " "}),
        (NameTakenError, {"actor": STRANGER}),
        (ArtifactNotFoundError, {"artifact": "acme/unknown"}),
    ]
    for error, change in wrong:
        arguments = {
            "artifact": ARTIFACT,
            "channel": CHANNEL,
            "digest": version.digest,
            "expected_generation": 0,
            "expected_digest": None,
            "reason": "better",
            "actor": OWNER,
        }
        with house.database.transaction() as session, pytest.raises(error):
            house.registry.channels.move(session, **{**arguments, **change})


def test_rollback_walks_back_and_never_forward_again(house: RegistryHouse) -> None:
    versions = [house.publish_accepted(bundle(str(turn))) for turn in range(3)]
    for version in versions:
        house.promote(version)
    back = roll_back(house)
    assert (back.generation, back.digest) == (4, versions[1].digest)
    back = roll_back(house)
    assert (back.generation, back.digest) == (5, versions[0].digest)
    with pytest.raises(NoRollbackTargetError):
        roll_back(house)
    house.promote(versions[2])
    assert roll_back(house).digest == versions[0].digest
    with house.database.reading() as session:
        newest = house.registry.channels.history(session, ARTIFACT, CHANNEL).items[0]
    assert (newest.cause, newest.restores_generation) == (MoveCause.ROLLBACK, 1)
    assert house.events.read(TOPIC)[-1].data["generation"] == 7


def test_rollback_passes_over_yanked_versions(house: RegistryHouse) -> None:
    versions = [house.publish_accepted(bundle(str(turn))) for turn in range(3)]
    for version in versions:
        house.promote(version)
    with house.database.transaction() as session:
        house.registry.versions.yank(session, versions[1].digest, reason="leaks", actor=OWNER)
    assert roll_back(house).digest == versions[0].digest
    with pytest.raises(VersionYankedError):
        roll_back(house, versions[1].digest)


def test_rollback_does_not_return_to_what_was_rolled_back_before(house: RegistryHouse) -> None:
    versions = [house.publish_accepted(bundle(str(turn))) for turn in range(3)]
    house.promote(versions[0])
    house.promote(versions[1])
    roll_back(house)
    house.promote(versions[2])
    with house.database.transaction() as session:
        house.registry.versions.yank(session, versions[0].digest, reason="leaks", actor=OWNER)
    with pytest.raises(NoRollbackTargetError):
        roll_back(house)


def test_rollback_to_a_named_version_needs_it_in_the_channels_history(
    house: RegistryHouse,
) -> None:
    versions = [house.publish_accepted(bundle(str(turn))) for turn in range(4)]
    for version in versions[:3]:
        house.promote(version)
    assert roll_back(house, versions[0].digest).digest == versions[0].digest
    with pytest.raises(NoRollbackTargetError):
        roll_back(house, versions[3].digest)
    with pytest.raises(AlreadyCurrentError):
        roll_back(house, versions[0].digest)
    with pytest.raises(StaleChannelError):
        roll_back(house, versions[1].digest, expected_generation=3)
    assert roll_back(house, versions[1].digest, expected_generation=4).generation == 5


def test_rollback_of_an_empty_channel_is_refused(sqlite_house: RegistryHouse) -> None:
    sqlite_house.publish_accepted(bundle("one"))
    with pytest.raises(ChannelEmptyError):
        roll_back(sqlite_house)


def test_what_ran_at_a_time_has_one_answer(house: RegistryHouse) -> None:
    versions = [house.publish_accepted(bundle(str(turn))) for turn in range(3)]
    start = house.clock.now()
    house.promote(versions[0])
    house.clock.advance(hours=1)
    house.promote(versions[1])
    house.clock.advance(hours=-3)  # the machine's clock was set back
    house.promote(versions[2])
    channels = house.registry.channels
    with house.database.reading() as session:
        served = [
            channels.served_at(session, ARTIFACT, CHANNEL, start + timedelta(minutes=minutes))
            for minutes in (0, 59, 60, 600)
        ]
        with pytest.raises(ChannelEmptyError):
            channels.served_at(session, ARTIFACT, CHANNEL, start - timedelta(microseconds=1))
    assert [entry.number for entry in served] == [1, 1, 3, 3]


def test_ageing_pointers_are_signed_afresh_but_not_for_yanked_versions(
    house: RegistryHouse,
) -> None:
    version = house.publish_accepted(bundle("one"))
    house.promote(version)
    before = head(house)
    house.clock.advance(days=3)
    assert _renew(house) == 0
    house.clock.advance(days=1)
    assert _renew(house) == 1
    after = head(house)
    assert (after.generation, after.digest) == (before.generation, before.digest)
    assert after.pointer_expires_at == house.clock.now() + POINTER_LIFETIME
    payload = verify_envelope(after.pointer, house.signer.public_keys(), KeyPurpose.POINTER)
    assert ChannelPointer.from_payload(payload).issued_at == house.clock.now()
    with house.database.transaction() as session:
        house.registry.versions.yank(session, version.digest, reason="leaks", actor=OWNER)
    house.clock.advance(days=6)
    assert _renew(house) == 0


def test_history_comes_in_pages(sqlite_house: RegistryHouse) -> None:
    house = sqlite_house
    versions = [house.publish_accepted(bundle(str(turn))) for turn in range(3)]
    for version in versions:
        house.promote(version)
    with house.database.reading() as session:
        channels = house.registry.channels
        first = channels.history(session, ARTIFACT, CHANNEL, limit=2)
        second = channels.history(session, ARTIFACT, CHANNEL, cursor=first.next_cursor, limit=2)
    assert [entry.generation for entry in (*first.items, *second.items)] == [3, 2, 1]
    assert second.next_cursor is None


def test_deployments_show_the_last_answer_of_each_agent(house: RegistryHouse) -> None:
    first, second = house.publish_accepted(bundle("one")), house.publish_accepted(bundle("two"))
    house.promote(first)
    for agent in ("acme.a", "acme.b", "acme.c"):
        _answer(house, agent, first.digest, 1)
    house.promote(second)
    _answer(house, "acme.b", second.digest, 2)
    _answer(house, "acme.c", second.digest, 2, accepted=False, reason="self-test failed")
    with house.database.reading() as session:
        deployments = house.registry.deployments
        page = deployments.list(session, ARTIFACT, CHANNEL, limit=2)
        rest = deployments.list(session, ARTIFACT, CHANNEL, cursor=page.next_cursor)
    answers = {
        answer.agent: (answer.generation, answer.accepted, answer.reason)
        for answer in (*page.items, *rest.items)
    }
    assert answers == {
        "acme.a": (1, True, ""),
        "acme.b": (2, True, ""),
        "acme.c": (2, False, "self-test failed"),
    }
    assert len(page.items) == 2


def test_answers_to_moves_that_never_were_are_refused(house: RegistryHouse) -> None:
    version = house.publish_accepted(bundle("one"))
    house.promote(version)
    with pytest.raises(AcknowledgementRefusedError):
        _answer(house, "acme.a", version.digest, 2)
    with pytest.raises(AcknowledgementRefusedError):
        _answer(house, "acme.a", "sha256:" + "0" * 64, 1)
    with pytest.raises(AcknowledgementRefusedError):
        _answer(house, "acme.a", version.digest, 1, accepted=False)


def _answer(
    house: RegistryHouse,
    agent: str,
    digest: str,
    generation: int,
    *,
    accepted: bool = True,
    reason: str = "",
) -> None:
    with house.database.transaction() as session:
        house.registry.deployments.acknowledge(
            session,
            agent=agent,
            artifact=ARTIFACT,
            channel=CHANNEL,
            digest=digest,
            generation=generation,
            accepted=accepted,
            reason=reason,
        )


def _renew(house: RegistryHouse) -> int:
    with house.database.transaction() as session:
        return house.registry.channels.renew_pointers(session)


def _race(
    house: RegistryHouse, digests: list[str], generation: int, current: str | None
) -> list[str]:
    """Move to all digests at once and return those that were told that they won."""
    barrier = threading.Barrier(len(digests))
    winners: list[str] = []
    stale: list[str] = []

    def work(digest: str) -> None:
        barrier.wait()
        try:
            winners.append(move(house, digest, generation, current).digest)
        except StaleChannelError:
            stale.append(digest)

    threads = [threading.Thread(target=work, args=(digest,)) for digest in digests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(winners) + len(stale) == len(digests)
    return winners
