import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from aem.artifact import Bundle
from registry import GitProjection, GitProjectionError, NameRefusedError, VersionSource
from tests.fakes.registry import ARTIFACT, OWNER, RegistryHouse, bundle

OTHER = "acme/other"
HOME_WITHOUT_CONFIGURATION = {"HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], **HOME_WITHOUT_CONFIGURATION},
    ).stdout


def references(repository: Path) -> dict[str, str]:
    lines = git(repository, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    return dict(line.split(" ") for line in lines)


def publish_some(house: RegistryHouse) -> list[str]:
    """Five versions of two artifacts, the last made from the first; return their commits."""
    first = house.publish(bundle("one"))
    house.clock.advance(hours=1)
    second = house.publish(bundle("two", **{"src/deep/a b.txt": b"x"}), parents=(first.digest,))
    other = house.publish(bundle("one", artifact=OTHER), artifact=OTHER, parents=(second.digest,))
    house.clock.advance(hours=1)
    odd = house.publish(
        bundle("three", **{'a"quote': b"\0\xff\n", "é": b"", "a.b/x": b"1", "a/x": b"2"})
    )
    last = house.publish(bundle("four"), parents=(first.digest,))
    return [version.commit for version in (first, second, other, odd, last)]


def test_every_version_is_a_tagged_commit_on_its_artifacts_branch(
    house: RegistryHouse, tmp_path: Path
) -> None:
    first, second, other, odd, last = publish_some(house)
    repository = GitProjection(tmp_path / "git", house.database).project("acme")
    assert references(repository) == {
        "refs/heads/echo": last,
        "refs/heads/other": other,
        "refs/tags/echo/v1": first,
        "refs/tags/echo/v2": second,
        "refs/tags/echo/v3": odd,
        "refs/tags/echo/v4": last,
        "refs/tags/other/v1": other,
    }
    parents = git(repository, "log", "--all", "--format=%H %P").splitlines()
    assert sorted(line.strip() for line in parents) == sorted(
        [first, f"{second} {first}", other, f"{odd} {second}", f"{last} {first} {odd}"]
    )
    message = git(repository, "log", "-1", "--format=%B", "echo/v2")
    assert message.startswith(
        f"{ARTIFACT} v2\n\nDigest: {bundle('two', **{'src/deep/a b.txt': b'x'}).digest}\n"
    )
    assert "Source: submitted\nActor: key_owner\nParent: sha256:" in message
    assert git(repository, "log", "-1", "--format=%cI %ce", "echo/v2").split() == [
        "2026-01-05T10:00:00+00:00",
        "registry@aem.invalid",
    ]
    git(repository, "fsck", "--strict", "--full")


def test_a_clone_has_the_bytes_of_every_version(house: RegistryHouse, tmp_path: Path) -> None:
    publish_some(house)
    repository = GitProjection(tmp_path / "git", house.database).project("acme")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(repository), str(clone))
    assert git(clone, "branch", "--show-current").strip() == "echo"
    with house.database.reading() as session:
        versions = house.registry.versions.list(session, ARTIFACT).items
        for version in versions:
            git(clone, "checkout", "--quiet", f"echo/v{version.number}")
            shutil.copytree(clone, tmp_path / f"v{version.number}")
            found = Bundle.from_folder(tmp_path / f"v{version.number}")
            assert found == house.registry.versions.bundle(session, version.digest)
            assert found.digest == version.digest


def test_a_rebuilt_repository_has_the_same_commits(house: RegistryHouse, tmp_path: Path) -> None:
    publish_some(house)
    first = GitProjection(tmp_path / "here", house.database).project("acme")
    second = GitProjection(tmp_path / "there", house.database).project("acme")
    assert references(second) == references(first)
    assert git(second, "symbolic-ref", "HEAD") == git(first, "symbolic-ref", "HEAD")


def test_projecting_step_by_step_gives_the_same_as_at_once(
    sqlite_house: RegistryHouse, tmp_path: Path
) -> None:
    house = sqlite_house
    step_by_step = GitProjection(tmp_path / "steps", house.database)
    for word in ("one", "two", "three"):
        house.publish(bundle(word))
        steps = step_by_step.project("acme")
    at_once = GitProjection(tmp_path / "once", house.database).project("acme")
    assert references(steps) == references(at_once)
    assert references(step_by_step.project("acme")) == references(at_once)


def test_many_versions_go_in_several_imports(sqlite_house: RegistryHouse, tmp_path: Path) -> None:
    house = sqlite_house
    with house.database.transaction() as session:
        for turn in range(103):
            house.registry.versions.publish(
                session,
                artifact=ARTIFACT,
                bundle=bundle(str(turn)),
                source=VersionSource.SUBMITTED,
                actor=OWNER,
            )
    repository = GitProjection(tmp_path / "git", house.database).project("acme")
    assert len(references(repository)) == 104
    assert git(repository, "rev-list", "--count", "echo").strip() == "103"
    git(repository, "fsck", "--strict", "--full")


def test_a_namespace_shows_only_its_own(sqlite_house: RegistryHouse, tmp_path: Path) -> None:
    publish_some(sqlite_house)
    projection = GitProjection(tmp_path / "git", sqlite_house.database)
    assert references(projection.project("globex")) == {}
    with pytest.raises(NameRefusedError):
        projection.project("../acme")


def test_references_that_were_changed_are_put_right(
    sqlite_house: RegistryHouse, tmp_path: Path
) -> None:
    commits = publish_some(sqlite_house)
    projection = GitProjection(tmp_path / "git", sqlite_house.database)
    repository = projection.project("acme")
    right = references(repository)
    git(repository, "update-ref", "refs/heads/echo", commits[0])
    git(repository, "update-ref", "refs/tags/echo/v3", commits[2])
    git(repository, "update-ref", "-d", "refs/tags/echo/v1")
    git(repository, "update-ref", "refs/heads/planted", commits[1])
    git(repository, "symbolic-ref", "HEAD", "refs/heads/planted")
    assert references(projection.project("acme")) == right
    assert git(repository, "symbolic-ref", "HEAD").strip() == "refs/heads/echo"


def test_what_a_killed_git_leaves_is_cleared(sqlite_house: RegistryHouse, tmp_path: Path) -> None:
    house = sqlite_house
    folder = tmp_path / "git"
    (folder / "acme.new" / "objects").mkdir(parents=True)
    house.publish(bundle("one"))
    projection = GitProjection(folder, house.database)
    repository = projection.project("acme")
    house.publish(bundle("two"))
    (repository / "refs/heads/echo.lock").write_text("")
    (repository / "refs/tags/echo/v2.lock").write_text("")
    (repository / "packed-refs.lock").write_text("")
    (repository / "HEAD.lock").write_text("")
    assert set(references(projection.project("acme"))) == {
        "refs/heads/echo",
        "refs/tags/echo/v1",
        "refs/tags/echo/v2",
    }
    assert not (folder / "acme.new").exists()


def test_a_projection_killed_at_any_time_is_completed_by_the_next(
    sqlite_house: RegistryHouse, tmp_path: Path
) -> None:
    house = sqlite_house
    for turn in range(60):
        house.publish(bundle(str(turn)))
    expected = references(GitProjection(tmp_path / "whole", house.database).project("acme"))
    program = (
        "import sys, pathlib\n"
        "from core.database import Database, make_engine\n"
        "from registry import GitProjection\n"
        "database = Database(make_engine(sys.argv[1]))\n"
        "projection = GitProjection(pathlib.Path(sys.argv[2]), database)\n"
        "print('ready', flush=True)\n"
        "projection.project('acme')\n"
    )
    url = house.database.engine.url.render_as_string()
    for turn, delay_s in enumerate((0.02, 0.06, 0.12, 0.25)):
        folder = tmp_path / f"killed-{turn}"
        child = subprocess.Popen(
            [sys.executable, "-c", program, url, str(folder)],
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        with child:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(delay_s)
            os.killpg(child.pid, signal.SIGKILL)
        repository = GitProjection(folder, house.database).project("acme")
        assert references(repository) == expected
        git(repository, "fsck", "--strict", "--full")


def test_projections_at_the_same_time_agree(sqlite_house: RegistryHouse, tmp_path: Path) -> None:
    publish_some(sqlite_house)
    found: list[dict[str, str]] = []
    barrier = threading.Barrier(4)

    def work() -> None:
        projection = GitProjection(tmp_path / "git", sqlite_house.database)
        barrier.wait()
        found.append(references(projection.project("acme")))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(entry == found[0] for entry in found)


def test_the_users_git_configuration_does_not_matter(
    sqlite_house: RegistryHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = publish_some(sqlite_house)
    hook = tmp_path / "hooks" / "reference-transaction"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    configuration = tmp_path / "gitconfig"
    configuration.write_text(
        f"[core]\nautocrlf = true\nhooksPath = {hook.parent}\n[user]\nname = Mallory\n"
        "[commit]\ngpgsign = true\n[init]\ntemplateDir = /nonexistent\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(configuration))
    repository = GitProjection(tmp_path / "git", sqlite_house.database).project("acme")
    assert references(repository)["refs/tags/echo/v4"] == commits[4]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_does_not_matter(
    sqlite_house: RegistryHouse, tmp_path: Path
) -> None:
    sqlite_house.publish(bundle("one"))
    projection = GitProjection(tmp_path / "git", sqlite_house.database)
    repository = projection.project("acme")
    os.chown(repository, 65534, 65534)
    sqlite_house.publish(bundle("two"))
    projection.project("acme")
    os.chown(repository, 0, 0)
    assert "refs/tags/echo/v2" in references(repository)


def test_a_disk_that_fails_is_an_infrastructure_failure(
    sqlite_house: RegistryHouse, tmp_path: Path
) -> None:
    sqlite_house.publish(bundle("one"))
    (tmp_path / "git").write_text("a file where the folder should be")
    with pytest.raises(GitProjectionError):
        GitProjection(tmp_path / "git", sqlite_house.database).project("acme")
    damaged = GitProjection(tmp_path / "damaged", sqlite_house.database)
    repository = damaged.project("acme")
    shutil.rmtree(repository / "objects")
    (repository / "objects").write_text("")
    sqlite_house.publish(bundle("two"))
    with pytest.raises(GitProjectionError):
        damaged.project("acme")
