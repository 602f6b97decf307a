"""Choosing the sandbox of a service: Docker, else bubblewrap, else a refusal that helps."""

import logging
from dataclasses import dataclass
from typing import Literal

from core.clock import Clock, SystemClock
from sandbox.bubblewrap import BubblewrapSandbox
from sandbox.docker import DockerSandbox
from sandbox.errors import SandboxUnavailableError
from sandbox.pool import PooledSandbox
from sandbox.port import Sandbox

SandboxChoice = Literal["auto", "docker", "bubblewrap"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SelectedSandbox:
    """The sandbox to use, and what an operator must be told about it, if anything."""

    sandbox: Sandbox
    notice: str | None


def select_sandbox(
    choice: SandboxChoice = "auto",
    *,
    docker_url: str | None = None,
    clock: Clock | None = None,
    warm: int = 1,
) -> SelectedSandbox:
    """Find a sandbox that works here, with warm enclosures; close it when the service ends.

    What an earlier process left behind on a Docker engine is removed.

    Args:
        choice: ``auto`` takes Docker if an engine answers, else bubblewrap; a name takes that.
        docker_url: of the engine; none for the usual place.
        clock: dates containers' deadlines.
        warm: how many enclosures are kept ready.

    Raises:
        SandboxUnavailableError: what was chosen does not work; says what to install or start.
        SandboxFailedError: an engine answers and fails.
    """
    if choice == "bubblewrap":
        return _bubblewrap(warm)
    try:
        docker = DockerSandbox(url=docker_url, clock=clock or SystemClock())
    except SandboxUnavailableError as docker_error:
        if choice == "docker":
            raise
        try:
            return _bubblewrap(warm)
        except SandboxUnavailableError as error:
            raise SandboxUnavailableError(
                f"no sandbox works here, and untrusted code is not run without one. Docker:"
                f" {docker_error}. Bubblewrap: {error}."
            ) from error
    docker.sweep()
    return SelectedSandbox(sandbox=PooledSandbox(docker, size=warm), notice=None)


def _bubblewrap(warm: int) -> SelectedSandbox:
    sandbox = BubblewrapSandbox()
    notice = str(sandbox.isolation()["notice"])
    _log.warning(notice)
    return SelectedSandbox(sandbox=PooledSandbox(sandbox, size=warm), notice=notice)
