"""Lending: how observe-only mode pays for what is not covered, and gets back what is not used."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from core.clock import Clock
from core.money import Currency
from ledger import sealing
from ledger.alerts import AlertKind, Alerts
from ledger.books import transfer_id
from ledger.domain import Batch, Move, Transfer
from ledger.errors import BudgetNotFoundError
from ledger.loans import Cause, Enforcement, Loan, loans_of, may_borrow
from ledger.posting import Posting
from ledger.store import budgets as budget_store
from ledger.store import journal
from ledger.store import metering as store
from ledger.store.tables import row_of

_SCOPE = "lending"


class Lending:
    """Pays, and lends what the payer lacks if nothing is enforced; in callers' transactions.

    It never commits.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        alerts: Alerts | None = None,
        enforcement: Enforcement = Enforcement.ENFORCE,
    ) -> None:
        """Keep the collaborators; no I/O.

        Args:
            clock: what transfers are dated by.
            alerts: hears of loans; None keeps alerts and tells nobody.
            enforcement: whether what is not covered is refused.
        """
        self._clock = clock
        self._alerts = alerts or Alerts(clock=clock)
        self._posting = Posting(clock=clock, scope=_SCOPE)
        self.is_observing = enforcement is Enforcement.OBSERVE

    def pay(self, session: Session, *, key: str, move: Move, cause: Cause) -> int:
        """Move tokens; in observe-only mode, lend the payer what it lacks of them.

        Idempotent by `key`.

        Returns:
            What was lent, in utok.

        Raises:
            InsufficientFundsError: the payer does not cover it, and that is enforced.
            TransferRejectedError: another rule refuses it.
            BudgetNotFoundError: there is no such budget.
        """
        now = self._clock.now()
        if self.is_observing and journal.await_key(session, f"{_SCOPE}:{key}", at=now):
            lent_utok = self._lack(session, move, cause)
        else:
            lent_utok = self._known_loan(session, key)  # whatever the mode was then
        loan = cause.lend(cause.overdraft, move.debit, lent_utok)
        result = self._posting.post(session, Batch(key=key, commands=(*loan, move)))
        transfers = result.require()
        if not result.is_replay:
            self.record(session, transfers, cause)
        return lent_utok

    def _lack(self, session: Session, move: Move, cause: Cause) -> int:
        """Find out what a payer lacks, and keep it locked so."""
        codes = [move.debit, move.credit, cause.overdraft]
        available_utok = journal.lock_accounts(session, codes)[move.debit].available
        return max(0, move.amount - available_utok) if may_borrow(move.debit) else 0

    def _known_loan(self, session: Session, key: str) -> int:
        """Return what was lent under a key before."""
        scoped = f"{_SCOPE}:{key}"
        for batch in journal.batches_by_key(session, [scoped]).values():
            names = [transfer_id(scoped, position, at=batch.at) for position in (0, 1)]
            found = journal.transfers_by_id(session, names)
            if len(found) == len(names):
                return found[names[0]].amount
        return 0

    def give_back(
        self, session: Session, *, key: str, account: str, cause: Cause, amount_utok: int
    ) -> None:
        """Take so much of a loan back from an account of tokens. Idempotent by `key`.

        Raises:
            InsufficientFundsError: the account does not have it.
        """
        moves = cause.give_back(cause.overdraft, account, amount_utok)
        if moves:
            result = self._posting.post(session, Batch(key=key, commands=moves))
            if not result.is_replay:
                self.record(session, result.require(), cause)

    def debts(self, session: Session, *, owner: str, order: str) -> dict[str, int]:
        """Return what an owner owes in utok for an order and its attempts, by identifier."""
        return store.debts(session, owner=owner, reference=order)

    def record(self, session: Session, transfers: Sequence[Transfer], cause: Cause) -> None:
        """Write and seal the records of those transfers that lend or give back; tell of loans."""
        loans = loans_of(transfers, cause)
        if not loans:
            return
        rows = [row_of(loan) for loan in loans]
        store.add_loans(session, rows)
        sealing.enqueue(session, "loan", rows)
        budget = budget_store.budget(session, cause.budget)
        if budget is None:
            raise BudgetNotFoundError(f"there is no budget {cause.budget[:80]!r}")
        day = budget.day_at(self._clock.now())
        for loan in loans:
            if loan.amount > 0:
                self._tell(session, loan, budget.root, day)

    def _tell(self, session: Session, loan: Loan, root: str, day: str) -> None:
        known = {"day": day, "budget": loan.budget, "owner": loan.owner, "for": loan.reference}
        if loan.currency is Currency.UTOK:
            data = known | {"account": loan.account, "lent_utok": loan.amount}
            subject = f"{loan.owner}:{day}"
            self._alerts.raise_alert(session, AlertKind.OVERDRAFT, subject, data)
        else:
            data = known | {"limit_of": root, "beyond_nusd": loan.amount}
            subject = f"{root}:{day}"
            self._alerts.raise_alert(session, AlertKind.BUDGET_OVERRUN, subject, data)
