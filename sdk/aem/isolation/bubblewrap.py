"""Bubblewrap: a private root, namespaces and a system-call filter, without a container engine.

The runner is PID 1 of its own PID namespace, sees the interpreter and its libraries read-only,
a small writable ``/tmp``, no network and no path of the host.

Two ways in. An ordinary user gets a user namespace and is user 65534 inside. Root does not: in a
user namespace it would stay root for the kernel's accounts, which exempt root from the limit on
processes. So for root the namespaces are made directly, and the runner becomes a user that
nobody else is before it reads a request.

``--die-with-parent`` is left out: the kernel ties it to the *thread* that forked, so a sandbox
made in a short-lived thread would be killed with it. The runner ends with its standard input
instead, which closes when this process ends, however it ends.
"""

import json
import os
import platform
import secrets
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from aem.artifact import MAX_BUNDLE_BYTES, MAX_FILES
from aem.isolation.errors import IsolationError, NotAvailableError
from aem.isolation.interpreter import (
    COMMAND,
    ENVIRONMENT,
    EXECUTABLE,
    RUNNER_FOLDER,
    SHARED_LIBRARY_FOLDER,
    Interpreter,
    find_interpreter,
)
from aem.isolation.process import IsolatedProcess
from aem.isolation.protocol import load_request, read_load_reply, reply_limit_bytes
from aem.isolation.seccomp import architecture, bpf_program

NOBODY = 65534

SCRATCH_BYTES = 16 * 1024**2
TEMPORARY_BYTES = MAX_BUNDLE_BYTES + SCRATCH_BYTES
"""Size of ``/tmp``: the largest artifact, and what a case may write beside it."""

SCRATCH_FILES = 2_000
MAX_TEMPORARY_FILES = MAX_FILES + SCRATCH_FILES
"""Files and folders in ``/tmp``: without such a limit, empty files eat the kernel's memory."""

INTERPRETER_BYTES = 96 * 1024**2
"""Address space that the interpreter and its libraries take before a candidate does anything."""

OPEN_FILES = 256
FILE_BYTES = TEMPORARY_BYTES

PROBE_TIMEOUT_S = 20.0

_FIRST_OWN_USER = 1_500_000_000  # far above what system, human and container users are given
_OWN_USERS = 500_000_000


@dataclass(frozen=True, kw_only=True)
class ProcessLimits:
    """What the processes of one sandbox may use.

    Attributes:
        memory_bytes: for a candidate's process, beside the interpreter's own address space.
        pids: processes and threads at once, the runner's two included.
    """

    memory_bytes: int
    pids: int


def find_bubblewrap() -> str:
    """Return the path of ``bwrap``.

    Raises:
        NotAvailableError: it is not installed.
    """
    path = shutil.which("bwrap")
    if path is None:
        raise NotAvailableError("bubblewrap is not installed: apt-get install bubblewrap")
    return path


def bubblewrap_version() -> str:
    """Return the version that ``bwrap`` states, such as ``0.8.0``.

    Raises:
        NotAvailableError: it is not installed, or does not run.
    """
    try:
        said = subprocess.run(
            [find_bubblewrap(), "--version"],
            capture_output=True,
            text=True,
            timeout=PROBE_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise NotAvailableError(f"bwrap does not run: {error}") from error
    return said.stdout.split()[-1]


def bubblewrap_arguments(interpreter: Interpreter, *, seccomp_fd: int, is_root: bool) -> list[str]:
    """Return bwrap's options and the command, to which the runner's settings are to be added."""
    options = ["--new-session", "--as-pid-1", "--clearenv", "--hostname", "sandbox"]
    options += _identity(is_root=is_root)
    for name in ("ipc", "pid", "net", "uts", "cgroup-try"):
        options.append(f"--unshare-{name}")
    options += _root(interpreter)
    for name, value in ENVIRONMENT.items():
        options += ["--setenv", name, value]
    options += ["--chdir", "/", "--seccomp", str(seccomp_fd), "--"]
    return [*options, *COMMAND]


def _identity(*, is_root: bool) -> list[str]:
    if is_root:
        return ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    return ["--unshare-user", "--uid", str(NOBODY), "--gid", str(NOBODY)]


def _root(interpreter: Interpreter) -> list[str]:
    """Build the private root: only what is named here exists inside."""
    mounts = {
        str(interpreter.executable): EXECUTABLE,
        str(interpreter.standard_library): interpreter.standard_library_inside,
        str(interpreter.loader): str(interpreter.loader),
        str(interpreter.runner): RUNNER_FOLDER,
    }
    for name, path in interpreter.shared_libraries.items():
        mounts[str(path)] = f"{SHARED_LIBRARY_FOLDER}/{name}"
    options = []
    for folder in _folders_above(mounts.values()):
        options += ["--perms", "0755", "--dir", folder]  # bwrap's own choice is root's alone
    for outside, inside in mounts.items():
        options += ["--ro-bind", outside, inside]
    if (interpreter.standard_library / "site-packages").is_dir():
        options += ["--tmpfs", f"{interpreter.standard_library_inside}/site-packages"]
        options += ["--remount-ro", f"{interpreter.standard_library_inside}/site-packages"]
    options += ["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"]
    options += ["--perms", "1777", "--size", str(TEMPORARY_BYTES), "--tmpfs", "/tmp"]  # noqa: S108 - inside
    return [*options, "--remount-ro", "/"]


def _folders_above(paths: Iterable[str]) -> list[str]:
    """Return the folders that hold these paths, outer ones first."""
    return sorted({str(folder) for path in paths for folder in PurePath(path).parents} - {"/"})


def runner_settings(limits: ProcessLimits, *, is_root: bool) -> str:
    """Return the runner's one argument (`aem.isolation.runner.confinement`)."""
    settings = {
        "user": _FIRST_OWN_USER + secrets.randbelow(_OWN_USERS) if is_root else None,
        "rlimits": {
            "AS": limits.memory_bytes + INTERPRETER_BYTES,
            "CORE": 0,
            "FSIZE": FILE_BYTES,
            "MSGQUEUE": 0,
            "NOFILE": OPEN_FILES,
            "NPROC": limits.pids,
        },
        "die_with_parent": False,
        "max_files": MAX_TEMPORARY_FILES,
    }
    return json.dumps(settings, sort_keys=True)


def start_bubblewrap(interpreter: Interpreter, limits: ProcessLimits) -> IsolatedProcess:
    """Start a runner in a sandbox of its own; it waits for requests.

    Raises:
        NotAvailableError: bwrap is not installed, or there is no filter for this machine.
    """
    is_root = os.geteuid() == 0
    program = bpf_program(architecture(platform.machine()))
    read_fd, write_fd = os.pipe()
    try:
        with os.fdopen(write_fd, "wb") as pipe:
            pipe.write(program)  # far less than a pipe holds
        arguments = bubblewrap_arguments(interpreter, seccomp_fd=read_fd, is_root=is_root)
        settings = runner_settings(limits, is_root=is_root)
        return IsolatedProcess([find_bubblewrap(), *arguments, settings], pass_fds=[read_fd])
    except OSError as error:
        raise NotAvailableError(f"bwrap cannot be started: {error}") from error
    finally:
        os.close(read_fd)


def bubblewrap_problem() -> str | None:
    """Say why bubblewrap cannot isolate here; none if it can: a runner was really started."""
    request = load_request(
        variant="probe", entry="probe:run", files={"probe.py": b"def run(i, c): ..."}, wall_s=10.0
    )
    limits = ProcessLimits(memory_bytes=SCRATCH_BYTES, pids=16)
    try:
        process = start_bubblewrap(find_interpreter(), limits)
    except NotAvailableError as error:
        return str(error)
    try:
        process.send(request, timeout_s=PROBE_TIMEOUT_S)
        limit_bytes = reply_limit_bytes(0)
        reply = read_load_reply(
            process.receive(timeout_s=PROBE_TIMEOUT_S, limit_bytes=limit_bytes)
        )
    except IsolationError as error:
        return f"bwrap does not start a program here: {process.last_words() or error}"
    finally:
        process.close()
    if reply.status != "loaded":
        return f"bwrap's sandbox does not load a module: {reply.error}"
    return None


def bubblewrap_profile() -> Mapping[str, object]:
    """Return all that shapes the isolation, for a digest that says under what a case ran.

    Raises:
        UnknownArchitectureError: there is no filter for this machine.
    """
    return {
        "environment": dict(ENVIRONMENT),
        "file_bytes": FILE_BYTES,
        "interpreter_bytes": INTERPRETER_BYTES,
        "max_temporary_files": MAX_TEMPORARY_FILES,
        "open_files": OPEN_FILES,
        "seccomp_bpf": bpf_program(architecture(platform.machine())).hex(),
        "temporary_bytes": TEMPORARY_BYTES,
        "unshare": ["user or own user id", "ipc", "pid", "net", "uts", "cgroup"],
    }
