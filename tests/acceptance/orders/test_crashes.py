"""SIGKILL at any moment of an order, then a restart: it ends as it would have, for the same money.

A run without a crash counts the moments; then one process after another is killed at one of them
and another process takes the order up. The clock stands still and the sandbox's meter is fixed,
so that money can differ by one thing alone: what was lost in the crash, which the reserve bears.
"""

import re
import signal
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.context import ForkServerContext

import pytest

from ledger import WALLET
from tests.acceptance.orders.conftest import Copier
from tests.acceptance.orders.facts import Facts, differences, read_facts, unfinished_attempts
from tests.acceptance.orders.order_process import (
    BUYER,
    WALLET_UTOK,
    Purchase,
    World,
    run_order,
    stop_order,
)
from tests.acceptance.orders.processes import run_process
from tests.fakes.fuse import Moment, read_journal

PURCHASES = {
    "accepted": Purchase(artifact="artifact-faulty", candidate="artifact-good"),
    "rejected": Purchase(artifact="artifact-good", candidate="artifact-faulty"),
    "repaired": Purchase(artifact="artifact-faulty", candidate=None),
    "failed": Purchase(artifact="artifact-faulty", candidate="artifact-good", meets_defect=True),
}
OUTCOMES = {
    "accepted": "accepted",
    "rejected": "rejected",
    "repaired": "accepted",
    "failed": "failed",
}
OWN_STEPS = {
    "accepted": ".*",
    "rejected": "settle",
    "repaired": "synthesis-.*",
    "failed": "settle",
}
"""The steps that are an order's own: what they share is crashed once, in `accepted`."""

AT_ONCE = 2
"""Runs side by side: what CI has cores."""

ONE_DAY_S = 86_400.0
TAKEN_FOR_DEFECT = "met a defect of the service"
SOAK_TIMEOUT_S = 7_200


@pytest.mark.parametrize("name", PURCHASES)
def test_a_crash_at_a_boundary_changes_nothing(
    name: str, processes: ForkServerContext, copy_world: Copier
) -> None:
    crashes = Crashes(processes, copy_world, name)
    chosen = boundaries(crashes.moments, OWN_STEPS[name])
    if name == "repaired":  # searches are slow: before a commit is as good as after the one before
        chosen = [moment for moment in chosen if moment.kind != "commit"]
    crashes.check(chosen)


@pytest.mark.soak
@pytest.mark.timeout(SOAK_TIMEOUT_S)
@pytest.mark.parametrize("name", ["accepted", "rejected", "repaired"])
def test_a_crash_at_any_moment_changes_nothing(
    name: str, processes: ForkServerContext, copy_world: Copier
) -> None:
    crashes = Crashes(processes, copy_world, name)
    crashes.check(crashes.moments)


def test_a_stop_in_the_middle_of_work_changes_nothing(
    processes: ForkServerContext, copy_world: Copier
) -> None:
    crashes = Crashes(processes, copy_world, "accepted")
    moments = boundaries(crashes.moments, "validation-0-1|publish-0|project")
    chosen = [moment for moment in moments if moment.kind in ("case runs", "commit", "program")]
    crashes.check(chosen[::2], end=stop_order, code=0)


def test_an_order_goes_on_the_next_day_after_a_crash(
    processes: ForkServerContext, copy_world: Copier
) -> None:
    purchase = PURCHASES["accepted"]
    whole = Crashes(processes, copy_world, "accepted")
    chosen = boundaries(whole.moments, "validation-0-1(-admit|-meter)?|settle")
    for moment in [moment for moment in chosen if moment.kind == "committed"]:
        world = copy_world()
        killed, resumed = (world.folder / f"{name}.journal" for name in ("killed", "resumed"))
        assert run_process(processes, run_order, world, purchase, killed, moment.number).is_killed
        lost = unfinished_attempts(world)
        run_process(
            processes, run_order, world, purchase, resumed, None, ONE_DAY_S
        ).require_success()
        facts = read_facts(world, late_s=ONE_DAY_S)
        order = facts.outcome["order"]
        assert (order["state"], order["outcome"]) == ("settled", "accepted"), moment
        paid_utok = order["fee_utok"] + order["metered_utok"] + order["returned_utok"]
        assert paid_utok == order["escrowed_utok"], moment
        assert facts.lost.keys() == lost, moment
        assert not facts.unfinished, moment


def test_an_order_that_meets_a_defect_is_refunded_whole(
    processes: ForkServerContext, copy_world: Copier
) -> None:
    whole = Crashes(processes, copy_world, "failed").whole
    order = whole.outcome["order"]
    assert (order["state"], order["reason"]) == ("refunded", "internal")
    assert order["returned_utok"] == order["escrowed_utok"]
    assert whole.balances[WALLET.code(BUYER.owner)] == WALLET_UTOK
    assert list(whole.lost) == ["ORDER:validation:0:1"]


def boundaries(moments: Iterable[Moment], steps: str) -> Sequence[Moment]:
    """Choose the first moment of each kind at each place where the house itself does something.

    The workflow engine's own commits, and readings of the clock, are left to the soak.
    """
    chosen: dict[tuple[str, str, str], Moment] = {}
    for moment in moments:
        is_own = moment.kind != "clock" and not moment.kind.startswith("engine")
        if is_own and re.fullmatch(steps, moment.step):
            chosen.setdefault((moment.kind, moment.step, moment.place), moment)
    return list(chosen.values())


class Crashes:
    """Runs one order whole, to have what to compare with, then with an end at each moment."""

    def __init__(self, processes: ForkServerContext, copy_world: Copier, name: str) -> None:
        self._processes = processes
        self._copy_world = copy_world
        self._purchase = PURCHASES[name]
        world = copy_world()
        self._finish(world, "whole")
        self.moments = read_journal(world.folder / "whole.journal")
        self.whole: Facts = read_facts(world)
        assert self.whole.outcome["order"]["outcome"] == OUTCOMES[name]
        assert not self.whole.unfinished
        assert bool(self.whole.lost) == self._purchase.meets_defect

    def check(
        self,
        moments: Sequence[Moment],
        *,
        end: Callable[..., None] = run_order,
        code: int = -signal.SIGKILL,
    ) -> None:
        """Let a process end at each moment; tell of all differences at once."""

        def problems(moment: Moment) -> list[str]:
            return [f"{moment}: {problem}" for problem in self._crash(moment, end, code)]

        assert moments
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = [problem for told in pool.map(problems, moments) for problem in told]
        assert not "\n".join(found)

    def _crash(self, moment: Moment, end: Callable[..., None], code: int) -> Sequence[str]:
        world = self._copy_world()
        journal = world.folder / "ended.journal"
        ended = run_process(self._processes, end, world, self._purchase, journal, moment.number)
        if ended.code != code:
            return [f"the process ended with {ended.code}"]
        if TAKEN_FOR_DEFECT in journal.with_suffix(".log").read_text() and code == 0:
            return ["the stop was taken for a defect of the service"]
        lost = unfinished_attempts(world)
        self._finish(world, "resumed")
        return differences(read_facts(world), self.whole, lost=lost)

    def _finish(self, world: World, name: str) -> None:
        journal = world.folder / f"{name}.journal"
        run_process(
            self._processes, run_order, world, self._purchase, journal, None
        ).require_success()
