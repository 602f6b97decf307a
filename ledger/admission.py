"""Admission: an attempt takes both holds before it is dispatched, or is refused (Lemma 1)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from core.clock import Clock
from core.errors import InvariantViolatedError
from ledger import attempts
from ledger.accounts import BURN, FIAT_SPENT
from ledger.alerts import AlertKind, Alerts
from ledger.attempts import Attempt, AttemptRequest
from ledger.auditor import TokenAuditor
from ledger.domain import RejectionReason, Transfer
from ledger.errors import (
    BudgetExhaustedError,
    BudgetNotFoundError,
    IdempotencyKeyReusedError,
    InsufficientFundsError,
)
from ledger.lending import Lending
from ledger.loans import may_borrow
from ledger.policy import Budget, IssuanceDecision
from ledger.posting import Posting
from ledger.store import budgets as budget_store
from ledger.store import journal
from ledger.store import metering as store


class Admission:
    """Admits attempts in callers' transactions; never commits."""

    def __init__(
        self, *, clock: Clock, posting: Posting, alerts: Alerts, lending: Lending
    ) -> None:
        """Keep the collaborators; no I/O."""
        self._clock = clock
        self._posting = posting
        self._alerts = alerts
        self._lending = lending
        self._auditor = TokenAuditor(clock=clock)

    def admit(self, session: Session, request: AttemptRequest) -> Attempt:
        """Take both holds and write the attempt; see `ledger.Metering.admit`."""
        known = store.attempt(session, request.attempt_id)
        if known is not None:
            return _same(known, request)
        budget = budget_store.budget(session, request.budget)
        if budget is None:
            raise BudgetNotFoundError(f"there is no budget {request.budget[:80]!r}")
        decision = self._auditor.open_day(session, budget)
        attempts.check_bounds(request, decision.rate)
        limits = tuple(self._limits(session, budget, decision.day))
        lack = self._lack(session, request, budget, decision.day, limits)
        if lack is None:  # admitted by another transaction since we looked
            return self._twin(session, request)
        transfers = self._take_holds(session, request, budget, decision.day, lack)
        if transfers is None:  # the same
            return self._twin(session, request)
        *_, fiat_hold, token_hold = transfers
        attempt = attempts.admitted(
            request,
            budget=budget,
            decision=decision,
            hold_ids=(fiat_hold.id, token_hold.id),
            lack=lack,
            at=self._clock.now(),
        )
        store.add_attempt(session, attempt)
        self._lending.record(session, transfers, attempt.cause)
        self._tell_admission(session, attempt, budget, decision, lack)
        self._tell_limits(session, attempt, limits)
        return attempt

    def _twin(self, session: Session, request: AttemptRequest) -> Attempt:
        """Return what another transaction admitted under the same identifier."""
        known = store.attempt(session, request.attempt_id)
        if known is None:
            raise InvariantViolatedError(f"attempt {request.attempt_id} was posted and is no row")
        return _same(known, request)

    def _lack(
        self,
        session: Session,
        request: AttemptRequest,
        budget: Budget,
        day: str,
        below_root: Sequence["_Limit"],
    ) -> attempts.Lack | None:
        """Find out what an admission lacks, if that is to be lent, and keep it locked so.

        Returns:
            None if another transaction admitted the attempt.

        Raises:
            BudgetExhaustedError: a limit down the tree does not cover it, and that is enforced.
        """
        added_nusd = request.bound_nusd
        limits = tuple(limit.budget for limit in below_root if not limit.covers(added_nusd))
        if not self._lending.is_observing:
            if limits:
                raise BudgetExhaustedError(budget=limits[0], day=day, bound_nusd=added_nusd)
            return attempts.Lack()
        if not journal.await_key(session, request.admission_key, at=self._clock.now()):
            return None
        cause = request.cause
        fiat = budget.fiat_account(day)
        codes = (
            fiat,
            budget.overrun_account(day),
            request.payer,
            cause.overdraft,
            BURN.code(),
            FIAT_SPENT.code(request.provider),
        )
        accounts = journal.lock_accounts(session, codes)
        lack_utok = max(0, request.bound_utok - accounts[request.payer].available)
        return attempts.Lack(
            limits=limits,
            overrun_nusd=max(0, request.bound_nusd - accounts[fiat].available),
            overdraft_utok=lack_utok if may_borrow(request.payer) else 0,
        )

    def _take_holds(
        self,
        session: Session,
        request: AttemptRequest,
        budget: Budget,
        day: str,
        lack: attempts.Lack,
    ) -> tuple[Transfer, ...] | None:
        """Post what admits an attempt; None if another transaction posted it."""
        cause, fiat = request.cause, budget.fiat_account(day)
        loans = (
            *cause.lend(budget.overrun_account(day), fiat, lack.overrun_nusd),
            *cause.lend(cause.overdraft, request.payer, lack.overdraft_utok),
        )
        result = self._posting.post(session, attempts.admission(request, fiat, loans))
        if not loans and result.first_rejection == (0, RejectionReason.INSUFFICIENT_FUNDS):
            raise BudgetExhaustedError(budget=budget.root, day=day, bound_nusd=request.bound_nusd)
        if not loans and result.first_rejection == (1, RejectionReason.INSUFFICIENT_FUNDS):
            available = journal.lock_accounts(session, [request.payer])[request.payer].available
            raise InsufficientFundsError(
                f"{request.payer} has {available} utok, and attempt {request.attempt_id} may take"
                f" {request.bound_utok} utok",
                account=request.payer,
                available_utok=available,
                needed_utok=request.bound_utok,
            )
        transfers = result.require()
        return None if result.is_replay else transfers

    def _tell_admission(
        self,
        session: Session,
        attempt: Attempt,
        budget: Budget,
        decision: IssuanceDecision,
        lack: attempts.Lack,
    ) -> None:
        """Raise the alerts that an admission causes."""
        for limit in lack.limits:
            data = {
                "day": attempt.day,
                "budget": attempt.budget,
                "owner": attempt.owner,
                "for": attempt.id,
                "limit_of": limit,
            }
            subject = f"{limit}:{attempt.day}"
            self._alerts.raise_alert(session, AlertKind.BUDGET_OVERRUN, subject, data)
        self._alerts.budget_taken(
            session,
            budget=budget,
            day=attempt.day,
            limit_nusd=decision.daily_limit_nusd,
            added_nusd=attempt.bound_nusd,
        )

    def _tell_limits(self, session: Session, attempt: Attempt, limits: Iterable["_Limit"]) -> None:
        """Raise the alerts of limits below the root, of which an admission took its bound."""
        for limit in limits:
            self._alerts.limit_taken(
                session,
                budget=limit.budget,
                day=attempt.day,
                limit_nusd=limit.limit_nusd,
                taken_nusd=limit.taken_nusd + attempt.bound_nusd,
                added_nusd=attempt.bound_nusd,
            )

    def _limits(self, session: Session, budget: Budget, day: str) -> Iterator["_Limit"]:
        """Yield the limits down the tree, from below the root on.

        A limit's budget stays locked from the check on, so that no two pass it together.
        """
        for name, path in budget.lineage[1:]:
            setting = budget_store.latest_setting(session, name, effective_by=day)
            if setting is None:
                continue
            budget_store.lock_budget(session, name)
            taken_nusd = store.liability_nusd(session, day=day, path=path)
            yield _Limit(budget=name, limit_nusd=setting.daily_limit_nusd, taken_nusd=taken_nusd)


@dataclass(frozen=True, kw_only=True)
class _Limit:
    """A budget's limit of a day below the root, and what the day's work takes of it so far."""

    budget: str
    limit_nusd: int
    taken_nusd: int

    def covers(self, bound_nusd: int) -> bool:
        return self.taken_nusd + bound_nusd <= self.limit_nusd


def _same(known: Attempt, request: AttemptRequest) -> Attempt:
    asked = dict(vars(request))
    asked["id"] = asked.pop("attempt_id")
    if any(getattr(known, name) != value for name, value in asked.items()):
        raise IdempotencyKeyReusedError(
            f"attempt {known.id} was admitted with other bounds or parties: a retry of the work"
            " is a new attempt"
        )
    return known
