import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aem.handle import (
    Artifact,
    CallFailedError,
    InputRefusedError,
    LoadFailedError,
    NotIsolatedError,
)
from aem.handle.bubblewrap import BubblewrapRuntime
from aem.handle.in_process import InProcessRuntime
from aem.isolation import bubblewrap_problem
from tests.fakes.bundles import MANIFEST, echo_bundle
from tests.fakes.service import FakeService

pytestmark = pytest.mark.bubblewrap


@pytest.fixture(autouse=True, scope="module")
def bubblewrap() -> None:
    problem = bubblewrap_problem()
    if problem is not None:
        if os.environ.get("CI"):
            pytest.fail(f"CI skips nothing: {problem}")
        pytest.skip(problem)


@pytest.fixture
def load() -> Iterator[Callable[..., BubblewrapRuntime]]:
    made: list[BubblewrapRuntime] = []

    def make(source: str | None = None, manifest: str = MANIFEST) -> BubblewrapRuntime:
        changes = {"artifact.toml": manifest.encode()}
        if source is not None:
            changes["echo.py"] = source.encode()
        made.append(BubblewrapRuntime(echo_bundle().replace(changes)))
        return made[-1]

    yield make
    for runtime in made:
        runtime.close()


def test_it_answers_as_it_does_in_process(load: Callable[..., BubblewrapRuntime]) -> None:
    trusted = InProcessRuntime(echo_bundle())
    isolated = load()
    for value in ({"n": 1}, [1.5, None, "ü"], "x" * 10_000):
        assert isolated.call(value) == trusted.call(value)
    trusted.close()


def test_calls_of_many_threads_are_answered_each_with_its_own(
    load: Callable[..., BubblewrapRuntime],
) -> None:
    runtime = load()
    answers: dict[int, Any] = {}

    def call(number: int) -> None:
        answers[number] = runtime.call(number)["input"]

    threads = [threading.Thread(target=call, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: number for number in range(20)}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("raise KeyError('no')", "error"),
        ("import os; os._exit(3)", "crashed"),
        ("import time; time.sleep(60)", "timeout"),
        ("return 'x' * 100_000", "output_too_large"),
        ("return bytearray(600 * 1024**2)", "out_of_memory"),
    ],
)
def test_a_call_that_fails_says_how_and_the_next_one_is_answered(
    load: Callable[..., BubblewrapRuntime], body: str, status: str
) -> None:
    source = f"def run(value, context):\n    if value: return 'fine'\n    {body}\n"
    runtime = load(source, MANIFEST.replace("wall_s = 5.0", "wall_s = 0.5"))
    with pytest.raises(CallFailedError) as caught:
        runtime.call(0)
    assert caught.value.details["status"] == status
    assert runtime.call(1) == "fine"


def test_a_sandbox_that_was_killed_is_made_anew(load: Callable[..., BubblewrapRuntime]) -> None:
    runtime = load()
    process = runtime._process
    assert process is not None
    process.kill()
    with pytest.raises(CallFailedError) as caught:
        runtime.call(1)
    assert caught.value.details["status"] == "crashed"
    assert runtime.call(1)["word"] == "one"


def test_an_answer_that_is_no_json_is_a_failure(load: Callable[..., BubblewrapRuntime]) -> None:
    with pytest.raises(CallFailedError):
        load("def run(value, context): return {1, 2}").call(1)


@pytest.mark.parametrize("value", [{1, 2}, object()])
def test_an_input_that_is_no_json_is_the_callers_mistake(
    load: Callable[..., BubblewrapRuntime], value: Any
) -> None:
    with pytest.raises(InputRefusedError):
        load().call(value)


@pytest.mark.parametrize("source", ["raise ValueError", "def run(", "run = 1"])
def test_what_cannot_be_imported_is_refused(
    load: Callable[..., BubblewrapRuntime], source: str
) -> None:
    with pytest.raises(LoadFailedError):
        load(source)


def test_it_sees_neither_files_nor_variables_of_the_agent(
    load: Callable[..., BubblewrapRuntime], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("secret")
    monkeypatch.setenv("AEM_SECRET", "secret")
    runtime = load(
        "import os\n"
        "def run(value, context): return [os.path.exists(value), os.environ.get('AEM_SECRET')]\n"
    )
    assert runtime.call(str(tmp_path / "secret")) == [False, None]


def test_without_bubblewrap_code_of_others_is_refused(
    load: Callable[..., BubblewrapRuntime], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotIsolatedError, match="install bubblewrap, or trust 'acme'"):
        load()


def test_a_handle_runs_code_of_others_isolated_and_swaps_it(tmp_path: Path) -> None:
    service = FakeService()
    isolated = "import os\ndef run(value, context): return {'pid': os.getpid(), 'v': %d}\n"
    files = {"self_test.jsonl": b'{"input": 1}'}
    digests = [
        service.publish(echo_bundle().replace({**files, "echo.py": (isolated % n).encode()}))
        for n in (1, 2)
    ]
    service.move(digests[0])
    with Artifact(
        "acme/echo",
        client=service.client(),
        agent="acme.bot",
        home=tmp_path,
        trust=service.keys.trust_root,
    ) as artifact:
        first = artifact.call(1)
        service.move(digests[1])
        assert service.wait_for_acknowledgement(2)["accepted"]
        second = artifact.call(1)
    assert [(first.digest, first.output["v"]), (second.digest, second.output["v"])] == [
        (digests[0], 1),
        (digests[1], 2),
    ]
    assert first.output["pid"] != os.getpid()
