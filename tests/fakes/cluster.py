"""A PostgreSQL server of a test's own, with fsync on, that can be killed and started again."""

import os
import signal
import time
from pathlib import Path
from subprocess import CalledProcessError

from benchmarks.postgres import SETTINGS, Cluster

START_TIMEOUT_S = 60.0


class KillableCluster(Cluster):
    """A cluster whose processes die together, in the middle of whatever they do."""

    def kill(self) -> None:
        """Kill the postmaster and all its children with SIGKILL."""
        postmaster = int((self._folder / "data" / "postmaster.pid").read_text().split("\n")[0])
        listed = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text()
        for pid in (postmaster, *map(int, listed.split())):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def start_again(self) -> None:
        """Start it on the same data; it recovers from its log."""
        options = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())
        options += f" -p {self._port} -k {self._folder}"
        log = str(self._folder / "log")
        give_up_s = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                self._run(
                    "pg_ctl", "-D", str(self._folder / "data"), "-w", "-l", log, "-o", options,
                    "start",
                )  # fmt: skip
            except CalledProcessError:  # its children are still dying
                if time.monotonic() > give_up_s:
                    raise
                time.sleep(0.2)
            else:
                return
