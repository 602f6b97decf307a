from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from aem.proof import NotCanonicalError
from core.database import metadata
from core.errors import InvariantViolatedError
from ledger import (
    Batch,
    BatchError,
    BatchResult,
    Hold,
    IdempotencyKeyReusedError,
    InsufficientFundsError,
    Move,
    PostHold,
    RejectionReason,
    Reverse,
    TransferRejectedError,
    VoidHold,
)
from ledger.domain import ExpireHold
from tests.fakes.bank import TOKEN, Bank
from tests.fakes.intruder import tamper

WALLET = "wallet:acme.bot"
ESCROW = "escrow:order-1"


def move(amount: int, debit: str = WALLET, credit: str = ESCROW) -> Move:
    return Move(debit=debit, credit=credit, amount=amount, kind="escrow", reference="order-1")


def hold(amount: int, **changed: object) -> Hold:
    return Hold(**{"debit": WALLET, "credit": ESCROW, "amount": amount, "kind": "x"} | changed)


def rejections(result: BatchResult) -> list[RejectionReason | None]:
    return [outcome.rejection for outcome in result.outcomes]


def test_money_moves_and_the_key_moves_it_once(funded: Bank) -> None:
    first = funded.post(move(5))
    again = funded.post(move(5))
    assert (first.is_replay, again.is_replay) == (False, True)
    assert again.outcomes == first.outcomes
    assert funded.balance(ESCROW) == 5
    with pytest.raises(IdempotencyKeyReusedError):
        funded.post(move(6))
    with pytest.raises(IdempotencyKeyReusedError):
        funded.post(move(5), is_atomic=False)


def test_a_batch_sent_again_days_later_has_the_same_transfers(funded: Bank) -> None:
    first = funded.post(move(5), hold(2), move(4_000 * TOKEN), is_atomic=False)
    whole = funded.post(move(5), hold(2), key="whole")
    funded.clock.advance(days=3)
    assert funded.post(move(5), hold(2), move(4_000 * TOKEN), is_atomic=False) == replace(
        first, is_replay=True
    )
    again = funded.post(move(5), hold(2), key="whole")
    assert again == replace(whole, is_replay=True)


def test_a_batch_whose_transfers_are_gone_is_a_defect_and_posts_nothing(funded: Bank) -> None:
    funded.post(move(5))
    with funded.database.writing_engine.begin() as connection:
        tamper(connection, "UPDATE ledger_batches SET at = '2026-01-05T09:00:01.000000Z'")
    with pytest.raises(InvariantViolatedError, match="post:key"):
        funded.post(move(5))
    assert funded.balance(ESCROW) == 5


def test_transfers_are_named_in_the_order_of_their_instants(funded: Bank) -> None:
    made = []
    for number in range(20):
        made.append(funded.post(move(1), key=f"key-{number}").transfers[0].id)
        funded.clock.advance(minutes=1)
    assert made == sorted(made)


def test_a_rejection_is_repeated_under_its_key(funded: Bank) -> None:
    first = funded.post(move(4_000 * TOKEN))
    funded.fund(WALLET, 2_000 * TOKEN, key="more")
    assert funded.post(move(4_000 * TOKEN)).outcomes == first.outcomes
    with pytest.raises(InsufficientFundsError):
        first.require()


def test_the_floor_counts_what_is_held(funded: Bank) -> None:
    funded.post(hold(2_000 * TOKEN), key="a")
    assert rejections(funded.post(move(1_000 * TOKEN + 1), key="b")) == [
        RejectionReason.INSUFFICIENT_FUNDS
    ]
    assert rejections(funded.post(move(1_000 * TOKEN), key="c")) == [None]


def test_the_database_itself_keeps_the_floor(funded: Bank) -> None:
    accounts = metadata.tables["ledger_accounts"]
    with pytest.raises(DBAPIError, match="floor"), funded.database.transaction() as session:
        session.execute(
            accounts.update().where(accounts.c.code == WALLET).values(debits_held=10**15)
        )


def test_an_atomic_batch_is_all_or_nothing(funded: Bank) -> None:
    result = funded.post(move(1), move(0), move(2))
    assert rejections(result) == [
        RejectionReason.BATCH_REJECTED,
        RejectionReason.AMOUNT_NOT_POSITIVE,
        RejectionReason.BATCH_REJECTED,
    ]
    assert funded.balance(ESCROW) == 0
    with pytest.raises(TransferRejectedError) as refused:
        result.require()
    assert refused.value.details == {"position": 1, "rejection": "amount_not_positive"}


def test_a_bad_transfer_fails_no_independent_neighbour(funded: Bank) -> None:
    result = funded.post(move(1), move(1, credit="nonsense"), move(2), is_atomic=False)
    assert rejections(result) == [None, RejectionReason.ACCOUNT_UNKNOWN, None]
    assert funded.balance(ESCROW) == 3


def test_commands_see_what_the_ones_before_them_left(funded: Bank) -> None:
    result = funded.post(move(7), move(7, ESCROW, "wallet:other"), move(1, ESCROW, WALLET))
    assert result.first_rejection == (2, RejectionReason.INSUFFICIENT_FUNDS)


def test_a_hold_is_posted_in_part_and_the_rest_is_free(funded: Bank) -> None:
    held = funded.post(hold(10), key="hold").require()[0]
    posted = funded.post(PostHold(hold_id=held.id, amount=4), key="post").require()[0]
    assert (posted.hold_id, posted.amount, posted.phase) == (held.id, 4, "post")
    wallet, escrow = funded.account(WALLET), funded.account(ESCROW)
    assert (wallet.balance, wallet.debits_held) == (3_000 * TOKEN - 4, 0)
    assert (escrow.balance, escrow.credits_held) == (4, 0)
    for number, command in enumerate((PostHold(hold_id=held.id), VoidHold(hold_id=held.id))):
        result = funded.post(command, key=f"again-{number}")
        assert rejections(result) == [RejectionReason.HOLD_ALREADY_SETTLED]


def test_a_hold_is_voided(funded: Bank) -> None:
    held = funded.post(hold(10), key="hold").require()[0]
    funded.post(VoidHold(hold_id=held.id), key="void").require()
    assert funded.account(WALLET).available == 3_000 * TOKEN
    assert funded.balance(ESCROW) == 0


def test_a_hold_expires_and_is_swept_once(funded: Bank) -> None:
    over = funded.clock.now() + timedelta(seconds=10)
    held = funded.post(hold(10, expires_at=over), hold(20), key="hold").require()[0]
    assert funded.do(funded.ledger.expire_holds) == 0
    funded.clock.advance(seconds=10)
    for key, command in (("post", PostHold), ("void", VoidHold)):
        refused = funded.post(command(hold_id=held.id), key=key)
        assert rejections(refused) == [RejectionReason.HOLD_EXPIRED]
    assert funded.do(funded.ledger.expire_holds) == 1
    assert funded.do(funded.ledger.expire_holds) == 0
    assert funded.account(WALLET).debits_held == 20
    assert funded.verify().verified


def test_a_reversal_moves_all_of_it_back_once(funded: Bank) -> None:
    moved = funded.post(move(5), key="move").require()[0]
    back = funded.post(Reverse(transfer_id=moved.id, memo="typo"), key="back").require()[0]
    assert (back.debit, back.credit, back.reverses) == (ESCROW, WALLET, moved.id)
    twice = funded.post(Reverse(transfer_id=moved.id), key="twice")
    assert rejections(twice) == [RejectionReason.ALREADY_REVERSED]
    assert funded.balance(ESCROW) == 0


def test_what_burned_or_issued_or_only_held_is_not_reversed(funded: Bank) -> None:
    held = funded.post(hold(5), key="hold").require()[0]
    funded.admit()
    funded.settle()
    with funded.database.reading() as session:
        page = funded.ledger.transfers(session)
    tied = [t.id for t in page.items if {t.debit, t.credit} & {"mint", "burn", "fiat-authority"}]
    for number, transfer_id in enumerate([*tied, held.id]):
        result = funded.post(Reverse(transfer_id=transfer_id), key=f"back-{number}")
        assert rejections(result) == [RejectionReason.NOT_REVERSIBLE]
    assert len(tied) == 5


def test_contra_and_fiat_accounts_and_their_holds_are_closed(funded: Bank) -> None:
    attempt = funded.admit()
    closed = [
        move(1, credit="burn"),
        move(1, debit="mint"),
        move(1, "fiat-budget:acme:2026-01-05", "fiat-spent:me"),
        VoidHold(hold_id=attempt.fiat_hold_id),
        VoidHold(hold_id=attempt.token_hold_id),
        PostHold(hold_id=attempt.token_hold_id),
    ]
    result = funded.post(*closed, is_atomic=False)
    assert rejections(result) == [RejectionReason.ACCOUNT_RESTRICTED] * len(closed)


def test_a_batch_is_limited() -> None:
    with pytest.raises(BatchError):
        Batch(key="k", commands=())
    with pytest.raises(BatchError):
        Batch(key="k", commands=(move(1),) * 1_001)
    with pytest.raises(BatchError):
        Batch(key="", commands=(move(1),))
    with pytest.raises(BatchError):
        Move(debit=WALLET, credit=ESCROW, amount=1, kind="Not a word")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda text: hold(1, memo=text), id="memo"),
        pytest.param(lambda text: hold(1, reference=text), id="reference"),
        pytest.param(lambda text: PostHold(hold_id=text), id="hold posted"),
        pytest.param(lambda text: VoidHold(hold_id=text), id="hold voided"),
        pytest.param(lambda text: ExpireHold(hold_id=text), id="hold expired"),
        pytest.param(lambda text: Reverse(transfer_id=text), id="reversed"),
        pytest.param(lambda text: Reverse(transfer_id="tra_1", memo=text), id="why reversed"),
        pytest.param(lambda text: Batch(key=text, commands=(move(1),)), id="key"),
    ],
)
def test_texts_that_not_every_database_holds_are_refused(make: Callable[[str], Any]) -> None:
    make("a")
    with pytest.raises(BatchError, match="NUL"):
        make("a\0b")


@pytest.mark.parametrize(
    "expires_at",
    [datetime(2027, 1, 1), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)],  # noqa: DTZ001
    ids=["no zone", "too late"],
)
def test_a_hold_expires_at_an_instant_that_all_databases_write(expires_at: datetime) -> None:
    with pytest.raises(BatchError, match="expires"):
        hold(1, expires_at=expires_at)


def test_instants_are_written_in_utc_whatever_the_server_says(
    funded: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGTZ", "Europe/Madrid")
    funded.database.dispose()
    last = datetime(9998, 12, 31, 23, 59, 59, tzinfo=UTC)
    made = funded.post(hold(1, expires_at=last)).transfers[0]
    with funded.database.reading() as session:
        assert funded.ledger.transfer(session, made.id).expires_at == last
        if not funded.database.is_sqlite:
            assert session.execute(text("SHOW TIME ZONE")).scalar() == "UTC"


@pytest.mark.parametrize("amount", [1.0, True, "1"])
def test_an_amount_is_an_integer(amount: Any) -> None:
    for make in (lambda: move(amount), lambda: PostHold(hold_id="h", amount=amount)):
        with pytest.raises(BatchError, match="integer"):
            make()


def test_a_key_has_a_form() -> None:
    with pytest.raises(NotCanonicalError):
        Batch(key="\ud800", commands=(move(1),))


def test_texts_end_where_the_journal_has_no_more_room() -> None:
    for make in (
        lambda memo: hold(1, memo=memo),
        lambda memo: Reverse(transfer_id="t", memo=memo),
    ):
        make("m" * 500)
        with pytest.raises(BatchError, match="500"):
            make("m" * 501)


def test_lists_are_read_page_by_page(funded: Bank) -> None:
    funded.post(*(move(n) for n in range(1, 8)))
    amounts: list[int] = []
    cursor: str | None = ""
    with funded.database.reading() as session:
        while cursor is not None:
            page = funded.ledger.transfers(session, account=ESCROW, after=cursor, limit=3)
            amounts += [transfer.amount for transfer in page.items]
            cursor = page.next_cursor
        accounts = funded.ledger.accounts(session, prefix="wallet:")
        statement = funded.ledger.statement(session, ESCROW, limit=4)
        rest = funded.ledger.statement(
            session, ESCROW, after=statement.transfers.next_cursor or "", limit=4
        )
        with pytest.raises(BatchError):
            funded.ledger.transfers(session, after="x")
    assert amounts == list(range(1, 8))
    assert [account.code for account in accounts.items] == [WALLET]
    assert statement.account.balance == 28
    assert [transfer.amount for transfer in statement.transfers.items] == [7, 6, 5, 4]
    assert [transfer.amount for transfer in rest.transfers.items] == [3, 2, 1]


def test_a_rolled_back_savepoint_leaves_no_leaf(funded: Bank) -> None:
    with funded.database.transaction() as session:
        funded.ledger.post(session, Batch(key="kept", commands=(move(1),)))
        savepoint = session.begin_nested()
        funded.ledger.post(session, Batch(key="lost", commands=(move(2),)))
        savepoint.rollback()
        with session.begin_nested():
            funded.ledger.post(session, Batch(key="nested", commands=(move(4),)))
    assert funded.balance(ESCROW) == 5
    assert funded.verify().verified


def test_a_rolled_back_transaction_leaves_nothing(funded: Bank) -> None:
    def fail(session: Session) -> None:
        funded.ledger.post(session, Batch(key="key", commands=(move(2),)))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        funded.do(fail)
    assert funded.post(move(2)).is_replay is False
    assert funded.verify().verified


def test_one_session_may_commit_more_than_once(funded: Bank) -> None:
    with Session(funded.database.writing_engine) as session:
        for number in range(2):
            funded.ledger.post(session, Batch(key=f"k{number}", commands=(move(1),)))
            session.commit()
            funded.ledger.post(session, Batch(key=f"lost{number}", commands=(move(1),)))
            session.rollback()
    assert funded.balance(ESCROW) == 2
    assert funded.verify().verified


def test_a_set_answers_each_batch_as_if_it_had_come_alone(funded: Bank) -> None:
    moved = Batch(key="moved", commands=(move(7),))
    other = Batch(key="moved", commands=(move(8),))
    mixed = Batch(key="mixed", commands=(move(1), move(0), move(2)), is_atomic=False)
    for is_later in (False, True):
        answers = funded.do(funded.ledger.post_all, [moved, mixed, moved, other, mixed])
        first, second, again, reused, repeated = answers
        assert isinstance(reused, IdempotencyKeyReusedError)
        assert "'moved' came before" in str(reused)
        assert (first.is_replay, second.is_replay) == (is_later, is_later)
        assert (again.is_replay, repeated.is_replay) == (True, True)
        assert (again.key, again.outcomes) == ("moved", first.outcomes)
        assert (repeated.key, repeated.outcomes) == ("mixed", second.outcomes)
        assert rejections(second) == [None, RejectionReason.AMOUNT_NOT_POSITIVE, None]
    assert funded.balance(ESCROW) == 7 + 1 + 2


def test_keys_of_other_posters_are_other_keys(funded: Bank) -> None:
    funded.fund(WALLET, 1, key="same")
    key = f"allocate:same:{WALLET}"
    result = funded.post(move(1), key=key)
    assert not result.is_replay
    assert result.require()[0].batch_key == f"post:{key}"
