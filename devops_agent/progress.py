"""The record of an order's way: its states and what each stage found, and the events of both."""

from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from core.clock import Clock
from core.events import EventLog
from devops_agent import store
from devops_agent.domain import FileRole, Order, OrderState


def order_topic(order_id: str) -> str:
    """Return the topic of an order's events."""
    return f"order:{order_id}"


class OrderRecord:
    """Writes orders' states, and tells those who watch."""

    def __init__(self, clock: Clock, events: EventLog) -> None:
        """Keep the collaborators; no I/O."""
        self._clock = clock
        self._events = events

    def add(self, session: Session, order: Order) -> None:
        """Write a new order."""
        store.add(session, order)
        self._tell(session, order, {"escrowed_utok": order.money.escrowed_utok})

    def ingest(self, session: Session, order_id: str) -> bool:
        """Take the submission in; return whether a candidate must be searched for."""
        self.enter(session, order_id, OrderState.INGESTED)
        candidate = store.find_file(session, order_id, FileRole.CANDIDATE)
        if candidate is None:
            return True
        store.put_file(session, order_id, FileRole.FINALIST, candidate)
        return False

    def enter(self, session: Session, order_id: str, state: OrderState, **data: Any) -> None:
        """Move an order to a state."""
        order = store.get(session, order_id, lock=True)
        self.save(session, replace(order, state=state), **data)

    def note(self, session: Session, order_id: str, stage: str, found: dict[str, Any]) -> None:
        """Keep what a stage found out."""
        order = store.get(session, order_id, lock=True)
        summary = order.summary | {stage: found}
        store.save(session, replace(order, summary=summary, updated_at=self._clock.now()))

    def save(self, session: Session, order: Order, **data: Any) -> Order:
        """Write an order whose state changed, and tell those who watch."""
        changed = replace(order, updated_at=self._clock.now())
        store.save(session, changed)
        self._tell(session, changed, data)
        return changed

    def _tell(self, session: Session, order: Order, data: dict[str, Any]) -> None:
        self._events.append(
            session, topic=order_topic(order.id), kind=order.state.value, data=data
        )
