"""The host's side of the runner's protocol: requests out, replies in, nothing believed.

A reply was made inside the sandbox, so every field may be anything. What is read from it is
bounded and checked; what cannot be read counts as a crash of the candidate.
"""

import base64
import binascii
import json
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from aem.isolation.errors import MalformedReplyError

CaseStatus = Literal[
    "answered", "error", "timeout", "out_of_memory", "output_too_large", "crashed"
]
"""How a case ended; only the first has an output."""

LoadStatus = Literal["loaded", "error", "timeout", "out_of_memory", "crashed"]
"""How the import of a variant's entry ended."""

MAX_ERROR_CHARACTERS = 4000
MAX_REPORT_BYTES = 1_048_576
_MAX_WAIT_STATUS = 0xFFFF
_MAX_REST_BYTES = 65_536  # a reply's names and its own error

_STOPPED: Mapping[str, tuple[CaseStatus, str]] = {
    "timeout": ("timeout", "the case was killed at the end of its wall time"),
    "output_too_large": ("output_too_large", "the output grew past its limit"),
    "too_many_files": ("error", "the case was killed: it made too many files"),
}


@dataclass(frozen=True, kw_only=True)
class LoadReply:
    """How loading a variant ended; `error` is bounded text, none when it is loaded."""

    status: LoadStatus
    error: str | None


@dataclass(frozen=True, kw_only=True)
class CaseReply:
    """How a case ended.

    Attributes:
        status: see `CaseStatus`.
        output: what the candidate wrote, unparsed; only of an answered case.
        error: bounded text with the artifact's files and lines; none of an answered case.
        lines: executed lines by path, where they were asked for and told.
    """

    status: CaseStatus
    output: bytes | None
    error: str | None
    lines: Mapping[str, list[int]] | None


def load_request(*, variant: str, entry: str, files: Mapping[str, bytes], wall_s: float) -> bytes:
    """Ask to import a variant's entry (``module:function``) within seconds."""
    encoded = {path: base64.b64encode(data).decode() for path, data in files.items()}
    return _line(
        {"op": "load", "variant": variant, "entry": entry, "files": encoded, "wall_s": wall_s}
    )


def run_request(
    *,
    variant: str,
    case_input: Any,
    wall_s: float,
    load_wall_s: float,
    output_bytes: int,
    trace_lines: bool,
) -> bytes:
    """Ask to run a case on a loaded variant; its zygote may have to be made anew for it."""
    return _line(
        {
            "op": "run",
            "variant": variant,
            "input": case_input,
            "wall_s": wall_s,
            "load_wall_s": load_wall_s,
            "output_bytes": output_bytes,
            "trace_lines": trace_lines,
        }
    )


def drop_request(*, variant: str) -> bytes:
    """Ask to forget a variant."""
    return _line({"op": "drop", "variant": variant})


def reply_limit_bytes(output_bytes: int) -> int:
    """Return how long a reply to a case may be: output and report in base 64, and the rest."""
    return (output_bytes + MAX_REPORT_BYTES) * 4 // 3 + _MAX_REST_BYTES


def read_load_reply(line: bytes) -> LoadReply:
    """Read the reply to a load request.

    Raises:
        MalformedReplyError: it is not what the protocol says.
    """
    fields = _fields(line)
    status: LoadStatus | None = fields.get("status")
    if status is None or status not in get_args(LoadStatus):
        raise MalformedReplyError("a load reply has no status that the protocol knows")
    return LoadReply(status=status, error=_text(fields.get("error")))


def read_case_reply(line: bytes, *, output_bytes: int) -> CaseReply:
    """Read the reply to a run request.

    Raises:
        MalformedReplyError: it is not what the protocol says.
    """
    fields = _fields(line)
    output, report = _decoded(fields.get("output")), _report(_decoded(fields.get("report")))
    if len(output) > output_bytes:
        raise MalformedReplyError("a reply carries more output than was allowed")
    lines = _lines(report.get("lines"))
    status, error = _ending(fields, report)
    return CaseReply(
        status=status,
        output=output if status == "answered" else None,
        error=error,
        lines=lines,
    )


def _ending(fields: Mapping[str, Any], report: Mapping[str, Any]) -> tuple[CaseStatus, str | None]:
    stopped = fields.get("stopped")
    if stopped == "not_loaded":
        return "crashed", f"the variant could not be loaded again: {_text(fields.get('error'))}"
    if isinstance(stopped, str) and stopped in _STOPPED:
        return _STOPPED[stopped]
    exit_status = fields.get("exit_status")
    if not isinstance(exit_status, int) or not 0 <= exit_status <= _MAX_WAIT_STATUS:
        return "crashed", _text(fields.get("error")) or "the case took its own parents down"
    if exit_status != 0 or report.get("status") not in get_args(CaseStatus):
        return "crashed", _exit_text(exit_status)
    status: CaseStatus = report["status"]
    return status, None if status == "answered" else _text(report.get("error")) or status


def _exit_text(exit_status: int) -> str:
    if os.WIFSIGNALED(exit_status):
        number = os.WTERMSIG(exit_status)
        name = signal.Signals(number).name if number in set(signal.Signals) else "unknown"
        return f"the case was killed by signal {number} ({name})"
    return f"the case exited with code {os.WEXITSTATUS(exit_status)} and without an answer"


def _line(request: Mapping[str, Any]) -> bytes:
    return json.dumps(request).encode() + b"\n"


def _fields(line: bytes) -> Mapping[str, Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise MalformedReplyError("a reply is not JSON") from error
    if not isinstance(fields, dict):
        raise MalformedReplyError("a reply is not a JSON object")
    return fields


def _decoded(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise MalformedReplyError("a reply's field is not base 64") from error


def _report(data: bytes) -> Mapping[str, Any]:
    """Read what the case said of itself; nothing where it is unreadable."""
    try:
        report = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return report if isinstance(report, dict) else {}


def _lines(value: Any) -> Mapping[str, list[int]] | None:
    if not isinstance(value, dict):
        return None
    return {
        path: [line for line in lines if type(line) is int]
        for path, lines in value.items()
        if isinstance(lines, list)
    }


def _text(value: Any) -> str | None:
    return value[:MAX_ERROR_CHARACTERS] if isinstance(value, str) else None
