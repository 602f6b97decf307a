"""A service of one's own for a while: `aem serve` as a child, in a folder of its own."""

import os
import re
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Self

import click

START_TIMEOUT_S = 120.0
"""The first start builds the sandbox's image."""

STOP_TIMEOUT_S = 20.0
_ADDRESS = re.compile(r"listens on (http://\S+)")
_KEY = re.compile(r"^\s+(aem_\S+)$")
_KEPT_LINES = 50


class EmbeddedService:
    """Runs the service until the block ends; its output is kept for when it fails."""

    def __init__(self, folder: Path, **settings: str) -> None:
        """Remember where and how; `settings` are AEM_ variables without their prefix."""
        self._environment = os.environ | {
            "AEM_DATA_FOLDER": str(folder),
            **{f"AEM_{name.upper()}": value for name, value in settings.items()},
        }
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._ready = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self.url = ""
        self.operator_key = ""
        self.notices: list[str] = []

    def __enter__(self) -> Self:
        """Start it and wait until it listens.

        Raises:
            click.ClickException: it ended or did not come up in time; shows its last words.
        """
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "serve", "--port", "0"],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()
        if not self._ready.wait(START_TIMEOUT_S) or not self.url:
            self._end(self._process)
            raise click.ClickException("the service did not start:\n" + "".join(self._lines))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it; show its last words if the block failed."""
        if self._process is not None:
            self._end(self._process)
        if kind is not None and self._lines:
            click.echo("the service's last words:\n" + "".join(self._lines), err=True)

    def _read(self, process: subprocess.Popen[str]) -> None:
        if process.stdout is None:
            raise RuntimeError("the service's output is not piped")
        with process.stdout as lines:
            for line in lines:
                self._lines.append(line)
                if found := _KEY.match(line):
                    self.operator_key = found[1]
                elif line.startswith("NOTICE"):
                    self.notices.append(line.strip())
                elif found := _ADDRESS.search(line):
                    self.url = found[1]
                    self._ready.set()
        self._ready.set()

    def _end(self, process: subprocess.Popen[str]) -> None:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._reader is not None:
            self._reader.join()
