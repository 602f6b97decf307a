from pathlib import Path

import pytest

from sandbox.cgroup import CgroupV1Meter, CgroupV2Meter, find_cgroup_meter
from sandbox.port import MeterReading

EXPECTED = MeterReading(cpu_ms=1234, memory_peak_bytes=5_000_000, memory_kills=2)


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def machine(folder: Path, cgroup: str, *mounts: str) -> dict[str, Path]:
    """A made-up /proc with process 7 and a list of mounts."""
    write(folder / "proc" / "7", cgroup=cgroup)
    lines = [f"30 23 0:26 / {place} rw - {kind} {options}" for place, kind, options in mounts]
    write(folder, mountinfo="\n".join(["1 1 8:1 / / rw - ext4 /dev/sda rw", *lines]) + "\n")
    return {"proc": folder / "proc", "mounts": folder / "mountinfo"}


def test_version_1(tmp_path: Path) -> None:
    write(tmp_path / "cpu" / "docker" / "abc", cpuacct__usage="1234567890\n")
    write(
        tmp_path / "memory" / "docker" / "abc",
        memory__max_usage_in_bytes="5000000\n",
        memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    )
    places = machine(
        tmp_path,
        "4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n0::/\n",
        (tmp_path / "cpu", "cgroup", "cgroup rw,cpu,cpuacct"),
        (tmp_path / "memory", "cgroup", "cgroup rw,memory"),
        (tmp_path / "unified", "cgroup2", "cgroup2 rw"),
    )
    meter = find_cgroup_meter(7, "abc", **places)
    assert isinstance(meter, CgroupV1Meter)
    assert meter.read() == EXPECTED


@pytest.mark.parametrize("memory_file", ["memory__peak", "memory__current"])
def test_version_2_also_before_it_had_a_peak(tmp_path: Path, memory_file: str) -> None:
    group = write(
        tmp_path / "unified" / "system.slice" / "docker-abc.scope",
        cpu__stat="usage_usec 1234567\nuser_usec 1\n",
        memory__events="low 0\noom 2\noom_kill 2\n",
        **{memory_file: "5000000\n"},
    )
    places = machine(
        tmp_path,
        "0::/system.slice/docker-abc.scope\n",
        (tmp_path / "unified", "cgroup2", "cgroup2 rw,nsdelegate"),
    )
    meter = find_cgroup_meter(7, "abc", **places)
    assert isinstance(meter, CgroupV2Meter)
    assert meter.read() == EXPECTED
    assert find_cgroup_meter(7, "def", **places) is None  # process 7 here is another one there
    (group / "cpu.stat").unlink()
    with pytest.raises(OSError, match=r"cpu\.stat"):
        meter.read()


def test_a_container_of_another_machine_has_no_meter_here(tmp_path: Path) -> None:
    places = machine(
        tmp_path,
        "0::/system.slice/docker-abc.scope\n",
        (tmp_path / "unified", "cgroup2", "cgroup2 rw"),
    )
    assert find_cgroup_meter(7, "abc", **places) is None  # its group is not there
    assert find_cgroup_meter(8, "abc", **places) is None  # no such process
    write(tmp_path / "proc" / "7", cgroup="")
    assert find_cgroup_meter(7, "abc", **places) is None  # no group at all
