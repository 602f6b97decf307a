import json
from typing import Any

import pytest

from devops_agent.errors import TraceFormatError
from devops_agent.traces import (
    MAX_LINE_BYTES,
    MAX_TRACE_LINES,
    MAX_TRACES_BYTES,
    error_metrics,
    parse_traces,
)

TRACE: dict[str, Any] = {
    "id": "1",
    "at": "2026-01-05T09:00:00Z",
    "version": "sha256:0",
    "input": {"text": "hi"},
    "output": {"entities": []},
}


def line(**changes: Any) -> bytes:
    value = {key: item for key, item in (TRACE | changes).items() if item is not ...}
    return json.dumps(value).encode()


def test_empty_lines_and_line_ends_are_passed_over() -> None:
    traces = parse_traces(b"\n" + line() + b"\r\n\n" + line(id="2") + b"\n")
    assert [trace.id for trace in traces] == ["1", "2"]
    assert parse_traces(b"") == []


def test_an_answer_of_null_is_an_answer() -> None:
    assert parse_traces(line(output=None))[0].error is None


@pytest.mark.parametrize(
    "bad",
    [
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        line(input=...),
        line(id=1),
        line(at=None),
        line(colour="red"),
        line(output=...),
        line(error="and output"),
        line(output=..., error=3),
        line(latency_ms=-1),
        line(latency_ms=True),
        line(latency_ms=float("inf")),
        line(cost_utok="many"),
        line(cost_utok=1e308),
        line(latency_ms=10**310),
        line(feedback={"stars": 5}),
        line(feedback="good"),
        b'{"id": "' + b"x" * MAX_LINE_BYTES + b'"}',
    ],
    ids=lambda bad: bad[:60].decode(errors="replace"),
)
def test_a_line_that_is_no_trace_is_named(bad: bytes) -> None:
    with pytest.raises(TraceFormatError) as refused:
        parse_traces(line() + b"\n\n" + bad)
    assert refused.value.details["line"] == 3
    assert "line 3 of the traces" in refused.value.message
    assert len(refused.value.message) < 500


def test_too_much_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(TraceFormatError, match="bytes"):
        parse_traces(b"\n" * (MAX_TRACES_BYTES + 1))
    with pytest.raises(TraceFormatError, match="20001 traces"):
        parse_traces((line() + b"\n") * (MAX_TRACE_LINES + 1))


def test_metrics_follow_from_the_traces() -> None:
    traces = parse_traces(
        b"\n".join(
            [
                line(latency_ms=10, cost_utok=1, feedback={"score": 1}),
                line(latency_ms=20, cost_utok=3, feedback={"score": 0.49}),
                line(latency_ms=30, feedback={"score": 0.5}),
                line(output=..., error="it broke"),
            ]
        )
    )
    metrics = error_metrics(traces)
    assert (metrics.traces, metrics.error_rate) == (4, 0.25)
    assert metrics.negative_feedback_rate == 0.25
    assert (metrics.latency_p50_ms, metrics.latency_p95_ms) == (20, 30)
    assert metrics.mean_cost_utok == 2


def test_no_traces_have_no_latency() -> None:
    metrics = error_metrics([])
    assert (metrics.error_rate, metrics.latency_p50_ms, metrics.mean_cost_utok) == (0, None, None)
