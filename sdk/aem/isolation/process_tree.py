"""What a process and all its descendants use, read from the host's ``/proc``.

The host's own reading: a sandboxed process cannot change what the kernel says of it here.
"""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

# Fields of /proc/PID/stat behind the command's closing parenthesis (proc(5), utime is number 14).
_FIRST_TIME = 11
_AFTER_TIMES = 15


@dataclass(frozen=True, kw_only=True)
class TreeReading:
    """The use of a tree of processes.

    Attributes:
        cpu_ms: user and system time, of ended and collected descendants too.
        memory_bytes: resident memory that is not shared with files, summed over processes; pages
            that a fork shares count once for each.
    """

    cpu_ms: int
    memory_bytes: int


def read_tree(root_pid: int) -> TreeReading:
    """Read the use of a process and its descendants; what ended meanwhile counts nothing."""
    ticks = pages = 0
    for pid in tree_ids(root_pid):
        stat = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
        memory = _read(Path(f"/proc/{pid}/statm")).split()
        if not stat or not memory:
            continue
        ticks += sum(map(int, stat[_FIRST_TIME:_AFTER_TIMES]))
        pages += int(memory[1]) - int(memory[2])
    return TreeReading(cpu_ms=ticks * 1000 // _TICKS_PER_S, memory_bytes=pages * _PAGE_BYTES)


def tree_ids(root_pid: int) -> list[int]:
    """Return the ids of a process and its descendants, parents first."""
    found = [root_pid]
    for pid in found:  # grows while it is walked
        found += child_ids(pid)
    return found


def child_ids(pid: int) -> list[int]:
    """Return the ids of a process's children; none if it has ended."""
    children: list[int] = []
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            children += map(int, _read(thread / "children").split())
    return children


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
