"""Parts of the runner that need no sandbox; the whole is tested inside the real ones."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from aem.isolation import protocol
from aem.isolation.process_tree import child_ids, read_tree, tree_ids
from aem.isolation.runner import case, folder, intake, server


def test_the_runner_refuses_to_be_anything_but_the_first_process() -> None:
    code = "from aem.isolation.runner.server import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", code, "{}"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "must be PID 1" in ended.stderr


@pytest.fixture
def deep_path() -> Iterator[Path]:
    """A folder that may be left so deep that Python's own clean-up would fail on it."""
    path = Path(tempfile.mkdtemp())
    yield path
    subprocess.run(["rm", "-rf", path], check=True)


def test_a_folder_is_cleared_however_deep_and_closed_it_is(
    deep_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, outside = deep_path / "tmp", deep_path / "outside"
    target.mkdir()
    outside.mkdir()
    (outside / "kept").touch()
    (target / "link").symlink_to(outside)
    (target / "broken").symlink_to("nowhere")
    os.mkfifo(target / "pipe")
    monkeypatch.chdir(target)
    for _ in range(1200):  # deeper than recursion goes, longer than a path may be
        Path("d").mkdir()
        os.chdir("d")
    Path("file").touch()
    os.chdir(target)
    Path("d").chmod(0)
    try:
        folder.clear(str(target))
        assert list(target.iterdir()) == []
        assert (outside / "kept").exists()
    finally:  # what a broken clear leaves is too deep for pytest's own cleaning
        subprocess.run(["rm", "-rf", str(target)], check=True)


def test_an_intake_takes_no_more_than_a_piece_past_its_limit() -> None:
    pipe = intake.Intake(10)
    os.set_blocking(pipe.write_fd, False)
    os.write(pipe.write_fd, b"x" * 10)
    assert pipe.read()
    assert not pipe.is_over
    os.write(pipe.write_fd, b"x")
    assert not pipe.read()
    assert pipe.is_over
    os.close(pipe.write_fd)
    pipe.close()


def test_an_intake_reads_to_the_end() -> None:
    pipe = intake.Intake(100)
    os.write(pipe.write_fd, b"abc")
    pipe.drain()
    os.close(pipe.write_fd)
    pipe.drain()
    assert pipe.data == b"abc"
    pipe.close()


def test_a_description_is_bounded_and_names_only_the_artifact() -> None:
    source = "def fail():\n    raise ValueError('x' * 9000)\n"
    values: dict[str, object] = {}
    exec(compile(source, f"{folder.ARTIFACT_FOLDER}/inner/a.py", "exec"), values)  # noqa: S102
    with pytest.raises(ValueError, match="xxx") as raised:
        values["fail"]()
    said = case.describe(raised.value)
    assert len(said) <= case.MAX_ERROR_CHARACTERS
    assert said.startswith("  inner/a.py:2 in fail\nValueError: xxx")
    assert __file__ not in said


def test_the_limits_that_both_sides_know_are_the_same() -> None:
    assert protocol.MAX_REPORT_BYTES == server.MAX_REPORT_BYTES
    assert protocol.MAX_ERROR_CHARACTERS == case.MAX_ERROR_CHARACTERS


def test_a_tree_of_processes_is_read() -> None:
    script = (
        "import os, sys, time\n"
        "if os.fork() == 0:\n"
        "    keep = bytearray(30_000_000)\n"
        "    while time.process_time() < 0.1: pass\n"
        "    print('up', flush=True)\n"
        "    time.sleep(60)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        try:
            (child,) = child_ids(process.pid)
            assert tree_ids(process.pid) == [process.pid, child]
            reading = read_tree(process.pid)
            assert reading.cpu_ms >= 90
            assert reading.memory_bytes >= 30_000_000
        finally:
            os.kill(child, 9)
            process.kill()
    assert child_ids(process.pid) == []
    assert read_tree(process.pid).cpu_ms == 0
