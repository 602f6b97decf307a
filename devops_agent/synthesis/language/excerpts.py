"""Excerpts: long texts cut to a number of bytes, with a mark where something is missing."""

import json
from typing import Any

HEAD_SHARE = 2 / 3
"""Of what is left of a long text: most of it from the beginning, where things are introduced."""


def excerpt(text: str, max_bytes: int) -> str:
    """Return a text of at most `max_bytes` in UTF-8: whole, or its two ends and a mark between."""
    data = text.encode(errors="replace")
    if len(data) <= max_bytes:
        return text
    mark = f"\n[... {len(data)} bytes, cut here ...]\n".encode()
    rest = max_bytes - len(mark)
    if rest <= 0:
        return mark.decode().strip()[: max(0, max_bytes)]
    head = int(rest * HEAD_SHARE)
    tail = rest - head
    ends = (data[:head], mark, data[len(data) - tail :])
    return "".join(part.decode(errors="ignore") for part in ends)


def compact_json(value: Any) -> str:
    """Return a JSON value on one line, as short as it goes, its characters unescaped."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
