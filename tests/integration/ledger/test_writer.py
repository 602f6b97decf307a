"""The group-commit writer: what each caller is told, whatever the neighbours do."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from ledger import (
    Batch,
    BatchResult,
    Hold,
    IdempotencyKeyReusedError,
    Move,
    PostHold,
    PostingUnknownError,
    RejectionReason,
    Reverse,
    Writer,
    WriterBusyError,
    WriterClosedError,
)
from tests.fakes.bank import TOKEN, Bank
from tests.fakes.threads import together

WALLET = "wallet:acme.bot"
ESCROW = "escrow:order-1"


def move(amount: int, debit: str = WALLET, credit: str = ESCROW, memo: str = "") -> Move:
    return Move(debit=debit, credit=credit, amount=amount, kind="escrow", memo=memo)


def batch(key: str, *commands: Any, **changed: Any) -> Batch:
    return Batch(key=key, commands=commands or (move(1),), **changed)


class Gate:
    """A ledger that posts when it is let: what is submitted meanwhile becomes one group."""

    def __init__(self, bank: Bank) -> None:
        self._ledger = bank.ledger
        self.is_open = threading.Event()
        self.is_reached = threading.Event()
        self.groups: list[list[str]] = []
        self.failures: list[BaseException] = []

    def post_all(
        self, session: Session, batches: Sequence[Batch]
    ) -> list[BatchResult | IdempotencyKeyReusedError]:
        self.groups.append([batch.key for batch in batches])
        self.is_reached.set()
        assert self.is_open.wait(10)
        if self.failures and not isinstance(self.failures[0], DBAPIError):
            raise self.failures.pop(0)
        answers = self._ledger.post_all(session, batches)
        if self.failures:
            raise self.failures.pop(0)
        return answers

    def submit_together(self, writer: Writer, *batches: Batch) -> list[Future[BatchResult]]:
        """Submit behind a batch that is held at the gate, then open it."""
        writer.submit(batch("first"))
        assert self.is_reached.wait(10)
        futures = [writer.submit(one) for one in batches]
        self.is_open.set()
        return futures


@pytest.fixture
def gate(funded: Bank) -> Gate:
    return Gate(funded)


@contextmanager
def writing(bank: Bank, ledger: Gate | None = None, **options: int) -> Iterator[Writer]:
    with Writer(database=bank.database, ledger=ledger or bank.ledger, **options) as writer:
        yield writer


def rejections(result: BatchResult) -> list[RejectionReason | None]:
    return [outcome.rejection for outcome in result.outcomes]


def test_each_caller_gets_the_answer_that_it_would_get_alone(funded: Bank, gate: Gate) -> None:
    batches = [
        batch("moved", move(5)),
        batch("too much", move(4_000 * TOKEN), move(1)),
        batch("in part", move(1), move(0), is_atomic=False),
        batch("chain", move(2), move(0), move(3), is_atomic=False, linked=frozenset({0})),
        batch("from what came before", move(5, ESCROW, "wallet:other")),
    ]
    with writing(funded, gate) as writer:
        results = [future.result(10) for future in gate.submit_together(writer, *batches)]
    assert gate.groups == [["first"], [one.key for one in batches]]
    assert [rejections(result) for result in results] == [
        [None],
        [RejectionReason.INSUFFICIENT_FUNDS, RejectionReason.BATCH_REJECTED],
        [None, RejectionReason.AMOUNT_NOT_POSITIVE],
        [RejectionReason.CHAIN_REJECTED, RejectionReason.AMOUNT_NOT_POSITIVE, None],
        [None],
    ]
    assert funded.balance(ESCROW) == 1 + 5 + 1 + 3 - 5
    assert funded.verify().verified


def test_what_it_answers_is_committed(funded: Bank) -> None:
    with writing(funded) as writer:
        for number in range(3):
            transfer = writer.post(batch(f"k{number}")).require()[0]
            with funded.database.reading() as session:
                stored = funded.ledger.transfers(session, account=ESCROW)
            assert stored.items[-1] == transfer


def test_a_key_is_bound_to_its_request_within_a_group_and_across(funded: Bank, gate: Gate) -> None:
    same, other = batch("key", move(7)), batch("key", move(8))
    with writing(funded, gate) as writer:
        first, again, reused = gate.submit_together(writer, same, same, other)
        assert (first.result(10).is_replay, again.result(10).is_replay) == (False, True)
        assert first.result().outcomes == again.result().outcomes
        with pytest.raises(IdempotencyKeyReusedError):
            reused.result(10)
        assert writer.post(same) == again.result()
        with pytest.raises(IdempotencyKeyReusedError):
            writer.post(other)
    assert gate.groups[1] == ["key"] * 3
    assert funded.post(move(7), key="key") == again.result()
    assert funded.balance(ESCROW) == 1 + 7


def test_a_replay_repeats_every_outcome(funded: Bank) -> None:
    mixed = batch("mixed", move(1), move(0), move(2), is_atomic=False)
    with writing(funded) as writer:
        first, again = writer.post(mixed), writer.post(mixed)
    assert again.outcomes == first.outcomes
    assert (first.is_replay, again.is_replay) == (False, True)


def test_holds_and_reversals_pass_through_groups(funded: Bank, gate: Gate) -> None:
    held = batch("hold", Hold(debit=WALLET, credit=ESCROW, amount=9, kind="x"))
    hold_id = funded.post(*held.commands, key="hold-alone").require()[0].id
    with writing(funded, gate) as writer:
        posted, reverse = gate.submit_together(
            writer,
            batch("post", PostHold(hold_id=hold_id, amount=4)),
            batch("unknown", Reverse(transfer_id="none")),
        )
        transfer = posted.result(10).require()[0]
        assert rejections(reverse.result(10)) == [RejectionReason.TRANSFER_NOT_FOUND]
        writer.post(batch("back", Reverse(transfer_id=transfer.id))).require()
    assert funded.balance(ESCROW) == 1
    assert funded.verify().verified


def test_a_hot_account_is_spent_to_the_last_token_and_no_further(funded: Bank) -> None:
    with writing(funded) as writer:

        def spend(number: int) -> int:
            return sum(
                writer.post(batch(f"{number}-{turn}", move(200 * TOKEN))).first_rejection is None
                for turn in range(4)
            )

        spent = together(spend, count=8)
    assert sum(spent) == 15  # 3,000 tokens cover exactly 15 of the 32
    assert funded.balance(WALLET) == 0
    assert funded.verify().verified


def test_two_writers_and_sessions_of_others_stay_correct_together(funded: Bank) -> None:
    for number in range(4):
        funded.fund(f"wallet:w{number}", 10 * TOKEN)
    with writing(funded) as left, writing(funded) as right:

        def work(number: int) -> None:
            for turn in range(6):
                key = f"{number}-{turn}"
                there = move(1, f"wallet:w{number % 4}", f"wallet:w{(number + turn) % 4 + 10}")
                back = move(1, WALLET, f"wallet:w{(number + 1) % 4}")
                if number % 3 == 0:
                    funded.post(there, back, key=key).require()
                else:
                    writer = left if number % 3 == 1 else right
                    writer.post(batch(key, back, there)).require()
                    assert writer.post(batch(key, back, there)).is_replay

        assert together(work, count=9) == [None] * 9
    with funded.database.reading() as session:
        accounts = funded.ledger.accounts(session, prefix="wallet:w").items
    assert sum(account.balance for account in accounts) == 40 * TOKEN + 9 * 6
    assert funded.verify().verified


def test_too_much_that_waits_is_refused_and_was_not_done(funded: Bank, gate: Gate) -> None:
    with writing(funded, gate, queue_limit_commands=4) as writer:
        writer.submit(batch("first"))
        assert gate.is_reached.wait(10)
        futures = [writer.submit(batch(f"k{number}", move(1), move(1))) for number in range(2)]
        with pytest.raises(WriterBusyError) as busy:
            writer.submit(batch("refused"))
        assert busy.value.details == {"waiting_commands": 4}
        gate.is_open.set()
        assert [len(future.result(10).transfers) for future in futures] == [2, 2]
        assert not writer.post(batch("refused")).is_replay


def test_a_group_has_a_limit_and_a_batch_above_it_goes_alone(funded: Bank, gate: Gate) -> None:
    sizes = {"a": 2, "b": 1, "c": 5, "d": 3}
    batches = [batch(key, *[move(1)] * size) for key, size in sizes.items()]
    with writing(funded, gate, group_limit_commands=3) as writer:
        for future in gate.submit_together(writer, *batches):
            future.result(10).require()
    assert gate.groups == [["first"], ["a", "b"], ["c"], ["d"]]


def test_a_batch_that_raises_fails_alone_and_loudly(
    funded: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    class Faulty(Gate):
        def post_all(self, session: Session, batches: Sequence[Batch]) -> Any:
            answers = super().post_all(session, batches)
            if any(one.key == "bad" for one in batches):
                raise ZeroDivisionError
            return answers

    gate = Faulty(funded)
    with writing(funded, gate) as writer:
        good, bad, fine = gate.submit_together(writer, batch("good"), batch("bad"), batch("fine"))
        assert not good.result(10).is_replay
        with pytest.raises(ZeroDivisionError):
            bad.result(10)
        assert not fine.result(10).is_replay
    assert gate.groups == [["first"], ["good", "bad", "fine"], ["good"], ["bad"], ["fine"]]
    assert "3 batches could not be posted together" in caplog.text
    assert funded.balance(ESCROW) == 3


def test_what_the_database_refuses_fails_alone(funded: Bank, gate: Gate) -> None:
    picky = (
        "CREATE TRIGGER picky BEFORE INSERT ON ledger_transfers WHEN NEW.memo = 'no'"
        " BEGIN SELECT RAISE(ABORT, 'no'); END"
        if funded.database.is_sqlite
        else "ALTER TABLE ledger_transfers ADD CONSTRAINT picky CHECK (memo <> 'no')"
    )
    with funded.database.transaction() as session:
        session.execute(text(picky))
    with writing(funded, gate) as writer:
        good, bad = gate.submit_together(writer, batch("good"), batch("bad", move(1, memo="no")))
        assert not good.result(10).is_replay
        with pytest.raises(DBAPIError):
            bad.result(10)


def test_a_broken_off_group_is_posted_again_and_once(funded: Bank, gate: Gate) -> None:
    gate.failures = [broken_off(), broken_off()]
    with writing(funded, gate) as writer:
        futures = gate.submit_together(writer, batch("a"), batch("b"))
        assert [len(future.result(10).transfers) for future in futures] == [1, 1]
    assert gate.groups[:3] == [["first"]] * 3
    assert funded.balance(ESCROW) == 3
    assert funded.verify().verified


def broken_off() -> OperationalError:
    return OperationalError("", {}, Exception("gone"), connection_invalidated=True)


def test_a_database_that_stays_away_leaves_the_outcome_open(
    funded: Bank, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.is_open.set()
    retry = funded.database.retry
    monkeypatch.setattr(
        funded.database, "retry", lambda work, **named: retry(work, patience_s=0.1, **named)
    )
    gate.failures = [broken_off() for _ in range(20)]
    with writing(funded, gate) as writer:
        with pytest.raises(PostingUnknownError, match="same key"):
            writer.post(batch("a"))
        gate.failures.clear()
        writer.post(batch("a")).require()
    assert funded.balance(ESCROW) == 1


def test_closing_posts_what_waits(funded: Bank, gate: Gate) -> None:
    writer = Writer(database=funded.database, ledger=gate)
    writer.start()
    futures = gate.submit_together(writer, batch("a"), batch("b"))
    writer.close()
    assert [future.done() for future in futures] == [True, True]
    assert funded.balance(ESCROW) == 3
    assert not writer.is_running
    with pytest.raises(WriterClosedError, match="it was closed"):
        writer.submit(batch("late"))


def test_closing_without_draining_refuses_what_waits(funded: Bank, gate: Gate) -> None:
    writer = Writer(database=funded.database, ledger=gate)
    writer.start()
    started = writer.submit(batch("first"))
    assert gate.is_reached.wait(10)
    waiting = writer.submit(batch("a"))
    closing = threading.Thread(target=lambda: writer.close(drain=False))
    closing.start()
    with pytest.raises(WriterClosedError, match="before its turn"):
        waiting.result(10)
    gate.is_open.set()
    closing.join()
    assert started.result().transfers
    assert not funded.post(move(1), key="a").is_replay


def test_a_writer_that_was_not_started_says_so(funded: Bank) -> None:
    writer = Writer(database=funded.database, ledger=funded.ledger)
    with pytest.raises(WriterClosedError, match="not started"):
        writer.post(batch("a"))
    writer.close()


def test_the_death_of_its_thread_is_told_to_everybody(
    funded: Bank, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    gate.failures = [SystemExit()]
    writer = Writer(database=funded.database, ledger=gate)
    writer.start()
    first = writer.submit(batch("first"))
    assert gate.is_reached.wait(10)
    waiting = writer.submit(batch("a"))
    gate.is_open.set()
    with pytest.raises(PostingUnknownError):
        first.result(10)
    with pytest.raises(WriterClosedError, match="died"):
        waiting.result(10)
    with pytest.raises(WriterClosedError, match="SystemExit"):
        writer.submit(batch("late"))
    assert not writer.is_running
    assert "the ledger's writer died" in caplog.text
    writer.close()


def test_a_caller_that_gives_up_may_send_it_again(funded: Bank, gate: Gate) -> None:
    with writing(funded, gate) as writer:
        with pytest.raises(PostingUnknownError, match="no answer"):
            writer.post(batch("a"), timeout_s=0.05)
        gate.is_open.set()
        assert writer.post(batch("a")).transfers
    assert funded.balance(ESCROW) == 1


def test_a_caller_that_gives_up_while_it_waits_is_not_posted(funded: Bank, gate: Gate) -> None:
    with writing(funded, gate) as writer:
        writer.submit(batch("first"))
        assert gate.is_reached.wait(10)
        assert writer.submit(batch("a")).cancel()
        gate.is_open.set()
        assert not writer.post(batch("b")).is_replay
    assert gate.groups == [["first"], ["b"]]


def test_one_set_is_read_locked_and_written_at_once(funded: Bank) -> None:
    def statements_of(count: int) -> list[str]:
        seen: list[str] = []

        def note(_c: Connection, _cursor: Any, statement: str, *_: Any) -> None:
            seen.append(statement)

        batches = [
            batch(f"{count}-{number}", move(1, credit=f"escrow:e{number}"))
            for number in range(count)
        ]
        event.listen(funded.database.engine, "before_cursor_execute", note)
        try:
            funded.do(funded.ledger.post_all, batches)
        finally:
            event.remove(funded.database.engine, "before_cursor_execute", note)
        return seen

    statements_of(50)  # makes the accounts
    assert len(statements_of(49)) == len(statements_of(1)) <= 10


def test_accounts_are_locked_in_the_order_of_their_codes_and_the_head_last(funded: Bank) -> None:
    if funded.database.is_sqlite:
        pytest.skip("SQLite has one lock")
    seen: list[str] = []

    def note(_c: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if "FOR UPDATE" in statement:
            seen.append(statement)

    event.listen(funded.database.engine, "before_cursor_execute", note)
    batches = [batch("z", move(1, credit="escrow:z")), batch("a", move(1, credit="escrow:a"))]
    funded.do(funded.ledger.post_all, batches)
    *accounts, head = seen  # once to see that some are missing, and again when they are there
    assert len(accounts) == 2
    assert all("ORDER BY ledger_accounts.code FOR UPDATE" in one for one in accounts)
    assert "ledger_log_head" in head


def test_a_lone_caller_is_not_kept_waiting(funded: Bank) -> None:
    with writing(funded) as writer:
        writer.post(batch("warm"))
        started_s = time.perf_counter()
        for number in range(5):
            writer.post(batch(f"k{number}"))
        assert time.perf_counter() - started_s < 5
