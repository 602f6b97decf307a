"""The process of a variant: imports the entry's module once and forks for every case."""

import gc
import importlib
import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from aem.isolation.runner.case import CaseProcess, describe
from aem.isolation.runner.folder import ARTIFACT_FOLDER
from aem.isolation.runner.stream import receive_exactly

MAX_START_REPORT_BYTES = 65_536

_LENGTH = struct.Struct("<Q")
_STATUS = struct.Struct("<i")


@dataclass(frozen=True, kw_only=True)
class Import:
    """How importing an entry went.

    Attributes:
        function: the entry's function; none where the import failed.
        report: ``status`` and ``error``, as the host is told.
    """

    function: Callable[..., Any] | None
    report: dict[str, str | None]


class Zygote:
    """The runner's end of the process."""

    def __init__(self, *, pid: int, connection: socket.socket) -> None:
        """Keep the process's id and the connection to it."""
        self.pid = pid
        self.connection = connection

    def start_report(self, *, wall_s: float) -> dict[str, Any] | None:
        """Return what the zygote says of its import; none where it says nothing sensible."""
        self.connection.settimeout(wall_s)
        try:
            (length,) = _LENGTH.unpack(receive_exactly(self.connection, _LENGTH.size))
            report = json.loads(
                receive_exactly(self.connection, min(length, MAX_START_REPORT_BYTES))
            )
        except (OSError, ValueError, RecursionError):
            return None
        return report if isinstance(report, dict) else None

    def dispatch(self, body: bytes, descriptors: Sequence[int], *, wall_s: float) -> None:
        """Hand over a case and the two descriptors that it writes to.

        Raises:
            OSError: the zygote is gone, or does not take it within its time.
        """
        self.connection.settimeout(wall_s)
        socket.send_fds(self.connection, [_LENGTH.pack(len(body))], descriptors)
        self.connection.sendall(body)

    def exit_status(self) -> int | None:
        """Return the wait status of the case's process; none where the zygote itself is gone."""
        try:
            status: int = _STATUS.unpack(receive_exactly(self.connection, _STATUS.size))[0]
        except OSError:
            return None
        return status


def run_zygote(connection: socket.socket, entry: str) -> NoReturn:
    """Import the entry, say how that went, then fork for each case."""
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.setsid()  # a candidate that kills its process group kills this variant alone
        imported = import_entry(entry)
        body = json.dumps(imported.report).encode()
        connection.sendall(_LENGTH.pack(len(body)) + body)
        gc.collect()
        gc.freeze()  # a collection in a case would copy every page of what was imported
        while imported.function is not None:
            _serve_case(connection, imported.function)
    finally:
        os._exit(1)  # nothing may unwind into the frames that the fork copied from the runner


def _serve_case(connection: socket.socket, function: Callable[..., Any]) -> None:
    header, descriptors, _, _ = socket.recv_fds(connection, _LENGTH.size, 2)
    if len(header) < _LENGTH.size:
        os._exit(0)
    body = receive_exactly(connection, _LENGTH.unpack(header)[0])
    pid = os.fork()
    if pid == 0:
        _run_case(connection, function, body, descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    connection.sendall(_STATUS.pack(os.waitpid(pid, 0)[1]))


def _run_case(
    connection: socket.socket,
    function: Callable[..., Any],
    body: bytes,
    descriptors: Sequence[int],
) -> NoReturn:
    try:
        connection.close()
        os.setsid()
        output_fd, report_fd = descriptors
        CaseProcess(function=function, output_fd=output_fd, report_fd=report_fd).serve(body)
    finally:
        os._exit(1)


def import_entry(entry: str) -> Import:
    """Import ``module:function`` from the artifact's folder."""
    sys.path.insert(0, ARTIFACT_FOLDER)
    module_name, _, function_name = entry.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), function_name)
        if not callable(function):
            raise TypeError(f"the entry {entry} is not callable")  # noqa: TRY301 - one way out
    except MemoryError:
        return Import(function=None, report={"status": "out_of_memory", "error": "MemoryError"})
    except BaseException as raised:  # noqa: BLE001 - whatever an import raises is its result
        return Import(function=None, report={"status": "error", "error": describe(raised)})
    return Import(function=function, report={"status": "loaded", "error": None})
