"""One running container, spoken to through the engine's attach stream."""

import contextlib
import logging
import socket
import threading
import time
from typing import Any, Literal

import requests
from docker.errors import DockerException

from aem.isolation import LineReader, ReplyOverdueError, RunnerEndedError
from sandbox.cgroup import find_cgroup_meter
from sandbox.errors import SandboxFailedError
from sandbox.port import Meter, MeterReading

ATTACH = {"stdin": 1, "stdout": 1, "stream": 1}
"""Not the standard error: nobody reads it here, and the log driver throws it away."""

END_TIMEOUT_S = 5.0
"""How long the engine may take to notice that a container whose output ended has exited."""

_END_POLL_INTERVAL_S = 0.02
_READ_BYTES = 65_536
_HEADER_BYTES = 8  # of a frame: stream, three zeros, length (Engine API, "attach")

_log = logging.getLogger(__name__)


class ContainerEnclosure:
    """Implements `Enclosure`. The container is removed when it is killed."""

    def __init__(self, api: Any, container_id: str) -> None:
        """Attach to a container that was created, and start it.

        Raises:
            DockerException, requests.RequestException: the engine refuses, or is gone.
        """
        self._api = api
        self._id = container_id
        self._stream = api.attach_socket(container_id, params=ATTACH)
        self._socket: socket.socket = getattr(self._stream, "_sock", self._stream)
        self._frames = FrameDecoder()
        self._lines = LineReader(self._receive_bytes)
        self._killing = threading.Lock()
        self._is_killed = False
        self._last = MeterReading(cpu_ms=0, memory_peak_bytes=0, memory_kills=0)
        try:
            api.start(container_id)
            pid = int(api.inspect_container(container_id)["State"]["Pid"])
        except BaseException:
            self._close_stream()
            raise
        self._meter = self._find_meter(pid)

    def send(self, line: bytes, *, timeout_s: float) -> None:
        """Send the runner a request (see `Enclosure.send`)."""
        try:
            self._socket.settimeout(timeout_s)
            self._socket.sendall(line)
        except TimeoutError as error:
            raise ReplyOverdueError("the runner did not take the request in time") from error
        except OSError as error:
            raise RunnerEndedError("the container's stream is closed") from error

    def receive(self, *, timeout_s: float, limit_bytes: int) -> bytes:
        """Return the runner's next reply (see `Enclosure.receive`)."""
        return self._lines.next(timeout_s=timeout_s, limit_bytes=limit_bytes)

    def read_meter(self) -> MeterReading:
        """Return what was used so far (see `Enclosure.read_meter`)."""
        with contextlib.suppress(OSError, KeyError, DockerException):
            self._last = self._meter.read()
        return self._last

    def cause_of_end(self) -> Literal["out_of_memory", "crashed"]:
        """Say why the runner ended (see `Enclosure.cause_of_end`)."""
        deadline = time.monotonic() + END_TIMEOUT_S
        while True:
            try:
                state = self._api.inspect_container(self._id)["State"]
            except (DockerException, requests.RequestException) as error:
                raise SandboxFailedError(
                    f"the engine lost the container {self._id}: {error}"
                ) from error
            if not state["Running"]:
                return "out_of_memory" if state["OOMKilled"] else "crashed"
            if time.monotonic() >= deadline:
                return "crashed"  # the runner closed its output and lives on
            time.sleep(_END_POLL_INTERVAL_S)

    def kill(self) -> None:
        """End everything inside at once (see `Enclosure.kill`)."""
        with self._killing:
            if self._is_killed:
                return
            self._is_killed = True
            # First: the engine cannot kill a container while a reader of its output is stuck.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            try:
                self._api.remove_container(self._id, force=True, v=True)
            except (DockerException, requests.RequestException) as error:
                _log.warning("the container %s was not removed: %s", self._id, str(error))

    def close(self) -> None:
        """Kill, and close the stream (see `Enclosure.close`)."""
        self.kill()
        self._close_stream()

    def _close_stream(self) -> None:
        response = getattr(self._stream, "_response", None)
        if response is not None:
            response.close()
        self._stream.close()
        self._socket.close()

    def _receive_bytes(self, left_s: float) -> bytes | None:
        deadline = time.monotonic() + left_s
        while (left_s := deadline - time.monotonic()) > 0:
            try:
                self._socket.settimeout(left_s)
                chunk = self._socket.recv(_READ_BYTES)
            except TimeoutError:
                return None
            except OSError:
                return b""  # shut down by whoever killed it
            payload = self._frames.feed(chunk)
            if payload or not chunk:
                return payload
        return None

    def _find_meter(self, pid: int) -> Meter:
        meter = find_cgroup_meter(pid, self._id) if pid > 0 else None
        if meter is not None:
            return meter
        _log.warning(
            "the control group of container %s is not to be seen from here: its use is asked"
            " of the engine",
            self._id,
        )
        return StatsMeter(self._api, self._id)


class FrameDecoder:
    """Takes the payload out of the engine's frames, which come cut anywhere."""

    def __init__(self) -> None:
        """Begin before the first frame."""
        self._header = bytearray()
        self._left_bytes = 0

    def feed(self, data: bytes) -> bytes:
        """Return the payload in the next piece of the stream; none in a piece of a header."""
        payload = bytearray()
        view = memoryview(data)
        while view:
            if self._left_bytes == 0:
                missing = _HEADER_BYTES - len(self._header)
                self._header += view[:missing]
                view = view[missing:]
                if len(self._header) == _HEADER_BYTES:
                    self._left_bytes = int.from_bytes(self._header[4:])
                    self._header.clear()
                continue
            payload += view[: self._left_bytes]
            taken = min(self._left_bytes, len(view))
            view = view[taken:]
            self._left_bytes -= taken
        return bytes(payload)


class StatsMeter:
    """The engine's own figures, where the host cannot read the container's control group."""

    def __init__(self, api: Any, container_id: str) -> None:
        """Ask the engine about a container."""
        self._api = api
        self._id = container_id

    def read(self) -> MeterReading:
        """Return what was used so far; at most one kill for want of memory is told.

        Raises:
            DockerException: the engine or the container is gone.
            OSError: the engine does not answer (requests' errors are of this kind).
            KeyError: the container has ended.
        """
        stats = self._api.stats(self._id, stream=False, one_shot=True)
        state = self._api.inspect_container(self._id)["State"]
        memory = stats["memory_stats"]
        return MeterReading(
            cpu_ms=stats["cpu_stats"]["cpu_usage"]["total_usage"] // 1_000_000,
            memory_peak_bytes=memory.get("max_usage", memory["usage"]),
            memory_kills=int(state["OOMKilled"]),
        )
