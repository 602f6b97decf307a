"""Answers and refusals of the ledger in the words of its model."""

from collections.abc import Callable
from typing import Any

from core.errors import AemError
from ledger import BatchResult, IdempotencyKeyReusedError
from tests.fakes.model_books import REUSED, Refusals, RefusedError


def caught(work: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return work(*arguments)
    except IdempotencyKeyReusedError as error:
        return error


def refusals(answer: Any) -> Refusals | str:
    if isinstance(answer, BatchResult):
        return tuple(outcome.rejection for outcome in answer.outcomes)
    assert answer.reason == REUSED
    return REUSED


def refusal_of(work: Callable[[], Any]) -> str | None:
    try:
        work()
    except (AemError, RefusedError) as error:
        return error.reason if isinstance(error, AemError) else str(error)
    return None
