"""Orders for the prompt example: a scripted model on loopback, all else as it is."""

import json
from typing import Any

import pytest

from aem.artifact import read_prompt
from aem.client import ApiError
from devops_agent import OrderMetering, OrderModels, OrderTerms
from devops_agent.domain import WorkKey
from devops_agent.errors import WorkGivenUpError
from ledger import BudgetExhaustedError, Metering
from market import Catalogue
from tests.fakes.chat_extractor import ChatExample, changed, small_model, taught
from tests.fakes.llm_server import Behaviour, Exchange, LlmServer, says, status
from tests.fakes.order_books import OrderBooks
from tests.fakes.running_service import RunningService
from tests.integration.examples.conftest import Order


def calls(house: RunningService, found: dict[str, Any], stage: str) -> list[Any]:
    """Return a stage's calls as the dataset's own team sees them."""
    listed = house.team.order_calls(found["id"])["items"]
    return [call for call in listed if call["stage"] == stage]


def test_a_prompt_is_improved_by_the_search_and_judged_on_its_model(
    house: RunningService, order: Order
) -> None:
    books = OrderBooks(house)
    found = order()
    assert (found["outcome"], found["reason"]) == ("accepted", "")
    assert books.close(found)["treasury"] >= found["fee_utok"]
    report = house.agent.order_report(found["id"])
    axes = report["axes"]
    assert axes["context_robustness"]["new"]["value"] > 0.7
    assert axes["context_robustness"]["old"]["value"] == 0.0
    assert report["repeats"] == 1
    version = found["version"]["digest"]
    prompt = read_prompt(house.agent.bundle(version))
    assert prompt.demonstrations
    isolation = found["summary"]["validation"]["isolation"]
    assert (isolation["engine"], isolation["model"]) == ("prompt", "smollm2-135m")
    assert (isolation["provider"], isolation["degraded"]) == ("local", False)
    judged = calls(house, found, "validation")
    assert {call["status"] for call in judged} == {"answered"}
    assert all(call["is_private"] and not call["request"] for call in judged)
    shown = house.agent.order_calls(found["id"])["items"]
    assert {call["stage"] for call in shown} == {"synthesis"}, "lengths of answers tell of cases"
    searched = calls(house, found, "synthesis")
    assert len(searched) == found["summary"]["synthesis"]["statistics"]["runs"]
    assert sum(call["charge_utok"] for call in judged) > 0


def test_where_replies_vary_both_are_judged_three_times_a_case(
    house: RunningService, order: Order, example: ChatExample
) -> None:
    warm = changed(taught(example), "temperature = 0.0", "temperature = 0.7")
    found = order(candidate=warm)
    assert (found["outcome"], found["reason"]) == ("accepted", "")
    report = house.agent.order_report(found["id"])
    assert report["repeats"] == 3
    assert report["statistics"]["failure_bound"]["per_case"] is not None
    cases = house.agent.gold(found["gold"])["counts"]["holdout"]
    assert len(calls(house, found, "validation")) == 2 * 3 * sum(cases.values())


def test_a_prompt_that_fails_one_of_three_times_is_rejected(
    order: Order, example: ChatExample, llm: LlmServer
) -> None:
    asked: dict[str, int] = {}

    def moody(exchange: Exchange) -> None:
        text = exchange.asked.question
        asked[text] = asked.get(text, 0) + 1
        says("never mind" if asked[text] == 3 else small_model)(exchange)

    llm.behave(moody)
    warm = changed(taught(example), "temperature = 0.0", "temperature = 0.7")
    found = order(candidate=warm)
    assert (found["outcome"], found["reason"]) == ("rejected", "strict_structure_failed")


def test_a_provider_that_fails_costs_the_buyer_nothing(
    house: RunningService, order: Order, example: ChatExample, llm: LlmServer
) -> None:
    served = iter(range(10))

    def failing(exchange: Exchange) -> None:
        behaviour: Behaviour = says(small_model)
        if next(served, None) is None:
            behaviour = status(401, "the key was revoked")
        behaviour(exchange)

    llm.behave(failing)
    found = order(candidate=taught(example))
    assert (found["outcome"], found["reason"]) == ("failed", "model_refused")
    assert found["refunded_utok"] == found["escrowed_utok"]


def test_a_provider_that_quotes_the_holdout_is_not_quoted(
    house: RunningService,
    order: Order,
    example: ChatExample,
    llm: LlmServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def quoting(exchange: Exchange) -> None:
        status(401, f"may not answer <<{exchange.asked.question}>>")(exchange)

    llm.behave(quoting)
    found = order(candidate=taught(example))
    assert (found["outcome"], found["reason"]) == ("failed", "model_refused")
    with house.agent.events(f"order:{found['id']}") as events:
        told = [event for _, event in zip(range(5), events, strict=False)]
    assert "<<" not in f"{found} {told} {house.team.order_calls(found['id'])} {caplog.text}"


def test_while_an_order_is_judged_nobody_is_told_what_its_calls_cost(
    house: RunningService, order: Order, example: ChatExample, llm: LlmServer
) -> None:
    seen: set[tuple[Any, ...]] = set()

    def watched(exchange: Exchange) -> None:
        shown = house.agent.orders()["items"][0]
        asked = house.agent.order_calls(shown["id"])["items"]
        seen.add((shown["state"], shown["metered_utok"], shown["price_utok"], len(asked)))
        says(small_model)(exchange)

    llm.behave(watched)
    assert order(candidate=taught(example))["metered_utok"] > 0
    assert seen == {("validating", None, None, 0)}


def test_a_day_that_ends_within_a_judging_is_not_the_buyers_affair(
    house: RunningService, order: Order, example: ChatExample, monkeypatch: pytest.MonkeyPatch
) -> None:
    admit = Metering.admit
    left = iter(range(10))

    def scarce(*args: Any, **options: Any) -> Any:
        if next(left, None) is None:
            raise BudgetExhaustedError(budget="acme", day="2026-01-05", bound_nusd=12345)
        return admit(*args, **options)

    monkeypatch.setattr(Metering, "admit", scarce)
    found = order(candidate=taught(example))
    assert (found["outcome"], found["reason"]) == ("failed", "budget_exhausted")
    assert "budget of acme for 2026-01-05" in found["summary"]["validation"]["message"]
    told = f"{found} {house.operator.alerts()}"
    assert "12345" not in told, "a call's bound tells how long a case is"
    assert found["refunded_utok"] == found["escrowed_utok"]


def test_who_was_given_up_opens_no_models_and_gives_nobodys_calls_up(
    house: RunningService, order: Order, example: ChatExample
) -> None:
    found = order(candidate=taught(example))
    key = WorkKey(order_id=found["id"], stage="validation", round=0, attempt=1)
    parts = house.parts
    terms = OrderTerms()
    models = OrderModels(
        database=parts.database,
        clock=parts.clock,
        metering=OrderMetering(
            clock=parts.clock,
            market=parts.market,
            ledger=parts.ledger,
            budgets=parts.budgets,
            metering=Metering(clock=parts.clock),
            terms=terms,
        ),
        catalogue=Catalogue(),
        upstream=parts.upstream,
        terms=terms,
    )
    with pytest.raises(WorkGivenUpError):
        models.for_work(key, kept=[], duration_s=1)


def test_a_request_that_the_model_refuses_is_the_prompts_failure(
    order: Order, example: ChatExample, llm: LlmServer
) -> None:
    def strict(exchange: Exchange) -> None:
        too_long = len(exchange.asked.body["messages"]) > 1
        behaviour = status(400, "longer than the context") if too_long else says(small_model)
        behaviour(exchange)

    llm.behave(strict)
    found = order(candidate=taught(example))
    assert (found["outcome"], found["reason"]) == ("rejected", "strict_structure_failed")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("smollm2-135m", "gpt-9", "artifact.toml"), "model_not_found"),
        (("{{chat}}", "{{text}}", "messages.json"), "bad_placeholder"),
        (('"user"', '"tool"', "messages.json"), "bad_prompt"),
    ],
)
def test_a_prompt_that_cannot_run_is_refused_at_submission(
    order: Order, example: ChatExample, change: tuple[str, str, str], reason: str
) -> None:
    with pytest.raises(ApiError) as caught:
        order(changed(example.artifact, *change))
    assert caught.value.reason == reason


@pytest.mark.parametrize("input_usd", ["2"])  # else the price of the judging's time hides it
def test_an_escrow_that_does_not_cover_the_judging_ends_the_order_before_it(
    house: RunningService, order: Order, example: ChatExample
) -> None:
    least = order(candidate=example.artifact)["quote"]["minimum_utok"]
    long = taught(example)
    content = [{"role": "system", "content": "x" * 3_000}, {"role": "user", "content": "{{chat}}"}]
    long = long.replace({"messages.json": json.dumps(content).encode()})
    found = order(candidate=long, max_price_utok=least)
    assert (found["outcome"], found["reason"]) == ("rejected", "escrow_exhausted")
    assert calls(house, found, "validation") == []
