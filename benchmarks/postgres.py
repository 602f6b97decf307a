"""A throw-away PostgreSQL cluster that keeps what it commits, and pgbench beside it."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

SETTINGS: Mapping[str, str] = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "random_page_cost": "1.1",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "max_connections": "200",
    "listen_addresses": "127.0.0.1",
}
"""What differs from PostgreSQL's defaults, or would spoil the comparison if it did."""

OWNER = "postgres"
"""Who runs the server where we are root, which it refuses to be run by."""

PGBENCH_THREADS = 2


class Cluster:
    """A server on a free port of the loopback; a context manager."""

    def __init__(self) -> None:
        """Find the programs; nothing is started yet."""
        self._programs = find_programs()
        self._folder = Path(tempfile.mkdtemp(prefix="aem-bench-pg-"))
        self._port = free_port()

    def __enter__(self) -> Self:
        """Make and start it."""
        if os.geteuid() == 0:
            shutil.chown(self._folder, OWNER)
        data = str(self._folder / "data")
        self._run("initdb", "-D", data, "-A", "trust", "-U", OWNER)
        options = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())
        options += f" -p {self._port} -k {self._folder}"
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", data, "-w", "-l", log, "-o", options, "start")
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Stop and remove it."""
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "fast", "stop")
        shutil.rmtree(self._folder)

    def address(self, database: str) -> str:
        """Return a database's address for psycopg."""
        return f"postgresql://{OWNER}@127.0.0.1:{self._port}/{database}"

    def create(self, database: str) -> str:
        """Make an empty database; return its address for SQLAlchemy."""
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}"'.encode())
        return self.address(database).replace("postgresql:", "postgresql+psycopg:")

    def fill_pgbench(self, *, scale: int) -> None:
        """Make TPC-B's tables."""
        self.create("pgbench")
        self._run("pgbench", *self._server(), "-i", "-q", "-s", str(scale), "pgbench")

    def pgbench(self, *, clients: int, seconds: float) -> float:
        """Return TPC-B's transactions a second."""
        threads = min(clients, PGBENCH_THREADS)
        load = ["-n", "-c", str(clients), "-j", str(threads), "-T", str(max(1, round(seconds)))]
        answer = self._run("pgbench", *self._server(), *load, "pgbench")
        found = re.search(r"tps = ([0-9.]+)", answer)
        if found is None:
            raise SystemExit(f"pgbench said nothing of its speed: {answer}")
        return float(found.group(1))

    def _server(self) -> list[str]:
        return ["-h", "127.0.0.1", "-p", str(self._port), "-U", OWNER]

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [self._programs / program, *arguments],
            user=OWNER if os.geteuid() == 0 else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if program == "initdb" else subprocess.DEVNULL,
            text=True,
            check=True,
            cwd=self._folder,
        )
        return done.stdout


def find_programs() -> Path:
    """Return the folder of PostgreSQL's server programs, the newest ones'."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name)
    on_path = shutil.which("pg_ctl")
    if debian:
        return debian[-1]
    if on_path is None:
        raise SystemExit("no PostgreSQL server here: install the package postgresql")
    return Path(on_path).parent


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
