"""Events are seen if and only if what they tell of was committed, in order and without gaps."""

import threading

import pytest

from core.database import Database
from core.events import EventLog
from tests.fakes.clock import FakeClock


@pytest.fixture
def events(database: Database) -> EventLog:
    return EventLog(database, FakeClock())


def append(database: Database, events: EventLog, topic: str, number: int) -> int:
    with database.transaction() as session:
        return events.append(session, topic=topic, kind="told", data={"n": number})


def test_numbers_start_at_one_in_each_topic(database: Database, events: EventLog) -> None:
    assert [append(database, events, "a", n) for n in range(3)] == [1, 2, 3]
    assert append(database, events, "b", 0) == 1
    assert [event.data for event in events.read("a", after=1)] == [{"n": 1}, {"n": 2}]
    assert events.head("a") == 3
    assert events.head("nowhere") == 0


def test_an_event_of_a_rolled_back_transaction_was_never_there(
    database: Database, events: EventLog
) -> None:
    def tell_and_fail() -> None:
        with database.transaction() as session:
            events.append(session, topic="a", kind="told", data={})
            raise ZeroDivisionError

    commits = events.commits
    with pytest.raises(ZeroDivisionError):
        tell_and_fail()
    assert events.read("a") == []
    assert events.commits == commits
    assert append(database, events, "a", 1) == 1
    assert events.commits == commits + 1


def test_threads_append_without_gaps(database: Database, events: EventLog) -> None:
    barrier = threading.Barrier(4)

    def run(thread: int) -> None:
        barrier.wait()
        for number in range(5):
            append(database, events, "a", 10 * thread + number)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = events.read("a")
    assert [event.sequence for event in found] == list(range(1, 21))
    for thread_number in range(4):
        own = [e.data["n"] for e in found if e.data["n"] // 10 == thread_number]
        assert own == sorted(own)
