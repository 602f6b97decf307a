import base64
import json
from typing import Any

import pytest

from aem.isolation import (
    CaseReply,
    LineReader,
    MalformedReplyError,
    ReplyOverdueError,
    RunnerEndedError,
    read_case_reply,
    read_load_reply,
    reply_limit_bytes,
)


def reply(**fields: Any) -> CaseReply:
    report = fields.pop("report", {"status": "answered", "error": None, "lines": None})
    raw = report if isinstance(report, bytes) else json.dumps(report).encode()
    whole = {
        "stopped": None,
        "error": None,
        "exit_status": 0,
        "output": base64.b64encode(b'{"a":1}').decode(),
        "report": base64.b64encode(raw).decode(),
        **fields,
    }
    return read_case_reply(json.dumps(whole).encode(), output_bytes=100)


def test_an_answer() -> None:
    read = reply()
    assert (read.status, read.output, read.error, read.lines) == (
        "answered",
        b'{"a":1}',
        None,
        None,
    )


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"stopped": "timeout"}, "timeout", "wall time"),
        ({"stopped": "output_too_large"}, "output_too_large", "limit"),
        ({"stopped": "too_many_files"}, "error", "files"),
        ({"stopped": "not_loaded", "error": "gone"}, "crashed", "gone"),
        ({"exit_status": None}, "crashed", "parents"),
        ({"exit_status": 10**30}, "crashed", "parents"),
        ({"exit_status": -1}, "crashed", "parents"),
        ({"exit_status": 9}, "crashed", "signal 9 (SIGKILL)"),
        ({"exit_status": 3 << 8}, "crashed", "code 3"),
        ({"report": b""}, "crashed", "code 0"),
        ({"report": b"[" * 100_000}, "crashed", "code 0"),
        ({"report": b"\xff"}, "crashed", "code 0"),
        ({"report": {"status": "invented"}}, "crashed", "code 0"),
        ({"report": {"status": "error", "error": "E" * 9000}}, "error", "E" * 4000),
        ({"report": {"status": "error", "error": 7}}, "error", "error"),
        ({"report": {"status": ["answered"]}}, "crashed", "code 0"),
    ],
)
def test_everything_else_is_a_failure_with_a_bounded_reason(
    fields: dict[str, Any], status: str, error: Any
) -> None:
    read = reply(**fields)
    assert read.status == status
    assert read.output is None
    assert error in read.error
    assert len(read.error) <= 4100


def test_lines_are_what_is_shaped_like_lines() -> None:
    lines = {"a.py": [1, "2", True, 3.0, 4], "b.py": 5, "c.py": []}
    assert reply(report={"status": "answered", "lines": lines}).lines == {
        "a.py": [1, 4],
        "c.py": [],
    }


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"output": 5, "report": ""}',
        b'{"output": "!", "report": ""}',
        json.dumps({"output": base64.b64encode(b"x" * 101).decode(), "report": ""}).encode(),
    ],
)
def test_a_reply_that_breaks_the_protocol_is_refused(line: bytes) -> None:
    with pytest.raises(MalformedReplyError):
        read_case_reply(line, output_bytes=100)


def test_a_load_reply() -> None:
    assert read_load_reply(b'{"status": "loaded", "error": null}').status == "loaded"
    failed = read_load_reply(b'{"status": "error", "error": "why"}')
    assert (failed.status, failed.error) == ("error", "why")
    for line in (b"{}", b'{"status": "answered"}', b'{"status": ["loaded"]}'):
        with pytest.raises(MalformedReplyError):
            read_load_reply(line)


def reader(*chunks: bytes) -> LineReader:
    remaining = list(chunks)
    return LineReader(lambda _left_s: remaining.pop(0) if remaining else b"")


def test_lines_are_cut_out_of_pieces() -> None:
    lines = reader(b"on", b"e\ntw", b"o\n\nthree\n")
    read = [lines.next(timeout_s=1, limit_bytes=10) for _ in range(4)]
    assert read == [b"one", b"two", b"", b"three"]
    with pytest.raises(RunnerEndedError):
        lines.next(timeout_s=1, limit_bytes=10)


def test_a_line_is_bounded_before_it_ends() -> None:
    endless = LineReader(lambda _left_s: b"x" * 1000)
    with pytest.raises(MalformedReplyError):
        endless.next(timeout_s=60, limit_bytes=5000)
    with pytest.raises(MalformedReplyError):
        reader(b"123456\n").next(timeout_s=1, limit_bytes=5)
    assert reader(b"12345\n").next(timeout_s=1, limit_bytes=5) == b"12345"


def test_a_line_that_does_not_come_is_overdue() -> None:
    with pytest.raises(ReplyOverdueError):
        LineReader(lambda _left_s: None).next(timeout_s=60, limit_bytes=5)
    with pytest.raises(ReplyOverdueError):
        LineReader(lambda _left_s: b"x").next(timeout_s=0.01, limit_bytes=10**9)


def test_the_reply_limit_holds_the_largest_output_and_report() -> None:
    output = base64.b64encode(b"x" * 1000)
    report = base64.b64encode(b"x" * 1_048_576)
    assert len(output) + len(report) < reply_limit_bytes(1000)
