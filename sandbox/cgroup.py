"""The host's own meter of a container: its control group's files, versions 1 and 2.

Sources: the kernel's ``cgroup-v1/memory``, ``cgroup-v1/cpuacct`` and ``cgroup-v2`` documents.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.port import MeterReading

_NS_PER_MS = 1_000_000
_US_PER_MS = 1_000


@dataclass(frozen=True, kw_only=True)
class CgroupV1Meter:
    """Reads a container's groups of the ``cpuacct`` and ``memory`` hierarchies."""

    cpu_folder: Path
    memory_folder: Path

    def read(self) -> MeterReading:
        """Return what was used so far.

        Raises:
            OSError: the group is gone: so is its container.
        """
        kills = _fields(self.memory_folder / "memory.oom_control").get("oom_kill", 0)
        return MeterReading(
            cpu_ms=_number(self.cpu_folder / "cpuacct.usage") // _NS_PER_MS,
            memory_peak_bytes=_number(self.memory_folder / "memory.max_usage_in_bytes"),
            memory_kills=kills,
        )


@dataclass(frozen=True, kw_only=True)
class CgroupV2Meter:
    """Reads a container's group of the unified hierarchy."""

    folder: Path

    def read(self) -> MeterReading:
        """Return what was used so far.

        ``memory.peak`` came with Linux 5.19; before that the present use stands in for it, and
        the caller's readings between cases make the peak.

        Raises:
            OSError: the group is gone: so is its container.
        """
        peak = self.folder / "memory.peak"
        memory = peak if peak.exists() else self.folder / "memory.current"
        return MeterReading(
            cpu_ms=_fields(self.folder / "cpu.stat")["usage_usec"] // _US_PER_MS,
            memory_peak_bytes=_number(memory),
            memory_kills=_fields(self.folder / "memory.events").get("oom_kill", 0),
        )


def find_cgroup_meter(
    pid: int,
    container_id: str,
    *,
    proc: Path = Path("/proc"),
    mounts: Path = Path("/proc/self/mountinfo"),
) -> CgroupV1Meter | CgroupV2Meter | None:
    """Find the meter of a container by its first process; none where it cannot be seen from here.

    An engine on another machine, or in another PID namespace, names a process that is another
    one here, or none: the group must bear the container's id.
    """
    try:
        groups = _groups((proc / str(pid) / "cgroup").read_text())
        hierarchies = _hierarchies(mounts.read_text())
        own = {name: path for name, path in groups.items() if container_id in path}
        return _read_once(own, hierarchies)
    except OSError:
        return None


def _read_once(
    groups: Mapping[str, str], hierarchies: Mapping[str, Path]
) -> CgroupV1Meter | CgroupV2Meter | None:
    """Make the meter that fits, and read it: a path that leads nowhere is found out here."""
    meter: CgroupV1Meter | CgroupV2Meter
    if {"cpuacct", "memory"} <= groups.keys() & hierarchies.keys():
        meter = CgroupV1Meter(
            cpu_folder=hierarchies["cpuacct"] / groups["cpuacct"],
            memory_folder=hierarchies["memory"] / groups["memory"],
        )
    elif "" in groups and "" in hierarchies:
        meter = CgroupV2Meter(folder=hierarchies[""] / groups[""])
    else:
        return None
    meter.read()
    return meter


def _groups(text: str) -> dict[str, str]:
    """Read /proc/PID/cgroup: controller, "" for the unified hierarchy, to relative path."""
    groups = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            groups[controller] = path.lstrip("/")
    return groups


def _hierarchies(text: str) -> dict[str, Path]:
    """Read mountinfo (proc(5)): controller, "" for the unified hierarchy, to mount point."""
    hierarchies = {}
    for line in text.splitlines():
        fields = line.split(" ")
        kind, options = fields[fields.index("-") + 1], fields[-1]
        if kind == "cgroup2":
            hierarchies[""] = Path(fields[4])
        elif kind == "cgroup":
            for controller in options.split(","):
                hierarchies[controller] = Path(fields[4])
    return hierarchies


def _number(path: Path) -> int:
    return int(path.read_text())


def _fields(path: Path) -> dict[str, int]:
    return {name: int(value) for name, value in map(str.split, path.read_text().splitlines())}
