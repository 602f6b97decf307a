"""Two workers on one database: the living one takes over what the other one leaves."""

import time
from dataclasses import dataclass
from functools import partial
from multiprocessing.context import ForkServerContext
from typing import Self

import pytest

from tests.acceptance.orders.conftest import Copier
from tests.acceptance.orders.facts import differences, order_state, read_facts, unfinished_attempts
from tests.acceptance.orders.order_process import (
    LATE_S,
    Purchase,
    World,
    run_order,
    serve,
    stall_order,
)
from tests.acceptance.orders.processes import TIMEOUT_S, run_process
from tests.fakes.fuse import CASE_RUNS, read_journal
from tests.fakes.waiting import wait_until

PURCHASE = Purchase(artifact="artifact-faulty", candidate="artifact-good")
TAKEOVER_S = 20.0
"""Ten heartbeats; a dead process of the same machine is seen at the next one."""


@dataclass(frozen=True, kw_only=True)
class Whole:
    """A run that nothing happened to: a world, and the moment in the middle of its judging."""

    world: World
    middle: int


@pytest.fixture
def whole(processes: ForkServerContext, copy_world: Copier) -> Whole:
    world = copy_world()
    journal = world.folder / "whole.journal"
    run_process(processes, run_order, world, PURCHASE, journal, None).require_success()
    middle = next(m.number for m in read_journal(journal) if m.kind == CASE_RUNS)
    return Whole(world=world, middle=middle)


def test_a_living_worker_takes_over_a_killed_ones_order_within_seconds(
    processes: ForkServerContext, copy_world: Copier, whole: Whole
) -> None:
    world = copy_world()
    with Pair(processes, world, whole.middle, dies=True, late_s=0) as pair:
        lost = unfinished_attempts(world)
        begin_s = time.monotonic()
        pair.release()
        assert wait_until(lambda: order_state(world) == "settled", timeout_s=TIMEOUT_S)
        assert time.monotonic() - begin_s < TAKEOVER_S
    assert lost
    assert not differences(read_facts(world), read_facts(whole.world), lost=lost)


def test_a_worker_that_was_taken_for_dead_finds_its_work_given_up(
    processes: ForkServerContext, copy_world: Copier, whole: Whole
) -> None:
    world = copy_world()
    with Pair(processes, world, whole.middle, dies=False, late_s=LATE_S) as pair:
        lost = unfinished_attempts(world)
        assert wait_until(lambda: order_state(world) == "settled", timeout_s=TIMEOUT_S)
        pair.release()
        assert pair.first_code() == 0
    assert not differences(read_facts(world), read_facts(whole.world), lost=lost)


class Pair:
    """A worker that stalls in the middle of an order, and another one that waits for orders."""

    def __init__(
        self, processes: ForkServerContext, world: World, middle: int, *, dies: bool, late_s: float
    ) -> None:
        self._stalled, self._released = processes.Event(), processes.Event()
        self._ready, self._ended = processes.Event(), processes.Event()
        stall = partial(stall_order, stalled=self._stalled, released=self._released, dies=dies)
        first = (world, PURCHASE, world.folder / "first.journal", middle)
        second = (world, world.folder / "second.journal", self._ready, self._ended, late_s)
        self._first = processes.Process(target=stall, args=first)
        self._second = processes.Process(target=serve, args=second)

    def __enter__(self) -> Self:
        self._first.start()
        assert self._stalled.wait(TIMEOUT_S)
        self._second.start()
        assert self._ready.wait(TIMEOUT_S)
        return self

    def __exit__(self, *_error: object) -> None:
        self._released.set()
        self._ended.set()
        for process in (self._first, self._second):
            process.join(TIMEOUT_S)
            if process.exitcode is None:
                process.kill()
                process.join()
            process.close()

    def release(self) -> None:
        self._released.set()

    def first_code(self) -> int | None:
        self._first.join(TIMEOUT_S)
        return self._first.exitcode
