import json
from pathlib import Path

import pytest

from aem.isolation import ProcessLimits
from aem.isolation.bubblewrap import bubblewrap_arguments, runner_settings
from aem.isolation.interpreter import COMMAND, Interpreter

INTERPRETER = Interpreter(
    version="3.11.7",
    executable=Path("/home/someone/python/bin/python3.11"),
    standard_library=Path("/home/someone/python/lib/python3.11"),
    shared_libraries={"libc.so.6": Path("/lib/x86_64-linux-gnu/libc.so.6")},
    loader=Path("/lib64/ld-linux-x86-64.so.2"),
    runner=Path("/home/someone/aem/isolation/runner"),
)
LIMITS = ProcessLimits(memory_bytes=100_000_000, pids=32)


def arguments(*, is_root: bool = False) -> list[str]:
    return bubblewrap_arguments(INTERPRETER, seccomp_fd=9, is_root=is_root)


def following(words: list[str], option: str) -> list[str]:
    return [words[place + 1] for place, word in enumerate(words) if word == option]


@pytest.mark.parametrize("is_root", [True, False])
def test_everything_is_unshared_and_nothing_is_inherited(*, is_root: bool) -> None:
    words = arguments(is_root=is_root)
    for option in ("ipc", "pid", "net", "uts"):
        assert f"--unshare-{option}" in words
    assert {"--new-session", "--as-pid-1", "--clearenv"} <= set(words)
    assert following(words, "--seccomp") == ["9"]
    assert "--share-net" not in words


def test_an_ordinary_user_is_nobody_in_a_user_namespace() -> None:
    words = arguments(is_root=False)
    assert "--unshare-user" in words
    assert following(words, "--uid") == following(words, "--gid") == ["65534"]
    assert "--cap-add" not in words


def test_root_gets_what_it_takes_to_stop_being_root_and_no_more() -> None:
    words = arguments(is_root=True)
    assert "--unshare-user" not in words
    assert following(words, "--cap-add") == ["CAP_SETUID", "CAP_SETGID"]
    users = {json.loads(runner_settings(LIMITS, is_root=True))["user"] for _ in range(20)}
    assert len(users) > 1
    assert min(users) > 1_000_000_000


def test_only_the_interpreter_is_mounted_and_read_only() -> None:
    words = arguments()
    assert set(following(words, "--ro-bind")) == {
        str(INTERPRETER.executable),
        str(INTERPRETER.standard_library),
        str(INTERPRETER.loader),
        str(INTERPRETER.runner),
        "/lib/x86_64-linux-gnu/libc.so.6",
    }
    assert not {"--bind", "--dev-bind", "--bind-try"} & set(words)
    assert following(words, "--remount-ro") == ["/dev", "/"]
    assert following(words, "--tmpfs") == ["/tmp"]  # noqa: S108 - inside
    size = words[words.index("--tmpfs") - 1]
    assert int(size) <= 100_000_000


def test_no_path_of_the_host_is_seen_inside() -> None:
    words = arguments()
    inside = [words[place + 2] for place, word in enumerate(words) if word == "--ro-bind"]
    assert not any(path.startswith("/home") for path in inside)
    assert words[words.index("--") + 1 :] == list(COMMAND)


def test_limits_are_set_inside() -> None:
    settings = json.loads(runner_settings(LIMITS, is_root=False))
    assert settings["user"] is None
    assert settings["rlimits"]["NPROC"] == 32
    assert settings["rlimits"]["AS"] > 100_000_000
    assert settings["rlimits"]["CORE"] == 0
    assert {"FSIZE", "NOFILE", "MSGQUEUE"} <= settings["rlimits"].keys()


def test_the_python_that_candidates_get_runs_no_start_files() -> None:
    assert {"-I", "-S", "-B"} <= set(COMMAND)
