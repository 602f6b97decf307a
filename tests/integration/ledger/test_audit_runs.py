# ruff: noqa: S608 - statements are made of our own names
"""Audits by pieces, and of what followed an earlier audit."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from aem.proof import Checkpoint, Frontier
from aem.proof.audit import AuditReport
from ledger.audit import AuditRun
from tests.fakes.bank import TOKEN, Bank
from tests.fakes.intruder import tamper


def pieces(bank: Bank, run: AuditRun, *, limit: int = 3) -> AuditReport:
    """Carry an audit out, each piece in a transaction of its own."""
    has_more = True
    while has_more:
        with bank.database.reading() as session:
            has_more = run.read(session, limit=limit)
    with bank.database.reading() as session:
        return run.finish(session)


def sizes(bank: Bank) -> list[int]:
    with bank.database.reading() as session:
        return list(
            session.execute(text("SELECT size FROM ledger_checkpoints ORDER BY size")).scalars()
        )


@pytest.fixture
def intruded(used: Bank) -> Iterator[Session]:
    with Session(used.database.writing_engine) as session:
        yield session


def test_pieces_say_what_one_reading_says(used: Bank) -> None:
    assert pieces(used, used.audit.begin()) == used.verify()


def test_what_is_posted_between_two_pieces_is_read_too(used: Bank) -> None:
    run = used.audit.begin()
    with used.database.reading() as session:
        run.read(session, limit=5)
    used.fund("wallet:acme.bot", TOKEN, key="meanwhile")
    report = pieces(used, run)
    assert report == used.verify()
    assert report.verified


def test_a_checkpoint_that_is_stored_late_breaks_nothing(used: Bank) -> None:
    first, *_ = sizes(used)
    run = used.audit.begin()
    with Session(used.database.writing_engine) as session:
        tamper(session.connection(), f"DELETE FROM ledger_checkpoints WHERE size = {first}")
        run.read(session, limit=first + 1)
    report = pieces(used, run)
    assert report.verified
    assert report.log.figures["checkpoints"] == len(sizes(used)) - 1


def test_what_followed_a_checkpoint_is_read_alone(used: Bank, intruded: Session) -> None:
    first, *_, last = sizes(used)
    run = used.audit.resume(intruded, first)
    report = run.finish(intruded)
    assert (report.verified, report.log.holds, report.balances.holds) == (None, True, None)
    assert report.log.figures["size"] > last == run.signed_size
    assert any(f"behind record {first} was read" in told for told in report.not_excluded)


@pytest.mark.parametrize("number", [2, -2])
def test_a_changed_entry_before_the_start_and_behind_it_is_found(
    used: Bank, intruded: Session, number: int
) -> None:
    _, middle, last = sizes(used)
    victim = number if number > 0 else last + number
    forged = "zeroblob(32)" if used.database.is_sqlite else "decode(repeat('00', 32), 'hex')"
    tamper(
        intruded.connection(),
        f"UPDATE ledger_log_entries SET leaf_hash = {forged} WHERE number = {victim}",
    )
    bad = used.audit.resume(intruded, middle).finish(intruded).log.first_bad
    assert bad is not None
    if victim < middle:
        assert (bad.record, bad.id) == ("checkpoint", str(middle))
    else:
        assert bad.number == victim


def test_a_start_that_is_not_the_signed_one_is_found(used: Bank) -> None:
    first, *_ = sizes(used)
    keys = used.audit.begin()._check._keys
    start = Frontier(size=first, peaks=(b"x" * 32,) * first.bit_count())
    run = AuditRun(keys=keys, origin="aem-ledger", start=start)
    with used.database.reading() as session:
        bad = run.finish(session).log.first_bad
    assert bad is not None
    assert (bad.record, bad.id) == ("checkpoint", str(first))


def test_many_kept_checkpoints_are_held_against_the_log(used: Bank) -> None:
    kept = used.checkpoint()
    report = used.verify(kept, kept)
    assert report.verified
    assert report.log.figures["checkpoints"] == len(sizes(used)) + 2
    assert Checkpoint.from_payload(kept.payload).size == report.log.figures["size"]
