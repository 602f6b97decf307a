"""What only a container engine can do, and how it can fail."""

import contextlib
import gc
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox import (
    BubblewrapSandbox,
    DockerSandbox,
    PooledSandbox,
    Sandbox,
    SandboxFailedError,
    SandboxUnavailableError,
    select_sandbox,
)
from sandbox.container import StatsMeter
from sandbox.labels import owner_labels
from sandbox.profile import LABEL_OWNER, container_settings
from tests.conftest import missing
from tests.fakes.clock import FakeClock
from tests.integration.sandbox.conftest import LIMITS, bundle

pytestmark = [pytest.mark.docker, pytest.mark.slow]

ENGINE = "/var/run/docker.sock"
SLEEPER = "import time\ndef run(input, context):\n    time.sleep(input)\n    return 'slept'\n"


def open_with(sandbox: Sandbox, source: str = SLEEPER, limits: Any = LIMITS) -> Any:
    session = sandbox.open(limits=limits, label="docker-test")
    session.load("v", bundle(source))
    return session


def container_of(session: Any) -> str:
    return session._enclosure._id


class CuttableEngine:
    """Forwards a socket to the engine until it is cut: an engine that goes away."""

    def __init__(self, folder: Path) -> None:
        self.url = f"unix://{folder / 'engine.sock'}"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / "engine.sock"))
        self._listener.listen()
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def cut(self) -> None:
        for each in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for each in [self._listener, *self._sockets]:
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(ENGINE)
            self._sockets += [near, far]
            for source, target in ((near, far), (far, near)):
                thread = threading.Thread(target=self._pump, args=(source, target), daemon=True)
                self._threads.append(thread)
                thread.start()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def refused_connections() -> Iterator[None]:
    """The docker package leaves sockets whose connection was refused to the garbage collector."""
    yield
    gc.collect()


@pytest.fixture
def engine(docker_sandbox: DockerSandbox, tmp_path: Path) -> Iterator[CuttableEngine]:
    if not Path(ENGINE).exists():
        missing(f"no engine at {ENGINE}")
    engine = CuttableEngine(tmp_path)
    yield engine
    engine.cut()


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.usefixtures("refused_connections")
def test_no_engine_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailableError, match="install docker"):
        DockerSandbox(url=f"unix://{tmp_path / 'nothing.sock'}")


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.usefixtures("refused_connections")
def test_an_engine_that_goes_away_under_a_case_is_not_the_candidates_failure(
    engine: CuttableEngine, docker_sandbox: DockerSandbox
) -> None:
    sandbox = DockerSandbox(url=engine.url)
    session = open_with(sandbox)
    container_id = container_of(session)
    timer = threading.Timer(0.3, engine.cut)
    timer.start()
    with pytest.raises(SandboxFailedError):
        session.run("v", "c", 1.5)
    timer.join()
    with pytest.raises(SandboxFailedError):
        sandbox.open(limits=LIMITS, label="gone")
    session.close()
    sandbox.close()
    docker_sandbox._remove(container_id)


def test_a_container_that_is_removed_from_outside_is_a_failure_of_the_sandbox(
    docker_sandbox: DockerSandbox,
) -> None:
    with open_with(docker_sandbox) as session:
        docker_sandbox._remove(container_of(session))
        with pytest.raises(SandboxFailedError):
            session.run("v", "c", 0)


def test_a_container_that_dies_is_replaced_and_its_use_is_kept(
    docker_sandbox: DockerSandbox,
) -> None:
    with open_with(docker_sandbox) as session:
        assert session.run("v", "c1", 0).status == "answered"
        first, cpu_ms = container_of(session), session.usage().cpu_ms
        docker_sandbox._api.kill(first)
        assert session.run("v", "c2", 0).status == "crashed"
        assert session.run("v", "c3", 0).status == "answered"
        assert container_of(session) != first
        assert session.usage().cpu_ms > cpu_ms > 0


def test_a_missing_image_is_a_failure_before_anything_is_pulled(
    docker_sandbox: DockerSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_sandbox, "_image_id", f"sha256:{'0' * 64}")
    with pytest.raises(SandboxFailedError, match="restart the service"):
        docker_sandbox.open(limits=LIMITS, label="t")


def test_an_image_can_be_named_and_is_never_pulled(docker_sandbox: DockerSandbox) -> None:
    named = DockerSandbox(image=docker_sandbox._image_name)
    assert named.isolation() == docker_sandbox.isolation()
    named.close()
    with pytest.raises(SandboxFailedError, match="aem-sandbox:never-made"):
        DockerSandbox(image="aem-sandbox:never-made")


def test_a_container_outlives_its_killed_host_only_until_it_is_swept(
    docker_sandbox: DockerSandbox,
) -> None:
    script = (
        "import os, signal; from sandbox import DockerSandbox, SandboxLimits\n"
        "session = DockerSandbox().open(limits=SandboxLimits(), label='killed-host')\n"
        "print(session._enclosure._id, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    container_id = said.stdout.strip()
    assert container_id, said.stderr
    deadline = time.monotonic() + 5
    while docker_sandbox._api.inspect_container(container_id)["State"]["Running"]:
        assert time.monotonic() < deadline, "the runner did not end with its input"
        time.sleep(0.05)
    assert container_id in docker_sandbox.sweep()
    assert docker_sandbox._api.containers(all=True, filters={"id": container_id}) == []


def test_a_sweep_takes_what_is_past_its_deadline_and_spares_what_lives(
    docker_sandbox: DockerSandbox,
) -> None:
    clock = FakeClock()
    labels = owner_labels("old", now=clock.now() - timedelta(days=1), lifetime_s=10.0)
    labels[LABEL_OWNER] = "another-boot/1/2@3"
    settings = container_settings(image=docker_sandbox._image_id, limits=LIMITS, labels=labels)
    old = docker_sandbox._api.create_container_from_config(settings)["Id"]
    with open_with(docker_sandbox) as session:
        swept = docker_sandbox.sweep()
        assert old in swept
        assert container_of(session) not in swept
        assert session.run("v", "c", 0).status == "answered"


def test_the_engine_is_asked_where_the_control_group_is_not_to_be_seen(
    docker_sandbox: DockerSandbox,
) -> None:
    with open_with(docker_sandbox) as session:
        session.run("v", "c", 0)
        own = session._enclosure.read_meter()
        asked = StatsMeter(docker_sandbox._api, container_of(session)).read()
        assert asked.cpu_ms >= own.cpu_ms > 0
        assert asked.memory_peak_bytes == pytest.approx(own.memory_peak_bytes, rel=0.2)
        assert asked.memory_kills == 0


def test_processor_time_is_limited(docker_sandbox: DockerSandbox) -> None:
    limits = replace(LIMITS, nano_cpus=200_000_000, case_wall_s=1.0)
    with open_with(
        docker_sandbox, "def run(input, context):\n    while True: pass\n", limits
    ) as s:
        before = s.usage().cpu_ms
        s.run("v", "c", 0)
        assert s.usage().cpu_ms - before < 600


def test_a_pool_hands_out_each_container_once_and_leaves_none(
    docker_sandbox: DockerSandbox,
) -> None:
    pool = PooledSandbox(DockerSandbox())
    seen = set()
    for _ in range(3):
        with open_with(pool) as session:
            seen.add(container_of(session))
            assert session.run("v", "c", 0).status == "answered"
        deadline = time.monotonic() + 10
        while not pool._warm and time.monotonic() < deadline:
            time.sleep(0.02)
    assert len(seen) == 3
    warm = pool._warm[0].enclosure._id
    assert warm not in seen
    pool.close()
    pool.close()
    assert docker_sandbox._api.containers(all=True, filters={"id": warm}) == []


def test_selection_takes_docker_where_an_engine_answers(docker_sandbox: DockerSandbox) -> None:
    selected = select_sandbox(warm=0)
    assert selected.sandbox.name == "docker"
    assert selected.notice is None
    selected.sandbox.close()


@pytest.mark.bubblewrap
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.usefixtures("refused_connections")
def test_selection_falls_back_to_bubblewrap_and_says_so(
    bubblewrap_sandbox: BubblewrapSandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = f"unix://{tmp_path / 'nothing.sock'}"
    selected = select_sandbox(docker_url=nowhere, warm=0)
    assert selected.sandbox.name == "bubblewrap"
    assert selected.notice in caplog.text
    assert selected.sandbox.isolation()["degraded"] is True
    selected.sandbox.close()
    with pytest.raises(SandboxUnavailableError):
        select_sandbox("docker", docker_url=nowhere)
