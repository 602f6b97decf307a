"""Why an order ended as it did, as `aem status` says it."""

from typing import Any

import pytest

from cli.remote.orders import _cause

WORDS = "tutor refused the call with status 401: this key was revoked"
FAILED = {"reason": "model_refused", "message": WORDS, "is_final": True}


@pytest.mark.parametrize(
    ("summary", "because"),
    [
        ({"synthesis": FAILED}, WORDS),
        ({"synthesis": {"candidates": 1}, "validation": FAILED}, WORDS),
        ({"synthesis": {"reason": "reply_not_json", "candidates": 0}}, "reply_not_json"),
        (
            {"synthesis": {"reason": "no gain", "load_error": "No module x"}},
            "No module x; no gain",
        ),
        ({"validation": {"reason": "no_gain"}}, ""),
        ({}, ""),
    ],
    ids=["search failed", "judging failed", "no candidate", "load error", "rejected", "nothing"],
)
def test_a_cause_is_told_in_words_where_there_are_any(
    summary: dict[str, Any], because: str
) -> None:
    assert _cause({"summary": summary}) == ({"because": because} if because else {})
