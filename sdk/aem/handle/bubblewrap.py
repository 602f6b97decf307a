"""Running a version out of the agent's process, in bubblewrap: the way for code of others.

One sandbox serves a version's calls one after the other, each in a process of its own, under the
manifest's limits.
"""

import json
import threading
from typing import Any

from aem.artifact import Bundle, Entry
from aem.handle.errors import (
    CallFailedError,
    InputRefusedError,
    LoadFailedError,
    NotIsolatedError,
)
from aem.handle.runtime import require_entry
from aem.isolation import (
    CaseReply,
    IsolatedProcess,
    IsolationError,
    NotAvailableError,
    ProcessLimits,
    bubblewrap_problem,
    find_interpreter,
    load_request,
    read_case_reply,
    read_load_reply,
    reply_limit_bytes,
    run_request,
    start_bubblewrap,
)

LOAD_WALL_S = 10.0
"""For importing a version: as long as any cold interpreter with the standard library takes."""

GRACE_S = 5.0
"""Beyond a call's own wall time, for starting its process and carrying the answer."""

PROCESSES = 64

_VARIANT = "version"


class BubblewrapRuntime:
    """A version loaded in a sandbox of its own; one that breaks is made anew for the next call."""

    def __init__(self, bundle: Bundle) -> None:
        """Start a sandbox and import the version's entry in it.

        Raises:
            UnsupportedKindError: it is no Python artifact.
            NotIsolatedError: bubblewrap does not work on this machine.
            LoadFailedError: the import raised, or did not end.
        """
        self._entry: Entry = require_entry(bundle)
        self._bundle = bundle
        self._limits = bundle.manifest.limits
        self._talking = threading.Lock()
        self._process: IsolatedProcess | None = self._start()

    def call(self, value: Any) -> Any:
        """Return the artifact's answer (`Runtime.call`); calls wait for each other."""
        try:
            request = run_request(
                variant=_VARIANT,
                case_input=value,
                wall_s=self._limits.wall_s,
                load_wall_s=LOAD_WALL_S,
                output_bytes=self._limits.output_bytes,
                trace_lines=False,
            )
        except (TypeError, ValueError, RecursionError) as error:
            raise InputRefusedError(f"the input is no JSON value: {error}") from error
        with self._talking:
            reply = self._run(request)
        if reply.output is None:
            raise self._failed(reply.status, reply.error or reply.status)
        return self._parsed(reply.output)

    def close(self) -> None:
        """End the sandbox."""
        with self._talking:
            self._stop()

    def _start(self) -> IsolatedProcess:
        limits = ProcessLimits(memory_bytes=self._limits.memory_bytes, pids=PROCESSES)
        try:
            process = start_bubblewrap(find_interpreter(), limits)
        except NotAvailableError as error:
            raise self._not_isolated(error.message) from error
        try:
            self._load(process)
        except BaseException:
            process.close()
            raise
        return process

    def _load(self, process: IsolatedProcess) -> None:
        request = load_request(
            variant=_VARIANT,
            entry=f"{self._entry.module}:{self._entry.function}",
            files=self._bundle.files,
            wall_s=LOAD_WALL_S,
        )
        try:
            process.send(request, timeout_s=LOAD_WALL_S)
            line = process.receive(
                timeout_s=LOAD_WALL_S + GRACE_S, limit_bytes=reply_limit_bytes(0)
            )
            reply = read_load_reply(line)
        except IsolationError as error:
            problem = bubblewrap_problem()
            if problem is not None:
                raise self._not_isolated(problem) from error
            raise self._not_loaded(error.message) from error
        if reply.status != "loaded":
            raise self._not_loaded(reply.error or reply.status)

    def _run(self, request: bytes) -> CaseReply:
        if self._process is None:
            self._process = self._start()
        try:
            self._process.send(request, timeout_s=GRACE_S)
            line = self._process.receive(
                timeout_s=self._limits.wall_s + LOAD_WALL_S + GRACE_S,
                limit_bytes=reply_limit_bytes(self._limits.output_bytes),
            )
            return read_case_reply(line, output_bytes=self._limits.output_bytes)
        except IsolationError as error:
            self._stop()  # a late reply must not be taken for the next call's
            raise self._failed("crashed", error.message) from error

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.close()

    def _parsed(self, output: bytes) -> Any:
        try:
            return json.loads(output)
        except (ValueError, RecursionError) as error:
            raise self._failed("error", f"the answer is no JSON: {error}") from error

    def _failed(self, status: str, error: str) -> CallFailedError:
        digest = self._bundle.digest
        return CallFailedError(f"{digest} failed: {error}", status=status, digest=digest)

    def _not_loaded(self, problem: str) -> LoadFailedError:
        digest = self._bundle.digest
        return LoadFailedError(f"{digest} cannot be imported: {problem}", digest=digest)

    def _not_isolated(self, problem: str) -> NotIsolatedError:
        namespace = self._bundle.manifest.namespace
        return NotIsolatedError(
            f"code of {namespace!r} is run in bubblewrap, which does not work here ({problem}):"
            f" install bubblewrap, or trust {namespace!r} in-process if its code is your own"
        )
