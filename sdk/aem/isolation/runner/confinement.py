"""What the runner gives up before it reads a request."""

import ctypes
import os
import resource
import signal
from collections.abc import Mapping
from typing import Any

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG (prctl(2))
_SET_DUMPABLE = 4  # PR_SET_DUMPABLE


def confine(settings: Mapping[str, Any]) -> None:
    """Take another user's identity, set limits, and forbid that this process is looked into.

    Undumpable, its memory and descriptors cannot be opened through ``/proc`` by a candidate of
    the same user; forked children inherit that.

    Settings: ``user`` (a user id to become, or null), ``rlimits`` (name, as in ``NPROC``, to
    value), ``die_with_parent`` (whether to be killed when the process that started this one ends).

    Raises:
        OSError: the operating system refuses one of them.
    """
    user = settings["user"]
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    for name, value in settings["rlimits"].items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
    _set_option(_SET_DUMPABLE, 0)
    if settings["die_with_parent"]:  # changing the user cleared what bubblewrap had set
        _set_option(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def _set_option(option: int, value: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl failed")
