"""What an order costs, in both currencies: market prices meet the ledger's holds.

Every transaction here calls the market before the ledger, as the market asks.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from sqlalchemy.orm import Session

from core.clock import Clock
from devops_agent import store
from devops_agent.domain import Order, OrderTerms
from devops_agent.observing import with_notes
from devops_agent.uses import (
    MS_PER_S,
    NOTHING,
    SEARCH_MIN_MS,
    Use,
    cost_nusd,
    judging_reserve,
    price_utok,
    usage_lines,
)
from ledger import (
    ESCROW,
    WALLET,
    Attempt,
    AttemptRequest,
    AttemptStatus,
    Batch,
    BudgetExhaustedError,
    Budgets,
    Cause,
    Ledger,
    Metering,
    Move,
)
from market import (
    JUDGED_CASE,
    MILLIUNITS_PER_UNIT,
    SANDBOX_SECOND,
    Market,
    PriceVector,
    Quote,
    QuoteLine,
    input_resource,
    output_resource,
)

_logger = logging.getLogger(__name__)

PROVIDER = "sandbox"
"""The house's own machines: their price covers what they cost the operator."""

LEASE_MARGIN_S = 60
"""How much longer than the work a lease lasts, so that a late end still counts as use."""


class Affordable(Protocol):
    """Tells whether an escrow covers some uses together, the fee kept aside."""

    def __call__(self, *uses: Use) -> bool:
        """Return whether the escrow covers them all."""
        ...


@dataclass(frozen=True, kw_only=True)
class Engagement:
    """What an attempt occupies from its admission to its end.

    Attributes:
        attempt_id: identifier in the ledger and in the record of work.
        provider: who bills for it.
        resource: what it uses in the main, and leases.
        quantity: whole units of the resource that are active at once.
        ttl_s: when the lease ends by itself.
    """

    attempt_id: str
    provider: str
    resource: str
    quantity: int
    ttl_s: int

    @classmethod
    def of_sandbox(cls, attempt_id: str, *, duration_s: int) -> "Engagement":
        """Occupy one sandbox of the house's own for a piece of work."""
        return cls(
            attempt_id=attempt_id,
            provider=PROVIDER,
            resource=SANDBOX_SECOND,
            quantity=1,
            ttl_s=duration_s + LEASE_MARGIN_S,
        )


@dataclass(frozen=True, kw_only=True)
class Rest:
    """What an escrow had left at its end, beyond the fee.

    Attributes:
        rest_utok: what was left, whoever got it; below zero if the fee was not covered.
        lent_utok: what was lent for the order and its attempts, and not given back before.
        repaid_utok: what of that was given back, premiums included.
    """

    rest_utok: int
    lent_utok: int
    repaid_utok: int


class OrderMetering:
    """Quotes, escrows, meters and pays back."""

    def __init__(
        self,
        *,
        clock: Clock,
        market: Market,
        ledger: Ledger,
        budgets: Budgets,
        metering: Metering,
        terms: OrderTerms,
    ) -> None:
        """Keep the collaborators; no I/O."""
        self._clock = clock
        self._market = market
        self._ledger = ledger
        self._budgets = budgets
        self._metering = metering
        self._terms = terms

    def quote(
        self,
        session: Session,
        *,
        budget: str,
        holdout_cases: int,
        models: Sequence[str] = (),
        judging_calls: Use = NOTHING,
    ) -> Quote:
        """Quote an order at the prices in force: from the shortest search to the longest.

        Args:
            session: for the market and the budget.
            budget: whose rate counts.
            holdout_cases: how many cases are judged.
            models: what the order may ask.
            judging_calls: model tokens that must be kept aside for judging a prompt.
        """
        judging = judging_reserve(self._terms, holdout_cases=holdout_cases)
        judged = judging.judged_cases * MILLIUNITS_PER_UNIT
        return self._market.quote(
            session,
            lines=[
                QuoteLine(
                    resource=SANDBOX_SECOND,
                    quantity_min_milliunits=judging.sandbox_ms + SEARCH_MIN_MS,
                    quantity_max_milliunits=judging.sandbox_ms
                    + self._terms.synthesis_session_s * MS_PER_S,
                ),
                QuoteLine(
                    resource=JUDGED_CASE,
                    quantity_min_milliunits=judged,
                    quantity_max_milliunits=judged,
                ),
                *self._model_lines(models, judging_calls),
            ],
            fee_utok=self._terms.fee_utok,
            exchange_rate=self._budgets.open_day(session, budget).rate,
        )

    def _model_lines(self, models: Sequence[str], judging: Use) -> list[QuoteLine]:
        """Quote what judging asks, and with it as many tokens, each way, as a search may use."""
        lines = []
        for model in models:
            judged = judging if judging.model == model else NOTHING
            for resource, tokens in (
                (input_resource(model), judged.input_tokens),
                (output_resource(model), judged.output_tokens),
            ):
                most = tokens + self._terms.model_tokens
                line = QuoteLine(
                    resource=resource,
                    quantity_min_milliunits=tokens * MILLIUNITS_PER_UNIT,
                    quantity_max_milliunits=most * MILLIUNITS_PER_UNIT,
                )
                lines.append(line)
        return lines

    def wallet_available_utok(self, session: Session, owner: str) -> int:
        """Return what a wallet may spend; a wallet that was never funded has nothing."""
        return self._ledger.account(session, WALLET.code(owner)).available

    @property
    def is_observing(self) -> bool:
        """Whether nothing is refused for lack of money."""
        return self._metering.lending.is_observing

    def open_escrow(self, session: Session, order: Order) -> int:
        """Move the escrow out of the buyer's wallet; return what it was lent for that, in utok."""
        move = Move(
            debit=WALLET.code(order.payer),
            credit=_escrow(order),
            amount=order.money.escrowed_utok,
            kind="escrow",
            reference=order.id,
        )
        return self._metering.lending.pay(
            session, key=f"escrow:{order.id}", move=move, cause=_cause(order)
        )

    def affordable(self, session: Session, order: Order) -> Affordable:
        """Return a test of what the escrow can still pay, fee and validation kept aside."""
        vector = self._market.current(session)
        rate = self._budgets.open_day(session, order.budget).rate
        available = self._ledger.account(session, _escrow(order)).available

        def is_affordable(*uses: Use) -> bool:
            total_utok = sum(price_utok(usage_lines(vector, use), rate) for use in uses)
            return total_utok + self._terms.fee_utok <= available

        return is_affordable

    def tell_exhausted(self, session: Session, refusal: BudgetExhaustedError) -> None:
        """Raise the alert of a budget that did not cover an attempt, in another transaction."""
        self._metering.tell_exhausted(session, refusal)

    def admit(self, session: Session, order: Order, engagement: Engagement, bound: Use) -> None:
        """Take a lease and both holds on the bound, before anything starts.

        Raises:
            PaymentRequiredError: the escrow or the day's fiat budget does not cover it, and that
                is enforced; where it is not, the order's record says so.
        """
        vector = self._market.current(session)
        lease = self._market.acquire(
            session,
            resource=engagement.resource,
            holder=engagement.attempt_id,
            quantity=engagement.quantity,
            ttl_s=engagement.ttl_s,
        )
        lines = usage_lines(vector, bound)
        rate = self._budgets.open_day(session, order.budget).rate
        request = AttemptRequest(
            attempt_id=engagement.attempt_id,
            budget=order.budget,
            owner=order.payer,
            payer=_escrow(order),
            provider=engagement.provider,
            resource=engagement.resource,
            reference=order.id,
            bound_nusd=cost_nusd(lines),
            bound_utok=price_utok(lines, rate),
        )
        attempt = self._metering.admit(session, request)
        if attempt.let_pass:
            stage = engagement.attempt_id.split(":")[1]
            store.save(session, with_notes(order, stage, attempt.let_pass))
        store.add_work(
            session,
            attempt_id=engagement.attempt_id,
            order_id=order.id,
            tick_sequence=vector.sequence,
            lease_id=lease.id,
            at=self._clock.now(),
        )

    def settle(
        self, session: Session, attempt_id: str, use: Use, *, latency_ms: int | None = None
    ) -> Attempt:
        """Post what an attempt used, at the prices of its admission; return what it cost."""
        vector = self._end(session, attempt_id)
        lines = [replace(line, latency_ms=latency_ms) for line in usage_lines(vector, use)]
        return self._metering.settle(session, attempt_id=attempt_id, lines=lines)

    def lose(self, session: Session, attempt_id: str) -> None:
        """Give up an attempt whose outcome is unknown: its bound goes to suspense."""
        self._end(session, attempt_id)
        self._metering.lose(session, attempt_id=attempt_id)

    def abandon(self, session: Session, order: Order) -> None:
        """End what a defect of the service left open: what never started costs nothing."""
        for attempt in self._metering.open_attempts(session, reference=order.id):
            row = store.get_work(session, attempt.id)
            self._market.release(session, row.lease_id)
            end = self._metering.lose if row.dispatched_at else self._metering.release
            end(session, attempt_id=attempt.id)
            if row.result is None:
                store.finish_work(session, attempt.id, self._clock.now(), {"status": "lost"})

    def compensate(
        self, session: Session, order: Order, attempt_id: str, charged_utok: int
    ) -> int:
        """Let the reserve bear what an attempt cost that the service itself spoiled.

        Returns:
            How much of it the reserve could pay back into the escrow, in utok.
        """
        return self._refund(
            session,
            order,
            key=f"compensate:{attempt_id}",
            to=_escrow(order),
            amount_utok=charged_utok,
        )

    def refund_metered(self, session: Session, order: Order) -> int:
        """Pay what the order was charged back into its escrow.

        Returns:
            How much of it the reserve could pay, in utok.
        """
        return self._refund(
            session,
            order,
            key=f"refund:{order.id}",
            to=_escrow(order),
            amount_utok=order.money.metered_utok,
        )

    def make_amends(self, session: Session, order: Order, attempt_ids: Sequence[str]) -> int:
        """Let the escrow pay back what the reserve bore for lost attempts; others cost nothing.

        Returns:
            How much it could pay, the fee kept aside, in utok.
        """
        attempts = [self._metering.attempt(session, attempt_id) for attempt_id in attempt_ids]
        lost = [attempt for attempt in attempts if attempt.status is AttemptStatus.LOST]
        if not lost:
            return 0
        available_utok = self._ledger.account(session, _escrow(order)).available
        rest_utok = max(0, available_utok - self._terms.fee_utok)
        amends_utok = min(sum(attempt.burn_utok for attempt in lost), rest_utok)
        if amends_utok:
            move = Move(
                debit=_escrow(order),
                credit=self._budgets.budget(session, order.budget).reserve,
                amount=amends_utok,
                kind="amends",
                reference=order.id,
            )
            batch = Batch(key=f"amends:{lost[-1].id}", commands=(move,))
            self._ledger.post(session, batch).require()
        return amends_utok

    def _refund(
        self, session: Session, order: Order, *, key: str, to: str, amount_utok: int
    ) -> int:
        reserve = self._budgets.budget(session, order.budget).reserve
        available_utok = self._ledger.account(session, reserve).available
        paid_utok = min(amount_utok, available_utok)
        if paid_utok < amount_utok:
            _logger.error(
                "the reserve of %s has %d utok and owes order %s %d utok: fund it",
                order.budget,
                available_utok,
                order.id,
                amount_utok,
            )
        if paid_utok:
            self._budgets.refund_from_reserve(
                session,
                key=key,
                budget=order.budget,
                to=to,
                amount_utok=paid_utok,
                reference=order.id,
            )
        return paid_utok

    def close_escrow(self, session: Session, order: Order, *, fee_utok: int) -> "Rest":
        """Give back what was lent, then pay the treasury, and then the buyer.

        Premiums that gave a loan back while there were tokens of the buyer's own are paid now, as
        far as these reach; so what is lent becomes nobody's.
        """
        available_utok = self._ledger.account(session, _escrow(order)).available
        debts = self._metering.lending.debts(session, owner=order.payer, order=order.id)
        left_utok = available_utok
        for reference, owed_utok in debts.items():
            amount_utok = min(left_utok, owed_utok)
            self._metering.lending.give_back(
                session,
                key=f"return:{reference}",
                account=_escrow(order),
                cause=replace(_cause(order), reference=reference),
                amount_utok=amount_utok,
            )
            left_utok -= amount_utok
        premium_utok = order.money.lent_utok - debts.pop(order.id, 0)
        due_utok = min(fee_utok + premium_utok, left_utok)
        treasury = self._budgets.budget(session, order.budget).treasury
        self._move(session, order, _payout(order, "fee", treasury, min(fee_utok, due_utok)))
        late_utok = max(0, due_utok - fee_utok)
        self._move(session, order, _payout(order, "premium", treasury, late_utok))
        wallet = WALLET.code(order.payer)
        self._move(session, order, _payout(order, "refund", wallet, left_utok - due_utok))
        return Rest(
            rest_utok=available_utok - fee_utok,
            lent_utok=order.money.lent_utok + sum(debts.values()),
            repaid_utok=premium_utok + available_utok - left_utok,
        )

    def _end(self, session: Session, attempt_id: str) -> PriceVector:
        """Release the attempt's lease; return the prices that it was admitted at."""
        row = store.get_work(session, attempt_id)
        self._market.release(session, row.lease_id)
        return self._market.vector(session, row.tick_sequence)

    def _move(self, session: Session, order: Order, move: Move) -> None:
        if move.amount:
            batch = Batch(key=f"{move.kind}:{order.id}", commands=(move,))
            self._ledger.post(session, batch).require()


def _escrow(order: Order) -> str:
    return ESCROW.code(order.id)


def _cause(order: Order) -> Cause:
    return Cause(budget=order.budget, owner=order.payer, reference=order.id)


def _payout(order: Order, kind: str, credit: str, amount_utok: int) -> Move:
    return Move(
        debit=_escrow(order), credit=credit, amount=amount_utok, kind=kind, reference=order.id
    )
