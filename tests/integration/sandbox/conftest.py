from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aem.artifact import Bundle
from aem.isolation import bubblewrap_problem
from sandbox import (
    BubblewrapSandbox,
    DockerSandbox,
    Sandbox,
    SandboxLimits,
    SandboxSession,
    SandboxUnavailableError,
)
from sandbox.labels import own_identity
from sandbox.profile import LABEL_OWNER
from tests.conftest import missing
from tests.fakes.sandbox import FakeSandbox

MANIFEST = b"""\
name = "acme/program"
kind = "python"
entry = "program:run"
input_schema = "any.json"
output_schema = "any.json"
"""

LIMITS = SandboxLimits(
    session_s=60.0, case_wall_s=2.0, memory_bytes=64 * 1024**2, output_bytes=20_000
)


def bundle(source: str, **files: bytes) -> Bundle:
    """The smallest artifact around one module; other files by name, `__` for a dot."""
    others = {name.replace("__", "."): data for name, data in files.items()}
    return Bundle(
        {"artifact.toml": MANIFEST, "any.json": b"{}", "program.py": source.encode(), **others}
    )


@pytest.fixture(scope="session")
def docker_sandbox() -> Iterator[DockerSandbox]:
    try:
        sandbox = DockerSandbox()
    except SandboxUnavailableError as error:
        missing(str(error))
    yield sandbox
    left = sandbox._api.containers(all=True, filters={"label": f"{LABEL_OWNER}={own_identity()}"})
    sandbox.close()
    assert left == [], "these tests left containers behind"


@pytest.fixture(scope="session")
def bubblewrap_sandbox() -> BubblewrapSandbox:
    problem = bubblewrap_problem()
    if problem is not None:
        missing(problem)
    return BubblewrapSandbox()


REAL = [
    pytest.param("docker_sandbox", marks=pytest.mark.docker, id="docker"),
    pytest.param("bubblewrap_sandbox", marks=pytest.mark.bubblewrap, id="bubblewrap"),
]


@pytest.fixture(params=REAL)
def real_sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """Every sandbox that isolates."""
    found: Sandbox = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=[*REAL, "fake"])
def any_sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """Every implementation of the port."""
    if request.param == "fake":
        return FakeSandbox()
    found: Sandbox = request.getfixturevalue(request.param)
    return found


Opener = Callable[..., SandboxSession]


def _opener(sandbox: Sandbox) -> Iterator[Opener]:
    sessions = []

    def open_with(source: str = "", *, limits: SandboxLimits = LIMITS, **files: Any) -> Any:
        session = sandbox.open(limits=limits, label="contract-test")
        sessions.append(session)
        if source:
            session.load("v", bundle(source, **files))
        return session

    yield open_with
    for session in sessions:
        session.close()


@pytest.fixture
def opened(any_sandbox: Sandbox) -> Iterator[Opener]:
    """Opens sessions on every implementation, with a program loaded as variant ``v``."""
    yield from _opener(any_sandbox)


@pytest.fixture
def opened_for_real(real_sandbox: Sandbox) -> Iterator[Opener]:
    """Opens sessions on those that isolate."""
    yield from _opener(real_sandbox)
