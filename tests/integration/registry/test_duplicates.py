"""Near-duplicates among stored versions: whose they are, and which came first."""

from aem.artifact import Bundle
from core.principals import Principal, Role
from registry import NearDuplicate, Substance, VersionSource
from tests.fakes.copies import EDITED, ORIGINAL, RENAMED, UNRELATED, work_files
from tests.fakes.registry import RegistryHouse

THRESHOLD = 0.8


def publish(house: RegistryHouse, name: str, source: str) -> str:
    namespace = name.partition("/")[0]
    actor = Principal(id="key", role=Role.TEAM, namespace=namespace, owner=namespace)
    house.clock.advance(seconds=1)
    with house.database.transaction() as session:
        return house.registry.versions.publish(
            session,
            artifact=name,
            bundle=Bundle(work_files(source, name)),
            source=VersionSource.SUBMITTED,
            actor=actor,
        ).digest


def find(
    house: RegistryHouse, name: str, source: str, threshold: float = THRESHOLD
) -> NearDuplicate | None:
    substance = Substance.of(Bundle(work_files(source, name)))
    with house.database.reading() as session:
        return house.registry.duplicates.find(
            session, substance, namespace=name.partition("/")[0], threshold=threshold
        )


def test_a_copy_of_another_owner_s_version_is_found_with_evidence(house: RegistryHouse) -> None:
    publish(house, "initech/grid", UNRELATED)
    digest = publish(house, "acme/sums", ORIGINAL)
    found = find(house, "globex/work", RENAMED)
    assert found is not None
    assert (found.artifact, found.number, found.digest) == ("acme/sums", 1, digest)
    assert found.likeness.similarity > 0.95
    evidence = found.to_json()
    assert {match["path"] for match in evidence["matches"]} == {"work.py"}
    assert "parse_amounts" not in str(evidence)


def test_work_of_one_s_own_and_of_nobody_is_no_duplicate(house: RegistryHouse) -> None:
    publish(house, "acme/sums", ORIGINAL)
    assert find(house, "acme/other", RENAMED) is None
    assert find(house, "globex/work", UNRELATED) is None


def test_the_threshold_decides(house: RegistryHouse) -> None:
    publish(house, "acme/sums", ORIGINAL)
    found = find(house, "globex/work", EDITED)
    assert found is not None
    similarity = found.likeness.similarity
    assert similarity < 1
    assert find(house, "globex/work", EDITED, threshold=similarity + 0.001) is None


def test_tiny_artifacts_are_not_judged(house: RegistryHouse) -> None:
    tiny = "def run(value, context):\n    return {'total': sum(value['prices'])}\n"
    publish(house, "acme/sums", tiny)
    assert find(house, "globex/work", tiny) is None


def test_whoever_was_first_is_not_refused(house: RegistryHouse) -> None:
    publish(house, "acme/sums", ORIGINAL)
    publish(house, "globex/work", RENAMED)
    assert find(house, "acme/sums", EDITED) is None
    assert find(house, "globex/work", EDITED) is not None


def test_what_later_versions_brought_in_is_found_too(house: RegistryHouse) -> None:
    publish(house, "acme/sums", UNRELATED)
    later = publish(house, "acme/sums", ORIGINAL)
    found = find(house, "globex/work", RENAMED)
    assert found is not None
    assert found.digest == later


def test_a_version_adds_only_the_fingerprints_that_are_new(house: RegistryHouse) -> None:
    publish(house, "acme/sums", ORIGINAL)
    before = rows(house)
    publish(house, "acme/sums", ORIGINAL.replace('"none"', '"nil"'))
    assert before > 10
    assert rows(house) - before < 0.4 * before


def rows(house: RegistryHouse) -> int:
    with house.database.reading() as session:
        query = "SELECT count(*) FROM version_fingerprints"
        return int(session.connection().exec_driver_sql(query).scalar_one())
