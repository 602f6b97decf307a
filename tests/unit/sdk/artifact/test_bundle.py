import os
import socket
from pathlib import Path

import pytest

from aem.artifact import MANIFEST_PATH, MAX_FILE_BYTES, MAX_FILES, ArtifactError, Bundle
from tests.fakes.bundles import MANIFEST, echo_bundle, echo_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    top = tmp_path / "echo"
    echo_bundle().write_to(top)
    return top


def refusal(folder: Path) -> ArtifactError:
    with pytest.raises(ArtifactError) as caught:
        Bundle.from_folder(folder)
    return caught.value


def test_a_bundle_comes_back_from_its_folder(folder: Path) -> None:
    assert Bundle.from_folder(folder) == echo_bundle()
    assert Bundle.from_folder(folder).digest == echo_bundle().digest


def test_version_control_and_compiled_python_are_left_out(folder: Path) -> None:
    for path in (".git/config", "__pycache__/echo.pyc", "old.pyc", "schema/.git"):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(b"x")
    assert Bundle.from_folder(folder) == echo_bundle()


def test_symbolic_links_are_refused(folder: Path) -> None:
    (folder / "schema" / "secret").symlink_to("/etc/passwd")
    assert (refusal(folder).reason, refusal(folder).details) == ("link", {"path": "schema/secret"})


def test_linked_folders_are_refused(folder: Path) -> None:
    (folder / "data").symlink_to("/etc", target_is_directory=True)
    assert refusal(folder).reason == "link"


def test_pipes_are_refused_without_reading_them(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert refusal(folder).reason == "special_file"


def test_sockets_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s")
        assert refusal(folder).reason == "special_file"


def test_large_files_are_refused(folder: Path) -> None:
    with (folder / "big.bin").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    assert (refusal(folder).reason, refusal(folder).details["path"]) == ("too_large", "big.bin")


def test_too_many_files_are_refused(folder: Path) -> None:
    for number in range(MAX_FILES):
        (folder / f"f{number}").touch()
    assert refusal(folder).reason == "too_many_files"


def test_folders_that_are_too_large_are_refused(folder: Path) -> None:
    for number in range(5):
        with (folder / f"part{number}").open("wb") as file:
            file.truncate(MAX_FILE_BYTES)
    assert refusal(folder).reason == "too_large"


def test_deep_folders_are_refused(folder: Path) -> None:
    (folder / Path(*"abcdefghijklmnopqrst")).mkdir(parents=True)
    assert refusal(folder).reason == "path_too_long"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    error = refusal(tmp_path / "nowhere")
    assert (error.reason, "nowhere is no folder" in error.message) == ("not_a_folder", True)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path).reason == "empty_bundle"


def test_nothing_is_written_over(folder: Path) -> None:
    with pytest.raises(ArtifactError) as caught:
        echo_bundle("two").write_to(folder)
    assert caught.value.reason == "not_a_folder"
    assert Bundle.from_folder(folder) == echo_bundle()


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError) as caught:
        echo_bundle().write_to(tmp_path / "file" / "below")
    assert caught.value.reason == "not_a_folder"


def test_the_digest_is_of_kind_paths_and_contents_alone() -> None:
    # Recomputed by hand once: this identity must never change, or versions would lose theirs.
    files = {
        MANIFEST_PATH: MANIFEST.encode(),
        "echo.py": b"",
        "schema/input.json": b"{}",
        "schema/output.json": b"{}",
        "self_test.jsonl": b"",
    }
    assert Bundle(files).digest == (
        "sha256:e3779c91918a2e2e3f760bb4f6b4b20d8a9cbc34e831e826d8f4065055799ea6"
    )


@pytest.mark.parametrize(
    "changes",
    [{"phrase.py": b"WORD = 2"}, {"new.py": b""}, {MANIFEST_PATH: MANIFEST.encode() + b"#"}],
)
def test_any_change_is_another_digest(changes: dict[str, bytes]) -> None:
    assert echo_bundle().replace(changes).digest != echo_bundle().digest


def test_a_bundle_does_not_follow_changes_of_what_it_was_made_from() -> None:
    files = echo_files()
    bundle = Bundle(files)
    files["phrase.py"] = b"changed"
    assert bundle == echo_bundle()
    with pytest.raises(TypeError):
        bundle.files["phrase.py"] = b"changed"  # type: ignore[index]


@pytest.mark.parametrize(
    ("paths", "reason"),
    [
        (["a", "A"], "colliding_paths"),
        (["straße", "STRASSE"], "colliding_paths"),
        (["e\u0301", "\u00e9"], "colliding_paths"),
        (["a", "a/b"], "colliding_paths"),
        (["A", "a/b/c"], "colliding_paths"),
        (["../a"], "unsafe_path"),
        ([""], "unsafe_path"),
        (["a//b"], "unsafe_path"),
        (["a/."], "unsafe_path"),
        (["\ud800"], "unsafe_path"),
    ],
)
def test_paths_are_checked_wherever_a_bundle_comes_from(paths: list[str], reason: str) -> None:
    with pytest.raises(ArtifactError) as caught:
        Bundle(dict.fromkeys(paths, b""))
    assert caught.value.reason == reason
