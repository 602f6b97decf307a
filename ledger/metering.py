"""Metered work: every attempt that can cost fiat is funded before it is dispatched (Lemma 1)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from aem.proof import canonical_json, digest_of
from core.clock import Clock
from ledger import attempts, sealing
from ledger.accounts import BURN, ESCROW, FIAT_SPENT, OPERATOR_LOSS, RESERVE, SUSPENSE, TREASURY
from ledger.admission import Admission
from ledger.alerts import AlertKind, Alerts
from ledger.attempts import Attempt, AttemptRequest, AttemptStatus
from ledger.domain import Account, Batch, Command, Phase
from ledger.errors import (
    AttemptClosedError,
    AttemptNotFoundError,
    BudgetExhaustedError,
    UsageError,
)
from ledger.lending import Lending
from ledger.loans import LOAN_RETURN, Cause, Enforcement
from ledger.posting import Posting
from ledger.store import journal
from ledger.store import metering as store
from ledger.store.tables import row_of
from ledger.usage import (
    MAX_LINES,
    UsageLine,
    UsageRecord,
    charge_of,
    record_of_loss,
    records_of,
)

OPEN_ATTEMPTS_LIMIT_ROWS = 1_000
"""More attempts of one order are never open at once; bounds the answer."""


class Metering:
    """Admits attempts and books what they cost, in callers' transactions; never commits.

    Everything is idempotent by the attempt's identifier.
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
            clock: what attempts are dated by.
            alerts: hears of thresholds, losses and shortfalls; None keeps alerts and tells nobody.
            enforcement: whether attempts that are not covered are refused.
        """
        self._clock = clock
        self._alerts = alerts or Alerts(clock=clock)
        self._posting = Posting(clock=clock, scope=attempts.SCOPE)
        self.lending = Lending(clock=clock, alerts=self._alerts, enforcement=enforcement)
        self._admission = Admission(
            clock=clock, posting=self._posting, alerts=self._alerts, lending=self.lending
        )

    def admit(self, session: Session, request: AttemptRequest) -> Attempt:
        """Take both holds and write the attempt; commit before anything is dispatched.

        One transaction holds `bound_nusd` on the fiat budget of today, which is opened if need
        be, and `bound_utok` on the payer. Neither hold ever expires: an attempt ends settled,
        lost or released. In observe-only mode what is missing is lent first, in the same batch,
        and no limit refuses.

        Raises:
            BudgetNotFoundError: there is no such budget.
            BudgetNotSetError: the tree has no daily limit yet.
            UnboundedCostError: a bound is not positive, or `bound_utok` does not cover the burn.
            BudgetExhaustedError: the day's rest, or a limit on the way down the tree, does not
                cover `bound_nusd`, and that is enforced.
            InsufficientFundsError: the payer does not cover `bound_utok`, and that is enforced.
            IdempotencyKeyReusedError: the identifier came before with another request.
        """
        return self._admission.admit(session, request)

    def tell_exhausted(self, session: Session, refusal: BudgetExhaustedError) -> None:
        """Raise the alert of a budget that did not cover an attempt, in another transaction."""
        self._alerts.budget_exhausted(session, refusal)

    def settle(self, session: Session, *, attempt_id: str, lines: Sequence[UsageLine]) -> Attempt:
        """Book what an attempt used.

        The fiat cost goes from the day's budget to the provider's account, and ceil(kappa x cost)
        is burned from the payer; what the market price is above the base price goes to the
        budget's treasury, or to the lender if it would be paid with lent tokens; the rest of both
        holds is freed. A cost above its bound is the
        operator's loss, and lowers what the day has left. Without lines nothing was used.

        Raises:
            AttemptNotFoundError: there is no such attempt.
            AttemptClosedError: it ended in another way, or with other usage.
            UsageError: too many lines.
        """
        if len(lines) > MAX_LINES:
            raise UsageError(f"an attempt has at most {MAX_LINES} usage lines, not {len(lines)}")
        attempt = self._locked(session, attempt_id)
        outcome = _outcome_hash(AttemptStatus.SETTLED, lines)
        if attempt.status is not AttemptStatus.ADMITTED:
            return _ended(attempt, outcome)
        charge = charge_of(attempt, lines)
        codes = _settlement_accounts(attempt)
        order = _order_cause(attempt) if charge.charge_utok > charge.burn_utok else None
        if order and store.owed(session, order):
            codes += (order.overdraft,)
        accounts = self._lock_ending(session, attempt, codes)
        billing = attempts.billing_of(
            cost_nusd=charge.cost_nusd,
            bound_nusd=attempt.bound_nusd,
            rest_nusd=accounts[attempt.fiat_account].available,
        )
        lent_utok = attempts.lent_premium_utok(
            attempt, burn_utok=charge.burn_utok, charge_utok=charge.charge_utok
        )
        premium_utok = charge.charge_utok - charge.burn_utok - lent_utok
        to_lender: tuple[Command, ...] = ()
        if order:
            repaid_utok = min(premium_utok, store.owed(session, order))
            to_lender = order.give_back(order.overdraft, attempt.payer, repaid_utok)
            premium_utok -= repaid_utok
        commands = (
            *attempts.settlement(
                attempt, billing, burn_utok=charge.burn_utok, premium_utok=premium_utok
            ),
            *attempts.giving_back(
                attempt,
                freed_nusd=attempt.bound_nusd - billing.posted_nusd,
                freed_utok=attempt.bound_utok - charge.charge_utok + lent_utok,
                owed_nusd=_owed_nusd(attempt, accounts),
            ),
            *to_lender,
        )
        now = self._clock.now()
        ended = replace(
            attempt,
            status=AttemptStatus.SETTLED,
            outcome_hash=outcome,
            liability_nusd=billing.posted_nusd + billing.recovered_nusd,
            overbilled_nusd=billing.overbilled_nusd,
            ended_at=now,
            **vars(charge),
        )
        transfers = self._post_end(session, attempt, commands)
        records = records_of(attempt, lines, transfers=transfers, at=now)
        self._save(session, ended, records)
        if ended.overbilled_nusd:
            data = _told(ended, "provider", "bound_nusd", "cost_nusd", "overbilled_nusd")
            self._alerts.raise_alert(session, AlertKind.OPERATOR_LOSS, ended.id, data)
        return ended

    def lose(self, session: Session, *, attempt_id: str) -> Attempt:
        """Book an attempt whose outcome is unknown: it may have cost its full bound.

        The fiat bound goes to the provider's suspense account until the invoice tells; the payer
        gets its hold back; the reserve burns ceil(kappa x bound), and what it lacks is recorded
        as `shortfall_utok`.

        Raises:
            AttemptNotFoundError: there is no such attempt.
            AttemptClosedError: it ended in another way.
        """
        attempt = self._locked(session, attempt_id)
        outcome = _outcome_hash(AttemptStatus.LOST)
        if attempt.status is not AttemptStatus.ADMITTED:
            return _ended(attempt, outcome)
        reserve = RESERVE.code(attempt.budget_path.split("/")[0])
        accounts = self._lock_ending(session, attempt, _loss_accounts(attempt, reserve))
        due_utok = attempt.rate.utok_ceil(attempt.bound_nusd)
        burn_utok = min(due_utok, accounts[reserve].available)
        commands = attempts.loss(attempt, reserve=reserve, burn_utok=burn_utok)
        commands += attempts.giving_back(
            attempt, freed_nusd=0, freed_utok=attempt.bound_utok, owed_nusd=0
        )
        ended = replace(
            attempt,
            status=AttemptStatus.LOST,
            outcome_hash=outcome,
            cost_nusd=attempt.bound_nusd,
            burn_utok=burn_utok,
            shortfall_utok=due_utok - burn_utok,
            ended_at=self._clock.now(),
        )
        transfers = self._post_end(session, attempt, commands)
        self._save(session, ended, [record_of_loss(ended, transfers=transfers)])
        if ended.shortfall_utok:
            data = _told(ended, "provider", "bound_nusd", "burn_utok", "shortfall_utok")
            self._alerts.raise_alert(session, AlertKind.RESERVE_SHORTFALL, ended.id, data)
        return ended

    def release(self, session: Session, *, attempt_id: str) -> Attempt:
        """Free both holds of an attempt of which nothing was dispatched.

        Raises:
            AttemptNotFoundError: there is no such attempt.
            AttemptClosedError: it ended in another way.
        """
        attempt = self._locked(session, attempt_id)
        outcome = _outcome_hash(AttemptStatus.RELEASED)
        if attempt.status is not AttemptStatus.ADMITTED:
            return _ended(attempt, outcome)
        ended = replace(
            attempt,
            status=AttemptStatus.RELEASED,
            outcome_hash=outcome,
            liability_nusd=0,
            ended_at=self._clock.now(),
        )
        accounts = self._lock_ending(session, attempt, _hold_accounts(attempt))
        commands = attempts.release(attempt) + attempts.giving_back(
            attempt,
            freed_nusd=attempt.bound_nusd,
            freed_utok=attempt.bound_utok,
            owed_nusd=_owed_nusd(attempt, accounts),
        )
        self._post_end(session, attempt, commands)
        self._save(session, ended, [])
        return ended

    def attempt(self, session: Session, attempt_id: str) -> Attempt:
        """Return an attempt.

        Raises:
            AttemptNotFoundError: there is no such attempt.
        """
        return _found(store.attempt(session, attempt_id), attempt_id)

    def open_attempts(self, session: Session, *, reference: str) -> tuple[Attempt, ...]:
        """Return the attempts of an order that were admitted and have not ended, oldest first."""
        found = store.open_attempts(session, reference=reference, limit=OPEN_ATTEMPTS_LIMIT_ROWS)
        return tuple(found)

    def _lock_ending(
        self, session: Session, attempt: Attempt, codes: tuple[str, ...]
    ) -> dict[str, Account]:
        """Lock the accounts that an attempt's end touches; the day's lender comes along, if any.

        Whoever posts to that lender holds the day's account, so it needs no lock of its own.
        """
        if attempt.overdraft_utok:
            codes += (attempt.cause.overdraft,)
        accounts = journal.lock_accounts(session, codes)
        return accounts | journal.accounts_by_code(session, [attempt.overrun_account])

    def _locked(self, session: Session, attempt_id: str) -> Attempt:
        return _found(store.attempt(session, attempt_id, for_update=True), attempt_id)

    def _post_end(
        self, session: Session, attempt: Attempt, commands: tuple[Command, ...]
    ) -> tuple[str, ...]:
        """Post what ends an attempt; return the identifiers of what paid for it."""
        result = self._posting.post(session, Batch(key=f"{attempt.id}:end", commands=commands))
        moved = (Phase.POSTED, Phase.POST)
        transfers = [one for one in result.require() if one.phase in moved]
        self.lending.record(session, transfers, attempt.cause)
        return tuple(one.id for one in transfers if one.kind != LOAN_RETURN)

    def _save(self, session: Session, ended: Attempt, records: Sequence[UsageRecord]) -> None:
        store.save_attempt(session, ended)
        if records:
            rows = [row_of(record) for record in records]
            store.add_usage(session, rows)
            sealing.enqueue(session, "usage", rows)


def _told(attempt: Attempt, *names: str) -> dict[str, Any]:
    fields = {name: getattr(attempt, name) for name in names}
    return {"attempt": attempt.id, "budget": attempt.budget, "day": attempt.day, **fields}


def _owed_nusd(attempt: Attempt, accounts: Mapping[str, Account]) -> int:
    lender = accounts.get(attempt.overrun_account)
    return 0 if lender is None else -lender.balance


def _order_cause(attempt: Attempt) -> Cause | None:
    """Return what an attempt's order is lent tokens for, if its own escrow pays."""
    if not attempt.reference or attempt.payer != f"{ESCROW.prefix}:{attempt.reference}":
        return None
    return Cause(budget=attempt.budget, owner=attempt.owner, reference=attempt.reference)


def _hold_accounts(attempt: Attempt) -> tuple[str, ...]:
    return (
        attempt.fiat_account,
        attempt.payer,
        BURN.code(),
        FIAT_SPENT.code(attempt.provider),
    )


def _settlement_accounts(attempt: Attempt) -> tuple[str, ...]:
    return (*_hold_accounts(attempt), OPERATOR_LOSS.code(), TREASURY.code(attempt.budget))


def _loss_accounts(attempt: Attempt, reserve: str) -> tuple[str, ...]:
    return (*_hold_accounts(attempt), reserve, SUSPENSE.code(attempt.provider))


def _found(attempt: Attempt | None, attempt_id: str) -> Attempt:
    if attempt is None:
        raise AttemptNotFoundError(f"there is no attempt {attempt_id[:80]!r}")
    return attempt


def _ended(attempt: Attempt, outcome_hash: str) -> Attempt:
    if attempt.outcome_hash != outcome_hash:
        raise AttemptClosedError(
            f"attempt {attempt.id} was {attempt.status.value} before, in another way",
            status=attempt.status.value,
        )
    return attempt


def _outcome_hash(status: AttemptStatus, lines: Sequence[UsageLine] = ()) -> str:
    return digest_of(canonical_json({"status": status, "lines": [vars(line) for line in lines]}))
