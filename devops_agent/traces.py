"""Traces: what an agent's artifact did, and the error metrics that follow (design, section 11)."""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from devops_agent.errors import TraceFormatError

MAX_TRACES_BYTES = 16 * 2**20
"""Sixteen megabytes: some ten thousand conversations."""
MAX_TRACE_LINES = 20_000
MAX_LINE_BYTES = 2**20
MAX_NUMBER = 10**15
"""Of a latency or a cost: sums of so many stay exact."""

_REQUIRED = ("id", "at", "version", "input")
_OPTIONAL = ("output", "error", "latency_ms", "cost_utok", "messages", "feedback")
_FEEDBACK = ("score", "comment", "corrected_output")


@dataclass(frozen=True, kw_only=True)
class Trace:
    """One call of an artifact.

    Attributes:
        id: the caller's own name of the call.
        at: when, as RFC 3339 text.
        version: digest of the version that answered.
        input: what it was given.
        output: what it answered; None where it failed.
        error: what it failed with; None where it answered.
        latency_ms: how long it took, where known.
        cost_utok: what it cost, where known.
        feedback: score, comment and corrected output that somebody gave, where any.
    """

    id: str
    at: str
    version: str
    input: Any
    output: Any = None
    error: str | None = None
    latency_ms: float | None = None
    cost_utok: int | None = None
    feedback: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class ErrorMetrics:
    """What traces say of an artifact; rates are shares of all traces, in [0, 1]."""

    traces: int
    error_rate: float
    negative_feedback_rate: float
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    mean_cost_utok: float | None


def parse_traces(data: bytes) -> Sequence[Trace]:
    """Read JSON Lines of traces; empty lines are passed over.

    Raises:
        TraceFormatError: too large, not UTF-8, a line that is no trace; names the line.
    """
    if len(data) > MAX_TRACES_BYTES:
        raise TraceFormatError(
            f"the traces have {len(data)} bytes; {MAX_TRACES_BYTES} is the most: send fewer"
        )
    lines = data.split(b"\n")
    traces = [_parse_line(n, line) for n, line in enumerate(lines, 1) if line.strip()]
    if len(traces) > MAX_TRACE_LINES:
        raise TraceFormatError(f"{len(traces)} traces; {MAX_TRACE_LINES} is the most: send fewer")
    return traces


def error_metrics(traces: Sequence[Trace]) -> ErrorMetrics:
    """Compute error rate, negative feedback (score below 0.5), latency and mean cost."""
    count = len(traces)
    latencies = sorted(t.latency_ms for t in traces if t.latency_ms is not None)
    costs = [t.cost_utok for t in traces if t.cost_utok is not None]
    return ErrorMetrics(
        traces=count,
        error_rate=_share(sum(t.error is not None for t in traces), count),
        negative_feedback_rate=_share(sum(map(is_negative, traces)), count),
        latency_p50_ms=_percentile(latencies, 50),
        latency_p95_ms=_percentile(latencies, 95),
        mean_cost_utok=statistics.fmean(costs) if costs else None,
    )


def _parse_line(number: int, line: bytes) -> Trace:
    if len(line) > MAX_LINE_BYTES:
        raise _refusal(number, f"is longer than {MAX_LINE_BYTES} bytes")
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _refusal(number, f"is not JSON ({error}); traces are JSON Lines") from error
    if not isinstance(value, dict):
        raise _refusal(number, "is no JSON object")
    missing = [key for key in _REQUIRED if key not in value]
    if missing:
        raise _refusal(number, f"lacks {', '.join(missing)}")
    unknown = sorted(set(value) - set(_REQUIRED) - set(_OPTIONAL))
    if unknown:
        raise _refusal(number, f"has unknown keys {', '.join(map(ascii, unknown))}")
    if ("output" in value) == (value.get("error") is not None):
        raise _refusal(number, "needs either output or error")
    _check_types(number, value)
    value.pop("messages", None)
    return Trace(**value)


def _check_types(number: int, value: dict[str, Any]) -> None:
    for key in ("id", "at", "version"):
        if not isinstance(value[key], str):
            raise _refusal(number, f"has a {key} that is no text")
    if not isinstance(value.get("error"), str | None):
        raise _refusal(number, "has an error that is no text")
    for key in ("latency_ms", "cost_utok"):
        amount = value.get(key)
        if amount is not None and not _is_amount(amount):
            raise _refusal(number, f"has a {key} that is no number from 0 to {MAX_NUMBER}")
    feedback = value.get("feedback")
    if feedback is not None and not (isinstance(feedback, dict) and set(feedback) <= {*_FEEDBACK}):
        raise _refusal(number, f"has feedback with other keys than {', '.join(_FEEDBACK)}")


def _is_amount(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value <= MAX_NUMBER  # NaN is in no range


def _refusal(number: int, what: str) -> TraceFormatError:
    return TraceFormatError(f"line {number} of the traces {what}", line=number)


def is_negative(trace: Trace) -> bool:
    """Whether somebody scored the answer below the middle of [0, 1]."""
    score = (trace.feedback or {}).get("score")
    return isinstance(score, int | float) and score < 0.5  # noqa: PLR2004 - middle of [0, 1]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _percentile(values: Sequence[float], percent: int) -> float | None:
    """Nearest-rank percentile of sorted values."""
    if not values:
        return None
    return values[max(0, math.ceil(len(values) * percent / 100) - 1)]
