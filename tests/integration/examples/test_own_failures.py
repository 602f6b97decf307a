"""Requests at which a provider fails: whose failure that is, who pays, and what a replay says."""

from typing import Any

import pytest

from devops_agent.model_calls import CONTROL_TEXT
from tests.fakes.chat_extractor import ChatExample, small_model, taught
from tests.fakes.llm_server import (
    Behaviour,
    Exchange,
    LlmServer,
    hangs_up,
    never,
    raw,
    says,
    status,
)
from tests.fakes.order_books import OrderBooks
from tests.fakes.running_service import RunningService
from tests.integration.examples.conftest import Order

ANSWERS = says(small_model)


def is_control(exchange: Exchange) -> bool:
    return exchange.asked.question == CONTROL_TEXT


def is_candidates(exchange: Exchange) -> bool:
    """Only the candidate shows demonstrations."""
    return len(exchange.asked.body["messages"]) > 1


def failing_at_one(failure: Behaviour, control: Behaviour = ANSWERS) -> Behaviour:
    """Fail at the candidate's request about one case, whenever it comes, and at nothing else."""
    chosen: list[str] = []

    def behave(exchange: Exchange) -> None:
        if is_control(exchange):
            control(exchange)
        elif is_candidates(exchange) and exchange.asked.question in (
            chosen or [exchange.asked.question]
        ):
            chosen.append(exchange.asked.question)
            failure(exchange)
        else:
            ANSWERS(exchange)

    return behave


def judged(house: RunningService, found: dict[str, Any]) -> list[str]:
    """Return how the judging's calls ended, but for those that were answered."""
    calls = house.team.order_calls(found["id"])["items"]
    return [call["status"] for call in calls if call["status"] != "answered"]


def controls(llm: LlmServer) -> int:
    return sum(asked.question == CONTROL_TEXT for asked in llm.chats)


@pytest.mark.parametrize(
    ("failure", "statuses"),
    [
        (status(500, "out of memory"), ["unbilled"] * 9),
        (status(501, "no such grammar"), ["unbilled"] * 3),
        (status(403, "not to be spoken of"), ["unbilled"] * 3),
        (hangs_up, ["lost"] * 3),
        (raw(b"<html>"), ["lost"] * 3),
    ],
    ids=["500", "501", "403", "disconnect", "no JSON"],
)
def test_a_request_at_which_alone_the_provider_fails_is_the_prompts_failure(
    house: RunningService,
    order: Order,
    example: ChatExample,
    llm: LlmServer,
    *,
    failure: Behaviour,
    statuses: list[str],
) -> None:
    books = OrderBooks(house)
    llm.behave(failing_at_one(failure))
    found = order(candidate=taught(example))
    assert (found["outcome"], found["reason"]) == ("rejected", "strict_structure_failed")
    assert judged(house, found) == statuses
    assert controls(llm) == 3
    gained = books.close(found)
    assert gained["reserve"] == 0, "the order pays for what it lost"
    assert found["price_utok"] == found["metered_utok"] > 0
    assert (house.balance("suspense:local") > 0) == ("lost" in statuses)


@pytest.mark.parametrize("model_call_s", [0.5])
def test_a_request_that_alone_takes_too_long_is_the_prompts_failure(
    house: RunningService, order: Order, example: ChatExample, llm: LlmServer
) -> None:
    llm.behave(failing_at_one(never))
    found = order(candidate=taught(example))
    assert (found["outcome"], found["reason"]) == ("rejected", "strict_structure_failed")
    assert judged(house, found) == ["lost"] * 3


@pytest.mark.parametrize("failure", [status(500), hangs_up], ids=["500", "disconnect"])
def test_a_provider_that_fails_at_the_control_too_is_to_blame(
    house: RunningService, order: Order, example: ChatExample, llm: LlmServer, failure: Behaviour
) -> None:
    llm.behave(failing_at_one(failure, control=failure))
    found = order(candidate=taught(example))
    assert found["outcome"] == "failed"
    assert found["refunded_utok"] == found["escrowed_utok"]


def test_a_provider_that_is_busy_is_to_blame(
    order: Order, example: ChatExample, llm: LlmServer
) -> None:
    llm.behave(failing_at_one(status(429, Retry_After="0")))
    found = order(candidate=taught(example))
    assert (found["outcome"], found["reason"]) == ("failed", "model_refused")
    assert controls(llm) == 0


def test_a_provider_that_recovers_has_answered(
    house: RunningService, order: Order, example: ChatExample, llm: LlmServer
) -> None:
    left = iter(range(2))
    failing = failing_at_one(
        lambda exchange: ANSWERS(exchange) if next(left, None) is None else hangs_up(exchange)
    )
    llm.behave(failing)
    found = order(candidate=taught(example))
    assert (found["outcome"], found["reason"]) == ("accepted", "")
    assert judged(house, found) == ["lost"] * 2


def test_a_judging_that_begins_anew_finds_the_same(
    house: RunningService, order: Order, example: ChatExample, llm: LlmServer
) -> None:
    """The candidate's request would be answered by then, but its failure stands in the record."""
    at_fault = failing_at_one(hangs_up)
    outage: list[str] = []

    def behave(exchange: Exchange) -> None:
        is_incumbents = not is_candidates(exchange) and not is_control(exchange)
        if len(outage) == 1 or (is_incumbents and not outage):  # that request and its control
            outage.append(exchange.asked.question)
            hangs_up(exchange)
        elif outage:
            ANSWERS(exchange)
        else:
            at_fault(exchange)

    llm.behave(behave)
    found = order(candidate=taught(example))
    assert (found["outcome"], found["reason"]) == ("rejected", "strict_structure_failed")
    attempts = {call["id"].split(":")[3] for call in house.team.order_calls(found["id"])["items"]}
    assert attempts == {"1", "2"}, "the judging was attempted anew"


def test_a_prompt_at_which_its_provider_fails_on_dev_is_not_refunded(
    house: RunningService, order: Order, example: ChatExample, llm: LlmServer
) -> None:
    chosen: list[str] = []

    def behave(exchange: Exchange) -> None:
        text = exchange.asked.question
        if not is_control(exchange) and text in (chosen or [text]):
            chosen.append(text)
            hangs_up(exchange)
        else:
            ANSWERS(exchange)

    books = OrderBooks(house)
    llm.behave(behave)
    found = order()
    assert found["outcome"] == "accepted"
    assert "lost" in judged(house, found)
    assert books.close(found)["reserve"] == 0
