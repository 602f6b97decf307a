import threading

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from aem.proof import digest_of
from core.database import metadata
from registry import (
    ArtifactNotFoundError,
    BlobCorruptedError,
    BundleRefusedError,
    CursorRefusedError,
    FileChange,
    NameRefusedError,
    NameTakenError,
    PathRefusedError,
    ReasonRequiredError,
    VersionNotFoundError,
    VersionSource,
    VersionYankedError,
)
from registry.store import tables
from tests.fakes.registry import (
    APPEND_ONLY,
    ARTIFACT,
    OWNER,
    STRANGER,
    RegistryHouse,
    bundle,
    evidence,
    switch_guards_off,
)


def test_a_version_is_its_bundle_with_number_parents_order_and_time(house: RegistryHouse) -> None:
    first = house.publish(bundle("one"))
    house.clock.advance(hours=1)
    with house.database.transaction() as session:
        house.registry.versions.publish(
            session,
            artifact=ARTIFACT,
            bundle=bundle("two"),
            source=VersionSource.ORDER,
            actor=OWNER,
            parents=(first.digest,),
            order_id="ord_7",
        )
    with house.database.reading() as session:
        second = house.registry.versions.get(session, bundle("two").digest)
        assert house.registry.versions.bundle(session, second.digest) == bundle("two")
    assert (first.number, second.number) == (1, 2)
    assert first.digest == bundle("one").digest
    assert second.parents == (first.digest,)
    assert (second.source, second.order_id) == (VersionSource.ORDER, "ord_7")
    assert (second.kind, second.actor) == ("python", OWNER.id)
    assert (second.created_at - first.created_at).total_seconds() == 3600
    assert second.yank is None


def test_publishing_the_same_bytes_again_changes_nothing(house: RegistryHouse) -> None:
    first = house.publish(bundle("one"))
    house.clock.advance(days=1)
    assert house.publish(bundle("one")) == first
    with house.database.reading() as session:
        assert house.registry.versions.artifact(session, ARTIFACT).latest_number == 1


def test_equal_files_are_stored_once(house: RegistryHouse) -> None:
    for word in ("one", "two"):
        house.publish(bundle(word))
    contents = {*bundle("one").files.values(), *bundle("two").files.values()}
    with house.database.reading() as session:
        count = session.execute(select(func.count()).select_from(tables.artifact_blobs)).scalar()
    assert count == len(contents)


def test_numbers_of_concurrent_publishers_are_distinct_and_without_gaps(
    house: RegistryHouse,
) -> None:
    barrier = threading.Barrier(8)
    numbers: list[int] = []

    def work(worker: int) -> None:
        barrier.wait()
        numbers.extend(house.publish(bundle(f"{worker}-{turn}")).number for turn in range(3))

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 25))


def test_concurrent_publishers_of_the_same_bytes_get_one_version(house: RegistryHouse) -> None:
    barrier = threading.Barrier(8)
    digests: list[tuple[int, str]] = []

    def work() -> None:
        barrier.wait()
        version = house.publish(bundle("one"))
        digests.append((version.number, version.digest))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert digests == [(1, bundle("one").digest)] * 8


def test_concurrent_publishers_of_equal_files_do_not_disturb_each_other(
    house: RegistryHouse,
) -> None:
    barrier = threading.Barrier(8)
    failures: list[Exception] = []

    def work(worker: int) -> None:
        artifact = f"acme/a{worker}"
        files = {f"file-{index}": f"{index}".encode() for index in range(20)}
        barrier.wait()
        try:
            house.publish(bundle("one", artifact=artifact, **files), artifact=artifact)
        except Exception as error:  # noqa: BLE001 - a thread's failure is told below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_rolled_back_publication_leaves_no_gap(house: RegistryHouse) -> None:
    with Session(house.database.writing_engine) as session, session.begin() as transaction:
        house.registry.versions.publish(
            session,
            artifact=ARTIFACT,
            bundle=bundle("lost"),
            source=VersionSource.SUBMITTED,
            actor=OWNER,
        )
        transaction.rollback()
    assert house.publish(bundle("kept")).number == 1


def test_what_publish_refuses(house: RegistryHouse) -> None:
    versions = house.registry.versions
    with pytest.raises(NameTakenError):
        versions.check_publishable(artifact=ARTIFACT, bundle=bundle("one"), actor=STRANGER)
    with pytest.raises(NameRefusedError):
        versions.check_publishable(artifact="acme/../x", bundle=bundle("one"), actor=OWNER)
    with pytest.raises(BundleRefusedError, match="acme/echo"):
        versions.check_publishable(artifact="acme/other", bundle=bundle("one"), actor=OWNER)
    with pytest.raises(PathRefusedError):
        house.publish(bundle("one", **{"src/.git/config": b"[core]"}))
    with pytest.raises(VersionNotFoundError):
        house.publish(bundle("one"), parents=("sha256:" + "0" * 64,))
    broken = bundle("one").replace({"artifact.toml": b"name = 3"})
    with pytest.raises(BundleRefusedError):
        house.publish(broken)
    with house.database.reading() as session, pytest.raises(ArtifactNotFoundError):
        versions.artifact(session, ARTIFACT)


def test_pages_run_from_the_newest_to_the_first(house: RegistryHouse) -> None:
    for turn in range(5):
        house.publish(bundle(str(turn)))
    with house.database.reading() as session:
        versions = house.registry.versions
        first = versions.list(session, ARTIFACT, limit=2)
        second = versions.list(session, ARTIFACT, cursor=first.next_cursor, limit=2)
        third = versions.list(session, ARTIFACT, cursor=second.next_cursor, limit=2)
        with pytest.raises(CursorRefusedError):
            versions.list(session, ARTIFACT, cursor="1; --")
        with pytest.raises(ArtifactNotFoundError):
            versions.list(session, "acme/unknown")
    pages = [[version.number for version in page.items] for page in (first, second, third)]
    assert pages == [[5, 4], [3, 2], [1]]
    assert third.next_cursor is None


def test_a_comparison_names_every_change(house: RegistryHouse) -> None:
    old = house.publish(bundle("one", **{"gone.txt": b"bye\n"}))
    new = house.publish(bundle("two", **{"logo.bin": b"\0\1"}))
    with house.database.reading() as session:
        found = house.registry.versions.compare(session, old.digest, new.digest)
    changes = {entry.path: (entry.change, entry.note) for entry in found.files}
    assert changes["gone.txt"] == (FileChange.REMOVED, "")
    assert changes["logo.bin"] == (FileChange.ADDED, "binary")
    assert changes["phrase.py"] == (FileChange.CHANGED, "")
    assert (found.old.number, found.new.number) == (1, 2)


def test_a_yank_keeps_the_bytes_and_tells_the_channels_that_serve_it(house: RegistryHouse) -> None:
    version = house.publish_accepted(bundle("one"))
    for channel in ("canary", "production"):
        house.promote(version, channel=channel)
    other = house.publish_accepted(bundle("two"))
    house.promote(other, channel="staging")
    with house.database.transaction() as session:
        house.registry.versions.yank(session, version.digest, reason=" leaks ", actor=OWNER)
    with house.database.reading() as session:
        assert house.registry.versions.bundle(session, version.digest) == bundle("one")
        yank = house.registry.versions.get(session, version.digest).yank
    assert yank is not None
    assert (yank.reason, yank.actor) == ("leaks", OWNER.id)
    for channel in ("canary", "production"):
        newest = house.events.read(f"channel:{ARTIFACT}:{channel}")[-1]
        assert newest.kind == "yanked"
        assert newest.data == {"digest": version.digest, "number": 1, "reason": "leaks"}
    assert [event.kind for event in house.events.read(f"channel:{ARTIFACT}:staging")] == ["moved"]


def test_what_yank_refuses(house: RegistryHouse) -> None:
    version = house.publish(bundle("one"))
    yank = house.registry.versions.yank
    with house.database.transaction() as session:
        with pytest.raises(ReasonRequiredError):
            yank(session, version.digest, reason=" \n", actor=OWNER)
        with pytest.raises(ReasonRequiredError):
            yank(session, version.digest, reason="x" * 2001, actor=OWNER)
        with pytest.raises(NameTakenError):
            yank(session, version.digest, reason="mine", actor=STRANGER)
        yank(session, version.digest, reason="first", actor=OWNER)
        with pytest.raises(VersionYankedError, match="first"):
            yank(session, version.digest, reason="second", actor=OWNER)


def test_a_changed_blob_is_noticed_when_it_is_read(house: RegistryHouse) -> None:
    version = house.publish(bundle("one"))
    with house.database.engine.begin() as connection:
        switch_guards_off(connection)
    blobs = tables.artifact_blobs
    original = digest_of(bundle("one").files["phrase.py"])
    with house.database.transaction() as session:
        session.execute(
            update(blobs).where(blobs.c.digest == original).values(content=b"WORD = 'two'\n")
        )
    with house.database.reading() as session, pytest.raises(BlobCorruptedError):
        house.registry.versions.bundle(session, version.digest)


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_append_only_tables_refuse_every_change(house: RegistryHouse, table: str) -> None:
    first, second = (house.publish_accepted(bundle("one")), house.publish_accepted(bundle("two")))
    _fill(house, first.digest, second.digest)
    column = next(iter(metadata.tables[table].columns)).name
    attempts = [
        f"UPDATE {table} SET {column} = {column}",  # noqa: S608 - our own names
        f"DELETE FROM {table}",  # noqa: S608
        f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}"  # noqa: S608
        if house.database.is_sqlite
        else f"TRUNCATE {table} CASCADE",
    ]
    for attempt in attempts:
        with pytest.raises(DBAPIError, match=f"{table} is append-only"):
            _run(house, [attempt])


def test_replacement_is_refused_with_recursive_triggers_off(sqlite_house: RegistryHouse) -> None:
    house = sqlite_house
    house.publish(bundle("one"))
    with house.database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA recursive_triggers=OFF")
        same_number = (
            "INSERT OR REPLACE INTO versions SELECT 'sha256:x', artifact, number, kind, source,"
            " order_id, actor, commit_id, created_at FROM versions"
        )
        for statement in ("INSERT OR REPLACE INTO versions SELECT * FROM versions", same_number):
            with pytest.raises(DBAPIError, match="versions is append-only"):
                connection.exec_driver_sql(statement)


@pytest.mark.parametrize(
    "change",
    [
        "artifacts SET last_number = last_number - 1",
        "artifacts SET namespace = 'globex', last_number = last_number + 1",
        "channels SET generation = generation - 1",
        "channels SET generation = generation + 2",
        "channels SET digest = (SELECT max(digest) FROM versions WHERE digest <> channels.digest)",
        "channels SET number = number + 1",
    ],
)
def test_artifacts_and_channels_change_forward_only(house: RegistryHouse, change: str) -> None:
    first, second = (house.publish_accepted(bundle("one")), house.publish_accepted(bundle("two")))
    _fill(house, first.digest, second.digest)
    table = change.split(" ", maxsplit=1)[0]
    for attempt in (f"UPDATE {change}", f"DELETE FROM {table}"):  # noqa: S608 - our own names
        with pytest.raises(DBAPIError, match=f"{table} only goes forward"):
            _run(house, [attempt])


def _fill(house: RegistryHouse, first: str, second: str) -> None:
    """Put a row into every table."""
    house.publish(bundle("three"), parents=(first, second))
    with house.database.transaction() as session:
        registry = house.registry
        house.registry.attestations.attest(session, first, evidence(accepted=False))
        registry.channels.move(
            session,
            artifact=ARTIFACT,
            channel="production",
            digest=first,
            expected_generation=0,
            expected_digest=None,
            reason="first",
            actor=OWNER,
        )
        registry.deployments.acknowledge(
            session,
            agent="acme.bot",
            artifact=ARTIFACT,
            channel="production",
            digest=first,
            generation=1,
            accepted=True,
        )
        registry.versions.yank(session, second, reason="unused", actor=OWNER)


def _run(house: RegistryHouse, statements: list[str]) -> None:
    with house.database.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
