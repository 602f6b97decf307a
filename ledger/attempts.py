"""Attempts: requests that can cost fiat, from admission to their end.

An attempt is admitted with an upper bound before it is dispatched, and ends settled, lost (its
outcome is unknown) or released (nothing was dispatched). What it posts is decided here, by pure
functions; `ledger.metering` carries it out.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.money import MAX_AMOUNT, ExchangeRate
from ledger.accounts import (
    BURN,
    FIAT_OVERRUN,
    FIAT_SPENT,
    OPERATOR_LOSS,
    SUSPENSE,
    TREASURY,
)
from ledger.domain import Batch, Command, Hold, Move, PostHold, VoidHold
from ledger.errors import BudgetExhaustedError, InsufficientFundsError, UnboundedCostError
from ledger.loans import Cause
from ledger.policy import Budget, IssuanceDecision

SCOPE = "attempt"
"""Keeps the keys of what attempts post apart from others."""


@dataclass(frozen=True, kw_only=True)
class AttemptRequest:
    """What is asked for before a request that can cost fiat is dispatched.

    Attributes:
        attempt_id: chosen by the caller; a retry of the work is a new attempt.
        budget: bears the fiat cost through its tree's root, and gets the premium.
        owner: whose work it is.
        payer: token account that pays, such as ``escrow:<order>``.
        provider: who bills it.
        resource: what it uses in the main; named in the record if its outcome stays unknown.
        bound_nusd: proven upper bound on what the provider can bill; more than zero.
        bound_utok: the most that the payer shall be charged, premium included.
        reference: order that it belongs to, or "".
    """

    attempt_id: str
    budget: str
    owner: str
    payer: str
    provider: str
    resource: str
    bound_nusd: int
    bound_utok: int
    reference: str = ""

    @property
    def cause(self) -> Cause:
        """What money is lent for."""
        return Cause(budget=self.budget, owner=self.owner, reference=self.attempt_id)

    @property
    def admission_key(self) -> str:
        """Key of the batch that admits it, with its scope."""
        return f"{SCOPE}:{_admission_key(self)}"


class AttemptStatus(StrEnum):
    """Where an attempt stands."""

    ADMITTED = "admitted"  # both holds are taken; it may be dispatched
    SETTLED = "settled"
    LOST = "lost"  # its full bound is in suspense until the invoice tells
    RELEASED = "released"


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A request that can cost fiat, and what became of it.

    Attributes:
        budget: whose treasury gets the premium; `budget_path` leads to it from the root.
        day: the admission day in the operator's time zone, which bears the fiat cost.
        fiat_account: the budget account of that day.
        owner: the agent, i in the paper's ledger row.
        payer: the token account that pays: a wallet or an order's escrow.
        bound_nusd: proven upper bound on the fiat cost.
        bound_utok: the most that the payer is charged, premium included.
        utok_per_usd: kappa of the day.
        liability_nusd: what it takes of the day's budget at most from now on.
        outcome_hash: digest of what it was ended with; "" before that.
        cost_nusd: what the provider bills; of a lost attempt, the bound.
        burn_utok: tokens burned for it, by whoever bore it.
        charge_utok: what the payer was charged: the burn and the congestion premium. The part
            of the premium that lent tokens would pay goes back to their lender.
        overbilled_nusd: what the provider bills above the bound.
        shortfall_utok: what a lost attempt should have burned and the reserve did not have.
        overdraft_utok: what observe-only mode lent the payer at the admission; see `ledger.loans`.
        overrun_nusd: what it lent the day's fiat budget at the admission.
        let_pass: the refusals that enforcement would have given, by their reasons.
    """

    id: str
    budget: str
    budget_path: str
    day: str
    fiat_account: str
    owner: str
    payer: str
    provider: str
    resource: str
    reference: str
    bound_nusd: int
    bound_utok: int
    utok_per_usd: int
    fiat_hold_id: str
    token_hold_id: str
    status: AttemptStatus
    liability_nusd: int
    outcome_hash: str = ""
    cost_nusd: int = 0
    burn_utok: int = 0
    charge_utok: int = 0
    overbilled_nusd: int = 0
    shortfall_utok: int = 0
    overdraft_utok: int = 0
    overrun_nusd: int = 0
    let_pass: tuple[str, ...] = ()
    admitted_at: datetime
    ended_at: datetime | None = None

    @property
    def overrun_account(self) -> str:
        """Code of the account that lends what the admission day's fiat budget lacks."""
        return FIAT_OVERRUN.code(*self.fiat_account.split(":")[1:])

    @property
    def cause(self) -> Cause:
        """What money is lent for."""
        return Cause(budget=self.budget, owner=self.owner, reference=self.id)

    @property
    def rate(self) -> ExchangeRate:
        """Kappa of the admission day."""
        return ExchangeRate(utok_per_usd=self.utok_per_usd)


@dataclass(frozen=True, kw_only=True)
class Lack:
    """What an attempt's admission lacks, and observe-only mode lends.

    Attributes:
        limits: budgets below the root whose limits do not cover it; they hold no money.
        overrun_nusd: what the day's fiat budget lacks.
        overdraft_utok: what the payer lacks.
    """

    limits: tuple[str, ...] = ()
    overrun_nusd: int = 0
    overdraft_utok: int = 0

    @property
    def reasons(self) -> tuple[str, ...]:
        """The refusals that enforcement would have given."""
        reasons = []
        if self.limits or self.overrun_nusd:
            reasons.append(BudgetExhaustedError.reason)
        if self.overdraft_utok:
            reasons.append(InsufficientFundsError.reason)
        return tuple(reasons)


@dataclass(frozen=True, kw_only=True)
class Billing:
    """How an attempt's fiat cost falls on the day's budget.

    Attributes:
        posted_nusd: the cost up to the bound.
        overbilled_nusd: the cost above the bound, which is the operator's loss.
        recovered_nusd: what the day's rest gives back for that loss, so that the day spends less.
    """

    posted_nusd: int
    overbilled_nusd: int = 0
    recovered_nusd: int = 0


def billing_of(*, cost_nusd: int, bound_nusd: int, rest_nusd: int) -> Billing:
    """Split a cost at its bound; `rest_nusd` is what the day's budget has left unheld."""
    overbilled_nusd = max(0, cost_nusd - bound_nusd)
    return Billing(
        posted_nusd=cost_nusd - overbilled_nusd,
        overbilled_nusd=overbilled_nusd,
        recovered_nusd=min(overbilled_nusd, rest_nusd),
    )


def check_bounds(request: AttemptRequest, rate: ExchangeRate) -> None:
    """Refuse an attempt whose cost is not bounded on both sides.

    Raises:
        UnboundedCostError: a bound is not positive, or the tokens do not cover the burn.
    """
    if not 0 < request.bound_nusd <= MAX_AMOUNT:
        raise UnboundedCostError(
            f"attempt {request.attempt_id} needs a positive bound on its cost, not"
            f" {request.bound_nusd} nusd"
        )
    burn_utok = rate.utok_ceil(request.bound_nusd)
    if not burn_utok <= request.bound_utok <= MAX_AMOUNT:
        raise UnboundedCostError(
            f"attempt {request.attempt_id} burns up to {burn_utok} utok: its bound of"
            f" {request.bound_utok} utok does not cover that",
            burn_utok=burn_utok,
            bound_utok=request.bound_utok,
        )


def admission(request: AttemptRequest, fiat_account: str, loans: tuple[Move, ...] = ()) -> Batch:
    """Return the two holds that admit an attempt, fiat and then tokens, after what is lent."""
    return Batch(
        key=_admission_key(request),
        commands=(
            *loans,
            Hold(
                debit=fiat_account,
                credit=FIAT_SPENT.code(request.provider),
                amount=request.bound_nusd,
                kind="metered_cost",
                reference=request.attempt_id,
            ),
            Hold(
                debit=request.payer,
                credit=BURN.code(),
                amount=request.bound_utok,
                kind="metered_burn",
                reference=request.attempt_id,
            ),
        ),
    )


def admitted(
    request: AttemptRequest,
    *,
    budget: Budget,
    decision: IssuanceDecision,
    hold_ids: tuple[str, str],
    lack: Lack,
    at: datetime,
) -> Attempt:
    """Return the attempt as it is after its admission."""
    fiat_hold_id, token_hold_id = hold_ids
    fields = dict(vars(request))
    return Attempt(
        id=fields.pop("attempt_id"),
        **fields,
        budget_path=budget.path,
        day=decision.day,
        fiat_account=budget.fiat_account(decision.day),
        utok_per_usd=decision.utok_per_usd,
        fiat_hold_id=fiat_hold_id,
        token_hold_id=token_hold_id,
        status=AttemptStatus.ADMITTED,
        liability_nusd=request.bound_nusd,
        overdraft_utok=lack.overdraft_utok,
        overrun_nusd=lack.overrun_nusd,
        let_pass=lack.reasons,
        admitted_at=at,
    )


def lent_premium_utok(attempt: Attempt, *, burn_utok: int, charge_utok: int) -> int:
    """Return how much of a premium would be paid with what was lent for the attempt.

    The payer's own tokens are burned first. A premium is no cost: paid with lent tokens, it would
    make them the budget's own.
    """
    lent_utok = attempt.overdraft_utok - (attempt.bound_utok - charge_utok)
    return max(0, min(lent_utok, charge_utok - burn_utok))


def settlement(
    attempt: Attempt, billing: Billing, *, burn_utok: int, premium_utok: int
) -> tuple[Command, ...]:
    """Return what settles an attempt: the burn for its cost, the premium for its budget.

    The premium is without what of it gives loans back.
    """
    return (
        _post_or_void(attempt.fiat_hold_id, billing.posted_nusd),
        _post_or_void(attempt.token_hold_id, burn_utok),
        *_move(attempt, attempt.payer, TREASURY.code(attempt.budget), premium_utok, "premium"),
        *_move(
            attempt,
            OPERATOR_LOSS.code(),
            FIAT_SPENT.code(attempt.provider),
            billing.overbilled_nusd,
            "overbilled",
        ),
        *_move(
            attempt,
            attempt.fiat_account,
            OPERATOR_LOSS.code(),
            billing.recovered_nusd,
            "overbilled_recovery",
        ),
    )


def loss(attempt: Attempt, *, reserve: str, burn_utok: int) -> tuple[Command, ...]:
    """Return what books an unknown outcome: all in suspense, burned by the reserve."""
    return (
        *release(attempt),
        *_move(
            attempt,
            attempt.fiat_account,
            SUSPENSE.code(attempt.provider),
            attempt.bound_nusd,
            "suspense",
        ),
        *_move(attempt, reserve, BURN.code(), burn_utok, "burn_by_reserve"),
    )


def release(attempt: Attempt) -> tuple[Command, ...]:
    """Return what frees both holds of an attempt."""
    return VoidHold(hold_id=attempt.fiat_hold_id), VoidHold(hold_id=attempt.token_hold_id)


def giving_back(
    attempt: Attempt, *, freed_nusd: int, freed_utok: int, owed_nusd: int
) -> tuple[Command, ...]:
    """Return what gives loans back when an attempt ends.

    Its day gives back as much of what it owes as is freed, whichever attempt that was lent for:
    so a day owes just what was admitted beyond its budget. Its payer gives back what was lent for
    this attempt and not used; what it owes for others, it keeps owing.

    Args:
        attempt: which ends.
        freed_nusd: what of its fiat bound was not posted.
        freed_utok: what of its token bound is not burned, and pays no premium.
        owed_nusd: what its day owes.
    """
    cause = attempt.cause
    utok = min(attempt.overdraft_utok, freed_utok)
    nusd = min(owed_nusd, freed_nusd)
    return (
        *cause.give_back(cause.overdraft, attempt.payer, utok),
        *cause.give_back(attempt.overrun_account, attempt.fiat_account, nusd),
    )


def _admission_key(request: AttemptRequest) -> str:
    return f"{request.attempt_id}:admit"


def _post_or_void(hold_id: str, amount: int) -> Command:
    return PostHold(hold_id=hold_id, amount=amount) if amount else VoidHold(hold_id=hold_id)


def _move(attempt: Attempt, debit: str, credit: str, amount: int, kind: str) -> tuple[Move, ...]:
    if not amount:
        return ()
    move = Move(debit=debit, credit=credit, amount=amount, kind=kind, reference=attempt.id)
    return (move,)
