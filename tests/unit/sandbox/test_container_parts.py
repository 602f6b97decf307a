"""What containers are made of and told by: frames, labels, image, profile."""

import io
import json
import marshal
import os
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aem.isolation import NOBODY, RUNNER_FOLDER, Interpreter
from aem.isolation.interpreter import PYTHON_FOLDER
from sandbox import SandboxLimits, profile
from sandbox.container import FrameDecoder
from sandbox.image import ImageContent, image_content, write_image
from sandbox.labels import is_leftover, owner_labels
from sandbox.profile import LABEL_DEADLINE, LABEL_OWNER, container_profile, container_settings

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize("piece_bytes", [1, 3, 8, 11, 100])
def test_frames_are_taken_apart_however_they_are_cut(piece_bytes: int) -> None:
    stream = b"".join(
        bytes([1, 0, 0, 0]) + len(data).to_bytes(4) + data for data in (b"hello ", b"", b"world")
    )
    decoder = FrameDecoder()
    pieces = [stream[at : at + piece_bytes] for at in range(0, len(stream), piece_bytes)]
    assert b"".join(map(decoder.feed, pieces)) == b"hello world"


def test_a_living_owners_container_is_spared_until_its_deadline() -> None:
    labels = owner_labels("order", now=NOW, lifetime_s=60.0)
    assert not is_leftover(labels, now=NOW)
    assert not is_leftover(labels, now=NOW + timedelta(seconds=59))
    assert is_leftover(labels, now=NOW + timedelta(seconds=60))


def test_an_ended_owners_container_is_left_over_at_once() -> None:
    labels = owner_labels("order", now=NOW, lifetime_s=60.0)
    place, _, process = labels[LABEL_OWNER].rpartition("/")
    pid, _, started = process.partition("@")
    assert int(pid) == os.getpid()
    gone = 2**22 + 1  # above the kernel's largest process id
    assert is_leftover({**labels, LABEL_OWNER: f"{place}/{gone}@{started}"}, now=NOW)
    # The same id, given to another process since:
    assert is_leftover({**labels, LABEL_OWNER: f"{place}/{pid}@1{started}"}, now=NOW)


@pytest.mark.parametrize("owner", ["other-boot/4026531836/1@1", "x", ""])
def test_of_owners_elsewhere_the_deadline_alone_tells(owner: str) -> None:
    labels = {**owner_labels("order", now=NOW, lifetime_s=60.0), LABEL_OWNER: owner}
    assert not is_leftover(labels, now=NOW)
    assert is_leftover(labels, now=NOW + timedelta(minutes=2))


def test_what_is_not_labelled_by_us_is_not_ours_to_remove() -> None:
    assert not is_leftover({}, now=NOW)
    assert not is_leftover({LABEL_OWNER: "x", LABEL_DEADLINE: "yesterday"}, now=NOW)


def test_labels_are_bounded() -> None:
    assert max(map(len, owner_labels("w" * 9999, now=NOW, lifetime_s=1.0).values())) <= 200


@pytest.fixture
def interpreter(tmp_path: Path) -> Interpreter:
    library, runner = tmp_path / "python3.11", tmp_path / "runner"
    for path, text in {
        library / "json" / "__init__.py": "A = 1\n",
        library / "json" / "__pycache__" / "x.pyc": "stale",
        library / "test" / "test_json.py": "",
        library / "site-packages" / "other.py": "",
        library / "lib-dynload" / "_socket.so": "ELF",
        runner / "server.py": "def main(): ...\n",
        tmp_path / "python": "ELF",
        tmp_path / "libc.so.6": "ELF",
        tmp_path / "ld.so": "ELF",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Interpreter(
        version="3.11.7",
        executable=tmp_path / "python",
        standard_library=library,
        shared_libraries={"libc.so.6": tmp_path / "libc.so.6"},
        loader=tmp_path / "ld.so",
        runner=runner,
    )


def written(content: ImageContent) -> bytes:
    target = io.BytesIO()
    write_image(content, target)
    return target.getvalue()


def test_an_image_holds_the_interpreter_and_no_tool(interpreter: Interpreter) -> None:
    with tarfile.open(fileobj=io.BytesIO(written(image_content(interpreter)))) as tar:
        names = {f"/{member.name}": member for member in tar.getmembers()}
    files = {name for name, member in names.items() if member.isfile() and ".pyc" not in name}
    assert files == {
        "/opt/python/bin/python3",
        "/opt/python/lib/libc.so.6",
        f"{interpreter.standard_library_inside}/json/__init__.py",
        f"{interpreter.standard_library_inside}/lib-dynload/_socket.so",
        "/opt/aem/aem/isolation/runner/server.py",
        str(interpreter.loader),
    }
    assert names["/opt/python/bin/python3"].mode == 0o755
    assert names["/tmp"].mode == 0o1777  # noqa: S108 - inside
    assert names["/proc"].isdir()
    assert {(member.uid, member.mtime) for member in names.values()} == {(0, 0)}


def test_modules_are_compiled_and_never_checked_against_their_source(
    interpreter: Interpreter,
) -> None:
    with tarfile.open(fileobj=io.BytesIO(written(image_content(interpreter)))) as tar:
        (name,) = [each for each in tar.getnames() if each.endswith(".pyc") and "json" in each]
        compiled = tar.extractfile(name).read()
    assert compiled[4:8] == (1).to_bytes(4, "little")
    values: dict[str, int] = {}
    exec(marshal.loads(compiled[16:]), values)  # noqa: S102, S302 - what was just written
    assert values["A"] == 1


def test_an_image_is_named_by_what_is_in_it(interpreter: Interpreter) -> None:
    first = image_content(interpreter)
    assert image_content(interpreter) == first
    assert written(first) == written(first)
    (interpreter.runner / "server.py").write_text("def main(): pass\n")
    second = image_content(interpreter)
    assert second.digest != first.digest
    assert second.tag != first.tag


def test_the_dockerfile_puts_things_where_the_command_looks() -> None:
    text = (Path(profile.__file__).parent / "Dockerfile").read_text()
    assert f"COPY sdk/aem/isolation/runner {RUNNER_FOLDER}\n" in text
    assert f"ln -s /usr/local {PYTHON_FOLDER}\n" in text
    assert f"USER {NOBODY}:{NOBODY}\n" in text


def test_the_profile_of_a_container() -> None:
    limits = SandboxLimits(memory_bytes=100, pids=9, nano_cpus=5)
    settings = container_settings(image="sha256:0", limits=limits, labels={"a": "b"})
    host = settings["HostConfig"]
    assert host["NetworkMode"] == "none"
    assert host["ReadonlyRootfs"] is True
    assert host["IpcMode"] == "none"
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"][0] == "no-new-privileges"
    assert json.loads(host["SecurityOpt"][1].removeprefix("seccomp="))["syscalls"]
    assert host["Memory"] == host["MemorySwap"] > 100
    assert (host["PidsLimit"], host["NanoCpus"]) == (9, 5)
    (options,) = host["Tmpfs"].values()
    assert {"noexec", "nosuid", "nodev"} <= set(options.split(","))
    assert "nr_inodes=" in options
    assert host["LogConfig"]["Type"] == "none"
    assert settings["User"] == "65534:65534"
    assert settings["StdinOnce"] is True
    assert not {"Binds", "Mounts", "Privileged", "CapAdd", "Devices"} & host.keys()


def test_the_profiles_digest_does_not_change_with_the_limits_of_a_session() -> None:
    assert container_profile() == container_profile()
    assert container_profile()["HostConfig"]["Memory"] == 0
