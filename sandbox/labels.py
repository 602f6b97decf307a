"""Labels of containers: by them whoever comes later tells what is left over from what lives."""

import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from core.database import format_instant, parse_instant
from sandbox.profile import LABEL_CHARACTERS, LABEL_DEADLINE, LABEL_OWNER, LABEL_WORK

_STARTED_FIELD = 19  # of /proc/PID/stat, counted behind the command (proc(5): starttime is 22)


def owner_labels(work: str, *, now: datetime, lifetime_s: float) -> dict[str, str]:
    """Return the labels of a container that this process makes."""
    return {
        LABEL_OWNER: own_identity(),
        LABEL_DEADLINE: format_instant(now + timedelta(seconds=lifetime_s)),
        LABEL_WORK: work[:LABEL_CHARACTERS],
    }


def is_leftover(labels: Mapping[str, str], *, now: datetime) -> bool:
    """Say whether a container may be removed: its deadline has passed, or its owner has ended.

    An owner is judged only by who can see it: the same boot of the same machine, the same PID
    namespace. Of all others the deadline alone tells.
    """
    try:
        if parse_instant(labels[LABEL_DEADLINE]) <= now:
            return True
        place, _, process = labels[LABEL_OWNER].rpartition("/")
        pid, _, started = process.partition("@")
        return place == _own_place() and _started(int(pid)) != started
    except (KeyError, ValueError):
        return False  # not labelled by this code: not ours to remove


def own_identity() -> str:
    """Return what names this process among all that ever ran on machines like this one."""
    return f"{_own_place()}/{os.getpid()}@{_started(os.getpid())}"


def _own_place() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    namespace = Path("/proc/self/ns/pid").stat().st_ino
    return f"{boot}/{namespace}"


def _started(pid: int) -> str | None:
    """Return when a process started, in clock ticks since boot; none where there is no such."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[_STARTED_FIELD]
