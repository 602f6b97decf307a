"""The end of an order's money: the fee, the refund, the rest of the escrow."""

from dataclasses import replace

from sqlalchemy.orm import Session

from devops_agent import store
from devops_agent.domain import Order, OrderMoney, OrderState, OrderTerms, Outcome
from devops_agent.metering import OrderMetering
from devops_agent.progress import OrderRecord


class Settlement:
    """Pays out what is left of an order's escrow, according to how the order ended."""

    def __init__(self, *, record: OrderRecord, metering: OrderMetering, terms: OrderTerms) -> None:
        """Keep the collaborators; no I/O."""
        self._record = record
        self._metering = metering
        self._terms = terms

    def settle(self, session: Session, order_id: str, outcome: Outcome, reason: str) -> None:
        """End the order: an accepted one pays the fee, a failed one gets all back.

        A rejected order pays what was metered. What a failed one was charged comes from the
        reserve: what was burned for fiat stays burned. What observe-only mode lent and was not
        used goes back first.
        """
        order = store.get(session, order_id, lock=True)
        if order.state.is_final:
            return
        if order.version_digest is not None:
            outcome, reason = Outcome.ACCEPTED, ""  # after publication an order only goes on
        order = replace(order, outcome=outcome, reason=reason)
        if outcome is not Outcome.ACCEPTED:
            state = OrderState.FAILED if outcome is Outcome.FAILED else OrderState.REJECTED
            order = self._record.save(session, replace(order, state=state), reason=reason)
        money = self._pay(session, order, outcome)
        store.erase_private_replies(session, order.id)
        final = OrderState.REFUNDED if outcome is Outcome.FAILED else OrderState.SETTLED
        self._record.save(
            session,
            replace(order, state=final, money=money),
            outcome=outcome.value,
            reason=reason,
            price_utok=money.price_utok,
            refunded_utok=money.refunded_utok,
        )

    def _pay(self, session: Session, order: Order, outcome: Outcome) -> OrderMoney:
        self._metering.abandon(session, order)
        compensated_utok = 0
        if outcome is Outcome.FAILED:
            compensated_utok = self._metering.refund_metered(session, order)
        fee_utok = self._terms.fee_utok if outcome is Outcome.ACCEPTED else 0
        closed = self._metering.close_escrow(session, order, fee_utok=fee_utok)
        return replace(
            order.money,
            fee_utok=fee_utok,
            returned_utok=closed.rest_utok - compensated_utok,
            compensated_utok=compensated_utok,
            lent_utok=closed.lent_utok,
            repaid_utok=closed.repaid_utok,
        )
