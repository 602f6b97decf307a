"""SIGKILL at any moment of a rollback, then the same request again: the channel moved once."""

from multiprocessing.context import ForkServerContext

import pytest

from tests.acceptance.orders.conftest import Copier
from tests.acceptance.orders.facts import channel_history
from tests.acceptance.orders.order_process import Purchase, World, roll_back, run_order
from tests.acceptance.orders.processes import run_process
from tests.fakes.fuse import read_journal

FIRST = Purchase(artifact="artifact-faulty", candidate="artifact-faulty")
SECOND = Purchase(artifact="artifact-faulty", candidate="artifact-good")


@pytest.fixture
def improved(processes: ForkServerContext, copy_world: Copier) -> World:
    """A world in which a version was deployed, and then a better one."""
    world = copy_world()
    for purchase in (FIRST, SECOND):
        journal = world.folder / "improved.journal"
        run_process(processes, run_order, world, purchase, journal, None).require_success()
    return world


def test_a_crash_at_any_moment_of_a_rollback_changes_nothing(
    processes: ForkServerContext, copy_world: Copier, improved: World
) -> None:
    whole = copy_world(improved)
    journal = whole.folder / "whole.journal"
    run_process(processes, roll_back, whole, journal, None).require_success()
    moments = read_journal(journal)
    expected = channel_history(whole)
    assert [row[2] for row in expected if len(row) == 3] == ["promotion", "promotion", "rollback"]
    assert {moment.kind for moment in moments} == {"clock", "commit", "committed"}
    for moment in moments:
        world = copy_world(improved)
        killed = run_process(
            processes, roll_back, world, world.folder / "killed.journal", moment.number
        )
        assert killed.is_killed
        resumed = run_process(processes, roll_back, world, world.folder / "resumed.journal", None)
        resumed.require_success()
        assert channel_history(world) == expected, moment
