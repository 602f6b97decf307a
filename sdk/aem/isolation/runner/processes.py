"""The processes of the namespace, and the descriptors that a new one is left with."""

import contextlib
import os
import resource
import signal


def other_process_ids() -> list[int]:
    """Return the ids of all processes of the namespace but this one."""
    own = os.getpid()
    names = os.listdir("/proc")  # noqa: PTH208 - after every case: pathlib would take longer
    return [int(name) for name in names if name.isdigit() and int(name) != own]


def kill_all() -> set[int]:
    """Kill every process but this one, collect them, and return the ids of those collected.

    One call for all of them: a fork bomb outruns whoever kills one by one.
    """
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    return _collect(0)


def collect_ended() -> set[int]:
    """Collect the children that have ended by themselves, and return their ids."""
    return _collect(os.WNOHANG)


def _collect(options: int) -> set[int]:
    ended = set()
    with contextlib.suppress(ChildProcessError):
        while (pid := os.waitpid(-1, options)[0]) != 0:
            ended.add(pid)
    return ended


def keep_only(descriptor: int) -> None:
    """Close every descriptor but the first three and this one."""
    os.closerange(3, descriptor)
    os.closerange(descriptor + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
