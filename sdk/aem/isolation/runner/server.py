"""The runner itself: takes requests, keeps variants and their zygotes, bounds every case."""

import base64
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterable
from typing import Any, NoReturn

from aem.isolation.runner.confinement import confine
from aem.isolation.runner.folder import clear, count_files, lay_out
from aem.isolation.runner.intake import Intake
from aem.isolation.runner.processes import (
    collect_ended,
    keep_only,
    kill_all,
    other_process_ids,
)
from aem.isolation.runner.stream import READ_BYTES, write_all
from aem.isolation.runner.zygote import Zygote, run_zygote

MAX_REPORT_BYTES = 1_048_576
"""Room for 100,000 executed lines; a report past it is cut off and so unreadable."""

FILE_CHECK_INTERVAL_S = 0.05
"""How often a case's files are counted, where the file system itself keeps no such limit."""

PRELOADED_MODULES = (
    "collections",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "functools",
    "itertools",
    "math",
    "re",
    "string",
    "typing",
    "unicodedata",
)
"""What artifacts import most: variants inherit them and load in milliseconds."""


class Variant:
    """A loaded artifact: its files, kept in memory, and its zygote while that lives."""

    def __init__(self, *, files: dict[str, bytes], entry: str) -> None:
        """Keep the files (path to content) and the entry; nothing is started."""
        self.files = files
        self.entry = entry
        self.zygote: Zygote | None = None


class Runner:
    """Serves requests until their stream ends."""

    def __init__(self, *, requests_fd: int, replies_fd: int, max_files: int) -> None:
        """Serve on two descriptors that no candidate's process inherits."""
        self._requests_fd = requests_fd
        self._replies_fd = replies_fd
        self._max_files = max_files
        self._waiting = bytearray()
        self._variants: dict[str, Variant] = {}

    def serve(self) -> NoReturn:
        """Answer requests one by one."""
        operations = {"load": self._load, "run": self._run, "drop": self._drop}
        while True:
            request = json.loads(self._next_line())
            reply = operations[request["op"]](request)
            write_all(self._replies_fd, json.dumps(reply).encode() + b"\n")

    def _next_line(self) -> bytes:
        searched = 0
        while (end := self._waiting.find(b"\n", searched)) < 0:
            searched = len(self._waiting)
            self._take_requests()
        line = bytes(self._waiting[:end])
        del self._waiting[: end + 1]
        return line

    def _take_requests(self) -> None:
        chunk = os.read(self._requests_fd, READ_BYTES)
        if not chunk:
            os._exit(0)  # the kernel then kills all that is left in the namespace
        self._waiting += chunk

    def _drop(self, request: dict[str, Any]) -> dict[str, Any]:
        variant = self._variants.pop(request["variant"], None)
        if variant is not None and variant.zygote is not None:
            os.kill(variant.zygote.pid, signal.SIGKILL)
            os.waitpid(variant.zygote.pid, 0)
            variant.zygote.connection.close()
        return {"status": "dropped"}

    def _load(self, request: dict[str, Any]) -> dict[str, Any]:
        files = {path: base64.b64decode(text) for path, text in request["files"].items()}
        variant = Variant(files=files, entry=request["entry"])
        self._variants[request["variant"]] = variant
        report = self._start(variant, wall_s=request["wall_s"])
        self._clean()
        return report

    def _start(self, variant: Variant, *, wall_s: float) -> dict[str, Any]:
        """Make the variant's zygote and return its report of the import."""
        try:
            lay_out(variant.files)
        except OSError as error:
            return {"status": "error", "error": f"the files do not fit in: {error.strerror}"}
        deadline = time.monotonic() + wall_s
        zygote = self._fork_zygote(variant.entry)
        report = self._await_start(zygote, deadline=deadline)
        if report.get("status") == "loaded":
            variant.zygote = zygote
        else:
            zygote.connection.close()
        return report

    def _fork_zygote(self, entry: str) -> Zygote:
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            keep_only(theirs.fileno())
            run_zygote(theirs, entry)
        theirs.close()
        return Zygote(pid=pid, connection=ours)

    def _await_start(self, zygote: Zygote, *, deadline: float) -> dict[str, Any]:
        if not self._wait([zygote.connection.fileno()], deadline=deadline):
            return {"status": "timeout", "error": "the import did not end within its wall time"}
        report = zygote.start_report(wall_s=max(0.001, deadline - time.monotonic()))
        if report is None:
            return {"status": "crashed", "error": "the import ended its process"}
        return report

    def _run(self, request: dict[str, Any]) -> dict[str, Any]:
        variant = self._variants[request["variant"]]
        if variant.zygote is None:
            report = self._start(variant, wall_s=request["load_wall_s"])
        else:
            lay_out(variant.files)
        if variant.zygote is None:
            reply = _reply(stopped="not_loaded", error=report["error"])
        else:
            reply = self._run_case(variant.zygote, request)
            if reply["exit_status"] is None:
                variant.zygote = None  # busy, stuck or gone: the next case has a new one
        self._clean()
        return reply

    def _run_case(self, zygote: Zygote, request: dict[str, Any]) -> dict[str, Any]:
        deadline = time.monotonic() + request["wall_s"]
        output, report = Intake(request["output_bytes"]), Intake(MAX_REPORT_BYTES)
        body = {name: request[name] for name in ("input", "trace_lines", "wall_s")}
        descriptors = [output.write_fd, report.write_fd]
        try:
            zygote.dispatch(json.dumps(body).encode(), descriptors, wall_s=request["wall_s"])
        except OSError as error:
            return _reply(error=f"the variant's process takes no case: {error}")
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        try:
            return self._await_case(zygote, output, report, deadline=deadline)
        finally:
            output.close()
            report.close()

    def _await_case(
        self, zygote: Zygote, output: Intake, report: Intake, *, deadline: float
    ) -> dict[str, Any]:
        """Take in what the case writes until it exits or breaks a limit."""
        sources = {output.read_fd: output, report.read_fd: report}
        while True:
            next_look = min(deadline, time.monotonic() + FILE_CHECK_INTERVAL_S)
            ready = self._wait([zygote.connection.fileno(), *sources], deadline=next_look)
            if zygote.connection.fileno() in ready:
                break
            for descriptor in ready:
                if not sources[descriptor].read():
                    sources.pop(descriptor)  # closed by the case, or over its limit
            if output.is_over:
                return _reply(stopped="output_too_large", report=report)
            if count_files() > self._max_files:
                return _reply(stopped="too_many_files", report=report)
            if time.monotonic() >= deadline:
                return _reply(stopped="timeout", report=report)
        exit_status = zygote.exit_status()
        output.drain()  # what a daemon that holds the pipe writes later is not waited for
        report.drain()
        if output.is_over:
            return _reply(stopped="output_too_large", exit_status=exit_status, report=report)
        return _reply(exit_status=exit_status, output=output, report=report)

    def _wait(self, sources: Iterable[int], *, deadline: float) -> set[int]:
        """Return the descriptors that are ready; none at the deadline. Takes requests in."""
        poll = select.poll()
        poll.register(self._requests_fd, select.POLLIN)
        for source in sources:
            poll.register(source, select.POLLIN)
        while (left_ms := (deadline - time.monotonic()) * 1000) > 0:
            ready = {descriptor for descriptor, _ in poll.poll(left_ms)}
            if self._requests_fd in ready:
                self._take_requests()
                ready.remove(self._requests_fd)
            if ready:
                return ready
        return set()

    def _clean(self) -> None:
        """Leave nothing of the last case: no process, no file."""
        ended = collect_ended()
        known = {variant.zygote.pid for variant in self._variants.values() if variant.zygote}
        if not known.issuperset(other_process_ids()):
            ended |= kill_all()
        for variant in self._variants.values():
            if variant.zygote is not None and variant.zygote.pid in ended:
                variant.zygote.connection.close()
                variant.zygote = None
        clear()


def _reply(
    *,
    stopped: str | None = None,
    error: str | None = None,
    exit_status: int | None = None,
    output: Intake | None = None,
    report: Intake | None = None,
) -> dict[str, Any]:
    return {
        "stopped": stopped,
        "error": error,
        "exit_status": exit_status,
        "output": base64.b64encode(output.data if output else b"").decode(),
        "report": base64.b64encode(report.data if report else b"").decode(),
    }


def main() -> NoReturn:
    """Serve as PID 1 until the requests end; the settings are the one argument.

    Raises:
        SystemExit: this process is not PID 1; nothing was done.
    """
    if os.getpid() != 1:
        raise SystemExit("the runner kills every process that it sees: it must be PID 1")
    settings = json.loads(sys.argv[1])
    confine(settings)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests_fd, replies_fd, errors_fd = os.dup(0), os.dup(1), os.dup(2)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    for name in PRELOADED_MODULES:
        importlib.import_module(name)
    gc.freeze()
    try:
        Runner(
            requests_fd=requests_fd, replies_fd=replies_fd, max_files=settings["max_files"]
        ).serve()
    except BaseException:
        write_all(errors_fd, traceback.format_exc().encode())
        raise
