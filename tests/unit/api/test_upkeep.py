import threading
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from api.upkeep import Chore, Upkeep
from core.database import Database, make_engine
from tests.fakes.waiting import wait_until

RARE_S = 3600.0


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(make_engine(f"sqlite:///{tmp_path / 'chores.db'}"))


class Counted:
    def __init__(self, *, fails: int = 0) -> None:
        self.runs = 0
        self._fails = fails

    def __call__(self, session: Session) -> None:
        self.runs += 1
        if self.runs <= self._fails:
            raise ConnectionError("the database is away")


def test_a_chore_is_done_at_the_start_and_once_more_at_the_end(database: Database) -> None:
    chore = Counted()
    upkeep = Upkeep(database, [Chore(name="sweep", interval_s=RARE_S, run=chore)])
    upkeep.start()
    assert wait_until(lambda: chore.runs == 1, timeout_s=5)
    upkeep.stop()
    assert chore.runs == 2


def test_each_chore_has_its_own_interval(database: Database) -> None:
    often, rarely = Counted(), Counted()
    chores = [
        Chore(name="often", interval_s=0.01, run=often),
        Chore(name="rarely", interval_s=RARE_S, run=rarely),
    ]
    upkeep = Upkeep(database, chores)
    upkeep.start()
    assert wait_until(lambda: often.runs >= 5, timeout_s=5)
    assert rarely.runs == 1
    upkeep.stop()


def test_a_chore_that_fails_is_tried_again_and_holds_no_other_up(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    failing, sound = Counted(fails=2), Counted()
    chores = [
        Chore(name="sign", interval_s=0.01, run=failing),
        Chore(name="sweep", interval_s=0.01, run=sound),
    ]
    upkeep = Upkeep(database, chores)
    upkeep.start()
    assert wait_until(lambda: failing.runs >= 3 and sound.runs >= 3, timeout_s=5)
    upkeep.stop()
    assert "could not sign" in caplog.text


def test_stopping_what_was_never_started_does_nothing(database: Database) -> None:
    Upkeep(database, []).stop()
    assert "upkeep" not in {thread.name for thread in threading.enumerate()}
