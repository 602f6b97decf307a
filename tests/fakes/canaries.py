"""Ledgers that are broken on purpose, each in one way, to see that the contract catches it."""

import threading
import uuid
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from ledger import (
    Attempt,
    Batch,
    Budget,
    BudgetSetting,
    Ledger,
    Metering,
    Move,
    Outcome,
    PostHold,
    RejectionReason,
    Transfer,
    Writer,
    sealing,
)
from ledger.auditor import TokenAuditor
from ledger.books import Books, _RefusedError
from ledger.domain import Account, HoldStatus, Sums
from ledger.policy import Issuance
from ledger.posting import Answer, Posting
from ledger.store.journal import new_account
from tests.fakes import ledger_contract as contract
from tests.fakes.bank import USD, Bank
from tests.fakes.ledger_contract import Subject
from tests.fakes.threads import THREADS

Found = TypeVar("Found")
_STALE = "canary_stale_accounts"


@dataclass(frozen=True, kw_only=True)
class HastyBank(Bank):
    """Reads all balances before its transaction begins, when threads that start together do."""

    readers: threading.Barrier = field(default_factory=lambda: threading.Barrier(THREADS))

    def do(self, work: Callable[..., Found], *arguments: Any, **named: Any) -> Found:
        with self.database.reading() as session:
            stale = {account.code: account for account in self.ledger.accounts(session).items}
        if threading.current_thread() is not threading.main_thread():
            self.readers.wait(timeout=30)
        with self.database.transaction() as session:
            session.info[_STALE] = stale
            return work(session, *arguments, **named)


class UnlockedPosting(Posting):
    """Posts on balances that were read without a lock."""

    def _open_books(self, session: Session, *rest: Any) -> Books:
        books = super()._open_books(session, *rest)
        stale = session.info.get(_STALE)
        if stale is not None:
            accounts = {code: stale.get(code, new_account(code)) for code in books.accounts}
            books.accounts = {code: _sums(account) for code, account in accounts.items()}
        return books


def _sums(account: Account) -> Sums:
    return Sums(**{each.name: getattr(account, each.name) for each in fields(Sums)})


class LateBooks(Books):
    """Looks at the floors once, when a chain is over."""

    def _check_room(self, debit: str, credit: str, amount: int) -> None:
        try:
            super()._check_room(debit, credit, amount)
        except _RefusedError as refusal:
            if refusal.reason is not RejectionReason.INSUFFICIENT_FUNDS:
                raise

    def apply_chain(self, *arguments: Any, **named: Any) -> list[Outcome]:
        before = deepcopy(self.accounts)
        outcomes = super().apply_chain(*arguments, **named)
        if any(one.floor is not None and _available(one) < 0 for one in self.accounts.values()):
            self.accounts = before
            refused = Outcome(rejection=RejectionReason.INSUFFICIENT_FUNDS)
            return [refused] * len(outcomes)
        return outcomes


def _available(sums: Sums) -> int:
    return sums.credits_posted - sums.debits_posted - sums.debits_held


class TwiceBooks(Books):
    """Posts a hold as often as it is asked to."""

    def _post_hold(self, command: PostHold, draft: Any) -> Transfer:
        hold = self.holds.get(command.hold_id)
        if hold is None or hold.status is not HoldStatus.POSTED:
            return super()._post_hold(command, draft)
        amount = command.amount or hold.amount
        return self._move(
            Move(debit=hold.debit, credit=hold.credit, amount=amount, kind=hold.kind), draft
        )


def posting_with(kind: type[Books]) -> type[Posting]:
    class WithBooks(Posting):
        def _open_books(self, *arguments: Any) -> Books:
            return kind(**vars(super()._open_books(*arguments)))

    return WithBooks


class ForgetfulPosting(Posting):
    """Takes every request for a new one."""

    def post_all(self, session: Session, batches: Sequence[Batch]) -> list[Answer]:
        fresh = [replace(batch, key=f"{batch.key}:{uuid.uuid4()}") for batch in batches]
        return super().post_all(session, fresh)


class UnsealedPosting(Posting):
    """Leaves the newest record of each posting for later."""

    def post_all(self, session: Session, batches: Sequence[Batch]) -> list[Answer]:
        answers = super().post_all(session, batches)
        waiting = session.info.get(sealing._WAITING, [])
        if waiting:
            last = waiting.pop()
            *sealed, _ = last.leaf_hashes.items()
            waiting += [replace(last, leaf_hashes=dict(sealed))] if sealed else []
        return answers


class RoundingAuditor(TokenAuditor):
    """Rounds a day's tokens up."""

    def _carry_out(
        self,
        session: Session,
        budget: Budget,
        day: str,
        setting: BudgetSetting,
        issuance: Issuance,
    ) -> tuple[str, ...]:
        exact = Fraction(setting.daily_limit_nusd * (setting.utok_per_usd or 0), USD)
        if exact.denominator > 1:
            issuance = replace(issuance, issued_utok=issuance.issued_utok + 1)
        return super()._carry_out(session, budget, day, setting, issuance)


class ReleasingMetering(Metering):
    """Frees what an unknown outcome may have cost."""

    def lose(self, session: Session, *, attempt_id: str) -> Attempt:
        return self.release(session, attempt_id=attempt_id)


class EagerWriter(Writer):
    """Answers first, and writes when it is closed."""

    def _post_group(self, group: Any) -> None:
        with Session(self._database.writing_engine) as session:
            answers = self._ledger.post_all(session, [waiting.batch for waiting in group])
            session.rollback()
        self.left = [*getattr(self, "left", []), *(waiting.batch for waiting in group)]
        for waiting, answer in zip(group, answers, strict=True):
            waiting.future.set_result(answer)

    def close(self, *, drain: bool = True) -> None:
        super().close(drain=drain)
        with self._database.transaction() as session:
            self._ledger.post_all(session, self.left)


def broken(bank: Bank, posting: type[Posting]) -> Bank:
    """Return the bank with another way of posting."""
    ledger = Ledger(clock=bank.clock)
    ledger._posting = posting(clock=bank.clock, scope="post", is_privileged=False)
    return replace(bank, ledger=ledger)


def no_lock(bank: Bank) -> Subject:
    return Subject(bank=HastyBank(**vars(broken(bank, UnlockedPosting))))


def late_check(bank: Bank) -> Subject:
    return Subject(bank=broken(bank, posting_with(LateBooks)))


def non_idempotent(bank: Bank) -> Subject:
    return Subject(bank=broken(bank, ForgetfulPosting))


def unsealed_tail(bank: Bank) -> Subject:
    return Subject(bank=broken(bank, UnsealedPosting))


def rounding_up(bank: Bank) -> Subject:
    for service in (bank.budgets, bank.metering):
        service._auditor = RoundingAuditor(clock=bank.clock)
    return Subject(bank=bank)


def released_suspense(bank: Bank) -> Subject:
    return Subject(bank=replace(bank, metering=ReleasingMetering(clock=bank.clock)))


def double_post(bank: Bank) -> Subject:
    return Subject(bank=broken(bank, posting_with(TwiceBooks)))


def early_answer(bank: Bank) -> Subject:
    return Subject(bank=bank, writer=EagerWriter)


@dataclass(frozen=True, kw_only=True)
class Canary:
    """A broken ledger, and the one check that must catch it."""

    made: Callable[[Bank], Subject]
    caught_by: Callable[[Subject], None]


CANARIES = (
    Canary(made=no_lock, caught_by=contract.spends_together_what_it_has_once),
    Canary(made=late_check, caught_by=contract.judges_each_command_on_what_is_there),
    Canary(made=non_idempotent, caught_by=contract.does_a_request_once),
    Canary(made=unsealed_tail, caught_by=contract.seals_all_that_it_writes),
    Canary(made=rounding_up, caught_by=contract.issues_no_more_than_its_cap),
    Canary(made=released_suspense, caught_by=contract.keeps_what_may_have_been_spent),
    Canary(made=double_post, caught_by=contract.settles_a_hold_once),
    Canary(made=early_answer, caught_by=contract.answers_when_it_is_written),
)
