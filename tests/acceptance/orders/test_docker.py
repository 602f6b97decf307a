"""SIGKILL in the middle of a case in a real container: nothing of it is left."""

from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from typing import Any

import pytest

from sandbox import DockerSandbox, SandboxUnavailableError
from sandbox.profile import LABEL_OWNER
from tests.acceptance.orders.conftest import Copier
from tests.acceptance.orders.facts import read_facts, unfinished_attempts
from tests.acceptance.orders.order_process import Purchase, run_order_in_docker
from tests.acceptance.orders.processes import run_process
from tests.fakes.fuse import CASE_RUNS, read_journal
from tests.integration.sandbox.conftest import missing

pytestmark = [pytest.mark.docker, pytest.mark.slow]

PURCHASE = Purchase(artifact="artifact-faulty", candidate="artifact-good", case_s=0.1)


@pytest.fixture
def docker_sandbox() -> Iterator[DockerSandbox]:
    try:
        sandbox = DockerSandbox()
    except SandboxUnavailableError as error:
        missing(str(error))
    yield sandbox
    sandbox.close()


def test_a_crash_in_the_middle_of_a_case_leaves_no_container(
    processes: ForkServerContext, copy_world: Copier, docker_sandbox: DockerSandbox
) -> None:
    def containers(pid: int) -> list[Any]:
        found = docker_sandbox._api.containers(all=True, filters={"label": LABEL_OWNER})
        return [each for each in found if f"/{pid}@" in each["Labels"][LABEL_OWNER]]

    world = copy_world()
    whole = run_process(
        processes, run_order_in_docker, world, PURCHASE, world.folder / "whole.journal", None
    )
    whole.require_success()
    moments = read_journal(world.folder / "whole.journal")
    middle = next(moment.number for moment in moments if moment.kind == CASE_RUNS)

    world = copy_world()
    killed = run_process(
        processes, run_order_in_docker, world, PURCHASE, world.folder / "killed.journal", middle
    )
    assert killed.is_killed
    assert containers(killed.pid), "the test is to find something to sweep"
    lost = unfinished_attempts(world)
    resumed = run_process(
        processes, run_order_in_docker, world, PURCHASE, world.folder / "resumed.journal", None
    )
    resumed.require_success()
    assert not containers(killed.pid)
    assert not containers(resumed.pid)
    facts = read_facts(world)
    assert facts.outcome["order"]["outcome"] == "accepted"
    assert facts.lost.keys() == lost
    assert len(lost) == 1
    assert not facts.unfinished
