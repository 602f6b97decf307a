import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest

from aem.handle import (
    Answer,
    Artifact,
    BadNameError,
    CacheCorruptedError,
    CallFailedError,
    NotRunningError,
    NoVersionError,
    TrustChangedError,
)
from aem.proof import KeyPurpose, canonical_json, digest_of
from tests.fakes.bundles import MANIFEST, echo_bundle
from tests.fakes.keys import FakeKeys
from tests.fakes.service import FakeService

CHANNEL_PATH = "/api/v1/artifacts/acme/echo/channels/production"


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def handle(service: FakeService, tmp_path: Path) -> Iterator[Callable[..., Artifact]]:
    made: list[Artifact] = []

    def make(**options: Any) -> Artifact:
        options = {"trust": service.keys.trust_root, "in_process_namespaces": ["acme"], **options}
        artifact = Artifact(
            "acme/echo", client=service.client(), agent="acme.bot", home=tmp_path, **options
        )
        made.append(artifact)
        return artifact

    yield make
    for artifact in made:
        artifact.close()


def run_once(artifact: Artifact) -> None:
    """Start an agent and let it end."""
    with artifact:
        pass


def word(answer: Answer) -> str:
    return str(answer.output["word"])


def test_an_answer_names_the_version_that_made_it(
    service: FakeService, handle: Callable[..., Artifact]
) -> None:
    digest = service.publish(echo_bundle("one"))
    service.move(digest)
    with handle() as artifact:
        answer = artifact.call({"n": 7})
    assert answer == Answer(output={"word": "one", "input": {"n": 7}}, digest=digest, number=1)


def test_a_version_in_use_is_acknowledged(
    service: FakeService, handle: Callable[..., Artifact]
) -> None:
    digest = service.publish(echo_bundle())
    service.move(digest)
    run_once(handle())
    assert service.wait_for_acknowledgement(1) == {
        "agent": "acme.bot",
        "digest": digest,
        "generation": 1,
        "accepted": True,
        "reason": "",
    }


class Callers:
    """Threads that call without a pause and keep every answer."""

    def __init__(self, artifact: Artifact, count: int = 4) -> None:
        self.answers: list[tuple[int, Answer]] = []
        self.failures: list[BaseException] = []
        self._stopped = threading.Event()
        self._artifact = artifact
        self._threads = [threading.Thread(target=self._call) for _ in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self, count: int) -> None:
        """Wait until so many further calls were answered."""
        wanted = len(self.answers) + count
        for _ in range(3_000):
            if len(self.answers) >= wanted:
                return
            self._stopped.wait(0.005)
        raise TimeoutError(f"only {len(self.answers)} of {wanted} calls were answered")

    def _call(self) -> None:
        number = 0
        while not self._stopped.is_set():
            number += 1
            try:
                self.answers.append((number, self._artifact.call({"n": number})))
            except BaseException as error:  # noqa: BLE001 - every failure counts
                self.failures.append(error)
            self._stopped.wait(0.0002)


def test_swaps_and_rollbacks_under_a_steady_stream_of_calls(
    service: FakeService, handle: Callable[..., Artifact]
) -> None:
    words = {service.publish(echo_bundle(word)): word for word in ("one", "two", "three")}
    one, two, three = words
    service.move(one)
    with handle() as artifact, Callers(artifact) as callers:
        for generation, digest in enumerate((two, three, two, one, three), start=2):
            callers.wait_for_more(40)
            service.move(digest)
            assert service.wait_for_acknowledgement(generation)["digest"] == digest
        callers.wait_for_more(40)
    assert callers.failures == []
    assert {answer.digest for _, answer in callers.answers} == {one, two, three}
    for number, answer in callers.answers:
        assert answer.output == {"word": words[answer.digest], "input": {"n": number}}
    assert [ack["generation"] for ack in service.acknowledgements] == [1, 2, 3, 4, 5, 6]
    assert all(ack["accepted"] for ack in service.acknowledgements)


def test_a_call_in_flight_finishes_on_its_version(
    service: FakeService, handle: Callable[..., Artifact], tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    slow = (
        b"import pathlib, time\n"
        b"def run(value, context):\n"
        b"    while value.get('gate') and not pathlib.Path(value['gate']).exists():\n"
        b"        time.sleep(0.01)\n"
        b"    import phrase\n"
        b"    return {'word': phrase.WORD, 'input': value}\n"
    )
    one = service.publish(echo_bundle("one").replace({"echo.py": slow}))
    two = service.publish(echo_bundle("two"))
    service.move(one)
    answers: list[Answer] = []
    with handle() as artifact:
        calling = threading.Thread(
            target=lambda: answers.append(artifact.call({"gate": str(gate)}))
        )
        calling.start()
        service.move(two)
        service.wait_for_acknowledgement(2)
        assert word(artifact.call({})) == "two"
        gate.touch()
        calling.join()
    assert [(word(answer), answer.digest) for answer in answers] == [("one", one)]


def test_the_same_version_under_a_newer_pointer_is_not_loaded_again(
    service: FakeService, handle: Callable[..., Artifact]
) -> None:
    digest = service.publish(echo_bundle())
    service.move(digest)
    with handle() as artifact:
        service.move(digest)
        assert service.wait_for_acknowledgement(2)["generation"] == 2
        assert artifact.status.generation == 2
    assert sum(path.endswith("/bundle") for path in service.requests) == 1


# Refusals: the running version stays, and the service is told why.


def refuse_wrong_key(service: FakeService, two: str) -> str:
    service.move(two, purpose=KeyPurpose.ATTESTATION)
    return "untrusted"


def refuse_stranger(service: FakeService, two: str) -> str:
    own, service.keys = service.keys, FakeKeys("stranger")
    service.move(two)
    service.keys = own
    return "untrusted"


def refuse_changed_trust(service: FakeService, two: str) -> str:
    service.keys = FakeKeys("stranger", version=2)
    service.root_signer = service.keys.signer(KeyPurpose.ROOT)
    service.move(two)
    return "trust_changed"


def refuse_lower_generation(service: FakeService, two: str) -> str:
    service.move(two, generation=0)
    service.tell(two, generation=9)
    return "lower_generation"


def refuse_two_heads(service: FakeService, two: str) -> str:
    service.move(two, generation=1)
    service.tell(two, generation=9)
    return "two_heads"


def refuse_expired(service: FakeService, two: str) -> str:
    service.move(two, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    return "pointer_expired"


def refuse_other_artifact(service: FakeService, two: str) -> str:
    service.move(two, artifact="acme/other")
    return "wrong_pointer"


def refuse_other_channel(service: FakeService, two: str) -> str:
    service.move(two, channel="canary")
    return "wrong_pointer"


def refuse_other_files(service: FakeService, two: str) -> str:
    service.bundles[two] = echo_bundle("evil").to_archive()
    service.move(two)
    return "digest_mismatch"


def refuse_damaged_files(service: FakeService, two: str) -> str:
    service.bundles[two] = service.bundles[two][:-9]
    service.move(two)
    return "truncated_archive"


def refuse_without_attestation(service: FakeService, two: str) -> str:
    service.attestations[two] = []
    service.move(two)
    return "not_attested"


def refuse_rejected(service: FakeService, two: str) -> str:
    service.attestations[two] = [service.attest(two, accepted=False).to_json()]
    service.move(two)
    return "not_attested"


def refuse_truthy_acceptance(service: FakeService, two: str) -> str:
    service.attestations[two] = [service.attest(two, accepted="no").to_json()]
    service.move(two)
    return "not_attested"


def refuse_attestation_of_another(service: FakeService, two: str) -> str:
    service.attestations[two] = [service.attest(digest_of(b"other")).to_json()]
    service.move(two)
    return "not_attested"


def refuse_attestation_of_another_artifact(service: FakeService, two: str) -> str:
    service.attestations[two] = [service.attest(two, subject_name="evil/echo").to_json()]
    service.move(two)
    return "not_attested"


def refuse_other_statement(service: FakeService, two: str) -> str:
    service.attestations[two] = [service.attest(two, predicate_type="urn:other").to_json()]
    service.move(two)
    return "not_attested"


def refuse_attestation_by_pointer_key(service: FakeService, two: str) -> str:
    forged = service.attest(two, purpose=KeyPurpose.POINTER).to_json()
    service.attestations[two] = [forged, {"no": "envelope"}]
    service.move(two)
    return "not_attested"


def refuse_self_test(service: FakeService, _two: str) -> str:
    bad = echo_bundle("two").replace({"self_test.jsonl": b'{"input": 1, "expected": 2}'})
    service.move(service.publish(bad))
    return "self_test_failed"


def refuse_self_test_that_raises(service: FakeService, _two: str) -> str:
    bad = echo_bundle("two").replace({"echo.py": b"def run(value, context): raise KeyError(1)"})
    service.move(service.publish(bad))
    return "self_test_failed"


def refuse_self_test_that_cannot_be_read(service: FakeService, _two: str) -> str:
    service.move(service.publish(echo_bundle("two").replace({"self_test.jsonl": b"no"})))
    return "bad_self_test"


def refuse_import(service: FakeService, _two: str) -> str:
    service.move(
        service.publish(echo_bundle().replace({"echo.py": b"import nowhere_to_be_found"}))
    )
    return "load_failed"


def refuse_kind(service: FakeService, _two: str) -> str:
    manifest = MANIFEST.replace('kind = "python"\nentry = "echo:run"', 'kind = "policy"')
    service.move(service.publish(echo_bundle().replace({"artifact.toml": manifest.encode()})))
    return "unsupported_kind"


@pytest.mark.parametrize(
    "offer",
    [value for name, value in list(globals().items()) if name.startswith("refuse_")],
    ids=lambda offer: offer.__name__.removeprefix("refuse_"),
)
def test_an_offer_that_is_not_right_is_refused_and_the_old_version_stays(
    service: FakeService,
    handle: Callable[..., Artifact],
    offer: Callable[[FakeService, str], str],
) -> None:
    one, two = service.publish(echo_bundle("one")), service.publish(echo_bundle("two"))
    service.move(one, generation=1)
    with handle() as artifact:
        service.wait_for_acknowledgement(1)
        reason = offer(service, two)
        refusal = service.wait_for_acknowledgement(2)
        assert (refusal["accepted"], refusal["reason"].split(":")[0]) == (False, reason)
        assert refusal["digest"] != one
        assert artifact.status.refusal == reason
        answer = artifact.call({"n": 1})
        assert (word(answer), answer.digest) == ("one", one)


def test_after_a_refusal_the_next_right_offer_is_taken(
    service: FakeService, handle: Callable[..., Artifact]
) -> None:
    service.move(service.publish(echo_bundle("one")))
    with handle() as artifact:
        refuse_self_test(service, "")
        service.wait_for_acknowledgement(2)
        service.move(service.publish(echo_bundle("three")))
        assert service.wait_for_acknowledgement(3)["accepted"]
        assert (artifact.status.refusal, word(artifact.call({}))) == (None, "three")


def test_an_answer_without_an_offer_changes_nothing(
    service: FakeService, handle: Callable[..., Artifact]
) -> None:
    service.move(service.publish(echo_bundle("one")))
    with handle() as artifact:
        service.wait_for_acknowledgement(1)
        digest = artifact.status.digest or ""
        service.attestations[digest] = None  # type: ignore[assignment]
        service.tell(digest, generation=2)
        service.wait_for_request(CHANNEL_PATH, 2)
        assert word(artifact.call({})) == "one"


def test_a_lower_generation_is_refused_after_a_restart_too(
    service: FakeService, handle: Callable[..., Artifact]
) -> None:
    one, two = service.publish(echo_bundle("one")), service.publish(echo_bundle("two"))
    service.move(one)
    service.move(two)
    run_once(handle())
    service.move(one, generation=1)
    with handle() as artifact:
        assert (artifact.status.refusal, word(artifact.call({}))) == ("lower_generation", "two")


# Starting without the service.


def test_with_the_service_down_it_starts_from_the_last_known_good_version(
    service: FakeService, handle: Callable[..., Artifact], caplog: pytest.LogCaptureFixture
) -> None:
    digest = service.publish(echo_bundle("one"))
    service.move(digest)
    run_once(handle())
    service.go_down()
    with handle() as artifact:
        assert word(artifact.call({})) == "one"
        assert artifact.status.digest == digest
        assert "last known good" in caplog.text


def test_an_expired_pointer_starts_the_last_known_good_version_only(
    service: FakeService, handle: Callable[..., Artifact]
) -> None:
    service.move(service.publish(echo_bundle("one")))
    run_once(handle())

    def much_later() -> datetime:
        return datetime.now(UTC) + timedelta(days=365)

    with handle(now=much_later) as artifact:
        assert (artifact.status.refusal, word(artifact.call({}))) == ("pointer_expired", "one")


def test_when_the_service_comes_back_the_new_version_is_taken(
    service: FakeService, handle: Callable[..., Artifact]
) -> None:
    service.move(service.publish(echo_bundle("one")))
    run_once(handle())
    service.go_down()
    with handle() as artifact:
        service.move(service.publish(echo_bundle("two")))
        assert word(artifact.call({})) == "one"
        service.is_down = False
        assert service.wait_for_acknowledgement(2)["generation"] == 2
        assert word(artifact.call({})) == "two"


def test_an_outage_while_it_runs_stops_nothing(
    service: FakeService, handle: Callable[..., Artifact]
) -> None:
    service.move(service.publish(echo_bundle("one")))
    with handle() as artifact:
        service.wait_for_acknowledgement(1)
        service.go_down()
        service.move(service.publish(echo_bundle("two")))
        assert word(artifact.call({})) == "one"
        service.is_down = False
        assert service.wait_for_acknowledgement(2)["accepted"]
        assert word(artifact.call({})) == "two"


def test_a_stream_that_is_refused_for_a_while_is_taken_up_behind_the_last_event(
    service: FakeService, handle: Callable[..., Artifact]
) -> None:
    service.move(service.publish(echo_bundle("one")))
    with handle():
        service.move(service.publish(echo_bundle("two")))
        service.wait_for_acknowledgement(2)
        service.refuses_streams = True
        service.break_streams()
        service.wait_for_request("/api/v1/events", 3)
        service.refuses_streams = False
        service.move(service.publish(echo_bundle("three")))
        assert service.wait_for_acknowledgement(3)["accepted"]
    assert service.followed_after == [0, 2]


def test_with_nothing_on_disk_and_no_service_it_cannot_start(
    service: FakeService, handle: Callable[..., Artifact]
) -> None:
    service.go_down()
    with pytest.raises(NoVersionError, match="gives no answer") as caught:
        handle().start()
    assert caught.value.reason == "no_version"


def test_with_nothing_on_disk_and_a_refused_offer_the_refusal_is_told(
    service: FakeService, handle: Callable[..., Artifact]
) -> None:
    refuse_self_test(service, "")
    with pytest.raises(NoVersionError, match="self-test"):
        handle().start()
    assert service.acknowledgements[0]["accepted"] is False


def release_file(home: Path) -> Path:
    return home / "artifacts" / "acme" / "echo" / "production" / "release.json"


@pytest.mark.parametrize("position", [0, 40, 400, -400, -2])
def test_a_corrupted_cache_is_refused_with_a_clear_error(
    service: FakeService, handle: Callable[..., Artifact], tmp_path: Path, position: int
) -> None:
    service.move(service.publish(echo_bundle()))
    run_once(handle())
    content = bytearray(release_file(tmp_path).read_bytes())
    content[position] ^= 1
    release_file(tmp_path).write_bytes(content)
    service.go_down()
    with pytest.raises(CacheCorruptedError, match=r"is not to be trusted .* remove the file"):
        handle().start()


def test_a_cache_with_other_files_under_the_signed_pointer_is_refused(
    service: FakeService, handle: Callable[..., Artifact], tmp_path: Path
) -> None:
    service.move(service.publish(echo_bundle("one")))
    run_once(handle())
    first = release_file(tmp_path).read_text()
    service.move(service.publish(echo_bundle("two")))
    run_once(handle())
    second = release_file(tmp_path).read_text()
    swapped = second[: second.index('"bundle"')] + first[first.index('"bundle"') :]
    release_file(tmp_path).write_text(swapped)
    service.go_down()
    with pytest.raises(CacheCorruptedError, match="the pointer names"):
        handle().start()


def test_a_corrupted_cache_is_replaced_when_the_service_is_up(
    service: FakeService, handle: Callable[..., Artifact], tmp_path: Path
) -> None:
    service.move(service.publish(echo_bundle()))
    run_once(handle())
    release_file(tmp_path).write_bytes(b"damaged")
    run_once(handle())
    service.go_down()
    with handle() as artifact:
        assert word(artifact.call({})) == "one"


def test_a_corrupted_record_of_generations_is_refused(
    service: FakeService, handle: Callable[..., Artifact], tmp_path: Path
) -> None:
    service.move(service.publish(echo_bundle()))
    run_once(handle())
    (release_file(tmp_path).parent / "generation.json").write_bytes(b'{"generation": 1}')
    with handle() as artifact:
        assert artifact.status.refusal == "cache_corrupted"


# Trust.


def test_the_first_trust_root_is_pinned_with_a_warning(
    service: FakeService, handle: Callable[..., Artifact], caplog: pytest.LogCaptureFixture
) -> None:
    service.move(service.publish(echo_bundle()))
    run_once(handle(trust=None))
    assert "trust on first use" in caplog.text
    service.keys = FakeKeys("stranger")
    service.root_signer = service.keys.signer(KeyPurpose.ROOT)
    service.move(service.publish(echo_bundle("evil")))
    with handle(trust=None) as artifact:
        assert (artifact.status.refusal, word(artifact.call({}))) == ("trust_changed", "one")


def test_keys_that_the_pinned_root_signed_are_taken_over(
    service: FakeService, handle: Callable[..., Artifact]
) -> None:
    service.move(service.publish(echo_bundle("one")))
    with handle() as artifact:
        service.wait_for_acknowledgement(1)
        service.keys = FakeKeys("rotated", version=2)
        service.move(service.publish(echo_bundle("two")))
        assert service.wait_for_acknowledgement(2)["accepted"]
        assert word(artifact.call({})) == "two"
    service.go_down()
    with handle(trust=FakeKeys().trust_root) as artifact:  # the configuration names the old root
        assert word(artifact.call({})) == "two"


def test_after_a_rotation_old_attestations_count_and_new_pointers_by_the_old_key_do_not(
    service: FakeService, handle: Callable[..., Artifact]
) -> None:
    old, ended = service.keys, datetime.now(UTC) - timedelta(hours=1)
    attested_before = service.publish(echo_bundle("one"))
    service.move(attested_before)
    with handle() as artifact:
        service.wait_for_acknowledgement(1)
        retired = tuple(
            replace(old.trusted(purpose), valid_until=ended)
            for purpose in (KeyPurpose.POINTER, KeyPurpose.ATTESTATION)
        )
        service.keys = FakeKeys("rotated", version=2, root_seed="service", retired=retired)
        service.move(service.publish(echo_bundle("two")))
        assert service.wait_for_acknowledgement(2)["accepted"]
        service.move(attested_before)
        assert service.wait_for_acknowledgement(3)["accepted"]
        service.move(service.publish(echo_bundle("stolen")), keys=old)
        refused = service.wait_for_acknowledgement(4)
        assert (refused["accepted"], artifact.status.refusal) == (False, "untrusted")
        assert word(artifact.call({})) == "one"


def test_another_given_root_than_the_pinned_one_is_refused(
    service: FakeService, handle: Callable[..., Artifact]
) -> None:
    service.move(service.publish(echo_bundle()))
    run_once(handle())
    with pytest.raises(TrustChangedError, match="another trust root is pinned"):
        handle(trust=replace(FakeKeys("stranger").trust_root)).start()


def test_a_damaged_pin_is_told(
    service: FakeService, handle: Callable[..., Artifact], tmp_path: Path
) -> None:
    (tmp_path / "trust.json").write_bytes(canonical_json({"anchor": {}}))
    with pytest.raises(CacheCorruptedError, match=r"trust\.json is damaged"):
        handle().start()


# The rest.


def test_an_acknowledgement_that_the_service_refuses_is_not_sent_for_ever(
    service: FakeService, handle: Callable[..., Artifact], caplog: pytest.LogCaptureFixture
) -> None:
    service.refuses_acknowledgements = True
    service.move(service.publish(echo_bundle("one")))
    with handle():
        assert "records no answer" in caplog.text
        service.refuses_acknowledgements = False
        service.move(service.publish(echo_bundle("two")))
        assert service.wait_for_acknowledgement(1)["generation"] == 2


def test_a_call_that_fails_names_the_version(
    service: FakeService, handle: Callable[..., Artifact]
) -> None:
    failing = b"def run(value, context):\n    return {'word': 'x'}[value['key']]\n"
    files = {"echo.py": failing, "self_test.jsonl": b'{"input": {"key": "word"}}'}
    digest = service.publish(echo_bundle().replace(files))
    service.move(digest)
    with handle() as artifact:
        with pytest.raises(CallFailedError, match="raised KeyError") as caught:
            artifact.call({"key": "other"})
        assert caught.value.details == {"status": "error", "digest": digest}
        assert artifact.call({"key": "word"}).output == "x"


def test_a_handle_that_does_not_run_says_so(
    service: FakeService, handle: Callable[..., Artifact]
) -> None:
    service.move(service.publish(echo_bundle()))
    artifact = handle()
    with pytest.raises(NotRunningError):
        artifact.call({})
    assert artifact.status.digest is None
    artifact.start()
    artifact.close()
    artifact.close()
    with pytest.raises(NotRunningError):
        artifact.call({})


@pytest.mark.parametrize(
    ("name", "channel"),
    [
        ("echo", "production"),
        ("../echo", "production"),
        ("a/b", ".."),
        ("a/b/c", "x"),
        ("a/b", ""),
    ],
)
def test_names_are_checked(service: FakeService, tmp_path: Path, name: str, channel: str) -> None:
    with pytest.raises(BadNameError):
        Artifact(name, channel, client=service.client(), agent="a", home=tmp_path)


def test_news_that_is_none_asks_for_nothing(
    service: FakeService, handle: Callable[..., Artifact]
) -> None:
    one = service.publish(echo_bundle("one"))
    service.move(one)
    with handle():
        service.tell(one, generation=1)
        service.tell(one, generation=7, kind="yanked")
        service.move(service.publish(echo_bundle("two")))
        service.wait_for_acknowledgement(2)
    assert service.requests.count(CHANNEL_PATH) == 2


def test_the_log_is_quiet_when_all_is_well(
    service: FakeService, handle: Callable[..., Artifact], caplog: pytest.LogCaptureFixture
) -> None:
    service.move(service.publish(echo_bundle("one")))
    with handle():
        service.move(service.publish(echo_bundle("two")))
        service.wait_for_acknowledgement(2)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
