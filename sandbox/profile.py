"""The profile of every container, and the labels by which leaked ones are found.

What each setting stops was measured: without ``no-new-privileges`` a setuid program became root;
without ``ipc: none`` files outlived their writer in /dev/shm; with no ``nr_inodes`` empty files
ate the memory of the host; with the default log driver a flood of output filled its disk.
"""

import json
import platform
from collections.abc import Mapping
from typing import Any

from aem.isolation import (
    INSIDE_ENVIRONMENT,
    MAX_TEMPORARY_FILES,
    NOBODY,
    OPEN_FILES,
    RUNNER_COMMAND,
    TEMPORARY_BYTES,
    UnknownArchitectureError,
    architecture,
    docker_profile,
)
from sandbox.domain import RUNNER_MEMORY_BYTES, SandboxLimits
from sandbox.errors import SandboxUnavailableError

LABEL_OWNER = "aem.sandbox.owner"
LABEL_DEADLINE = "aem.sandbox.deadline"
LABEL_WORK = "aem.sandbox.work"

LABEL_CHARACTERS = 200

_RUNNER_SETTINGS = json.dumps(
    {"user": None, "rlimits": {}, "die_with_parent": False, "max_files": MAX_TEMPORARY_FILES}
)
"""The engine has set the user and the limits already."""


def container_settings(*, image: str, limits: SandboxLimits, labels: Mapping[str, str]) -> Any:
    """Return the body of the engine's "create a container" request (Docker Engine API 1.41).

    Args:
        image: the image's id, not a name that may be moved.
        limits: memory_bytes in bytes, pids in processes, nano_cpus in billionths of a processor.
        labels: by which the container is found when its owner is gone.

    Raises:
        SandboxUnavailableError: there is no system-call filter for this machine.
    """
    memory_bytes = limits.memory_bytes + RUNNER_MEMORY_BYTES
    return {
        "Image": image,
        "Entrypoint": list(RUNNER_COMMAND),
        "Cmd": [_RUNNER_SETTINGS],
        "Env": [f"{name}={value}" for name, value in INSIDE_ENVIRONMENT.items()],
        "User": f"{NOBODY}:{NOBODY}",
        "WorkingDir": "/",
        "Hostname": "sandbox",
        "Labels": dict(labels),
        "NetworkDisabled": True,
        "OpenStdin": True,
        "StdinOnce": True,  # the runner's input ends when its host goes away, however it goes
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": False,
        "Tty": False,
        "HostConfig": {
            **_fixed_host_settings(),
            "Memory": memory_bytes,
            "MemorySwap": memory_bytes,  # no swap on top
            "PidsLimit": limits.pids,
            "NanoCpus": limits.nano_cpus,
        },
    }


def _fixed_host_settings() -> dict[str, Any]:
    return {
        "NetworkMode": "none",
        "ReadonlyRootfs": True,
        "IpcMode": "none",
        "Init": False,  # the runner is PID 1: nothing inside can kill it, and it adopts orphans
        "Tmpfs": {
            "/tmp": "rw,noexec,nosuid,nodev,mode=1777,"  # noqa: S108 - inside
            f"size={TEMPORARY_BYTES},nr_inodes={MAX_TEMPORARY_FILES}"
        },
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges", f"seccomp={_seccomp()}"],
        "Ulimits": [
            _ulimit("nofile", OPEN_FILES),
            _ulimit("fsize", TEMPORARY_BYTES),
            _ulimit("core", 0),
            _ulimit("msgqueue", 0),
        ],
        "LogConfig": {"Type": "none", "Config": {}},
        "RestartPolicy": {"Name": "no"},
    }


def _ulimit(name: str, value: int) -> dict[str, Any]:
    return {"Name": name, "Soft": value, "Hard": value}


def _seccomp() -> str:
    try:
        return json.dumps(docker_profile(architecture(platform.machine())), sort_keys=True)
    except UnknownArchitectureError as error:
        raise SandboxUnavailableError(str(error)) from error


def container_profile() -> Mapping[str, Any]:
    """Return all settings that are the same for every container, for their digest."""
    settings = container_settings(image="", limits=SandboxLimits(), labels={})
    host = {**settings["HostConfig"], **dict.fromkeys(("Memory", "MemorySwap", "PidsLimit"), 0)}
    return {**settings, "HostConfig": {**host, "NanoCpus": 0}}
