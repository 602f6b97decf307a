"""SIGKILL before, during and after a model call: it is charged once at most, and none is orphaned.

What the model answered before the crash is not asked again; a call that was under way has an
unknown outcome, and its bound sits in its provider's suspense account.
"""

from collections.abc import Iterator
from multiprocessing.context import ForkServerContext

import pytest

from tests.acceptance.orders.conftest import Copier
from tests.acceptance.orders.facts import differences, read_facts, unfinished_attempts
from tests.acceptance.orders.order_process import PROVIDER, Purchase, World, run_order
from tests.acceptance.orders.processes import run_process
from tests.fakes import llm_server
from tests.fakes.fuse import Moment, read_journal
from tests.fakes.gold import DATA
from tests.fakes.llm_server import Behaviour, Exchange, LlmServer, serving

PURCHASE = Purchase(artifact="artifact-faulty", candidate=None, synthesizer="openai")
REPAIRED = (DATA / "artifact-good" / "extractor.py").read_text()
CALL_KINDS = ("model asked", "model answers", "model answered")
COMMIT_KINDS = ("commit", "committed")
UNREADABLE = "I would rather not."


@pytest.fixture
def server() -> Iterator[LlmServer]:
    with serving(llm_server.says(UNREADABLE)) as made:
        yield made


@pytest.fixture
def copy_offering(copy_world: Copier, server: LlmServer) -> Copier:
    """Copies the prepared world, with the model behind the server."""

    def copy() -> World:
        server.behave(refusing_once(server))
        world = copy_world()
        world.offer_model(server.base_url)
        return world

    return copy


def refusing_once(server: LlmServer) -> Behaviour:
    """Answer the first question with nothing of use, however often it comes, so that two come."""
    engineer = llm_server.engineer({"extractor.py": REPAIRED})
    useless = llm_server.says(UNREADABLE)

    def behave(exchange: Exchange) -> None:
        is_first = exchange.asked.question == server.chats[0].question
        (useless if is_first else engineer)(exchange)

    return behave


def finish(processes: ForkServerContext, world: World, name: str) -> list[Moment]:
    journal = world.folder / f"{name}.journal"
    run_process(processes, run_order, world, PURCHASE, journal, None).require_success()
    return read_journal(journal)


def around_last_call(moments: list[Moment]) -> list[Moment]:
    """Choose every moment of the last call, and the house's commits next to it on both sides."""
    telling = [moment for moment in moments if moment.kind in (*CALL_KINDS, *COMMIT_KINDS)]
    last = max(place for place, moment in enumerate(telling) if moment.kind == CALL_KINDS[0])
    return telling[last - 2 : last + 5]


def test_a_crash_around_a_model_call_charges_it_once_at_most(
    processes: ForkServerContext, copy_offering: Copier, server: LlmServer
) -> None:
    world = copy_offering()
    moments = finish(processes, world, "whole")
    whole = read_facts(world)
    assert whole.outcome["order"]["outcome"] == "accepted"
    assert whole.balances[f"fiat-spent:{PROVIDER}"] > 0
    assert not whole.unfinished
    assert not whole.lost
    asked = len(server.chats)
    chosen = around_last_call(moments)
    assert [moment.kind for moment in chosen] == [*COMMIT_KINDS, *CALL_KINDS, *COMMIT_KINDS]
    found = []
    for moment in chosen:
        world = copy_offering()
        journal = world.folder / "killed.journal"
        ended = run_process(processes, run_order, world, PURCHASE, journal, moment.number)
        assert ended.is_killed, moment
        lost = unfinished_attempts(world)
        finish(processes, world, "resumed")
        facts = read_facts(world)
        found += [f"{moment}: {problem}" for problem in differences(facts, whole, lost=lost)]
        calls = sum(":call:" in attempt_id for attempt_id in facts.lost)
        if calls > 1 or not asked <= len(server.chats) <= asked + calls:
            found.append(f"{moment}: {len(server.chats)} calls, and {calls} were lost")
    assert not "\n".join(found)
