"""Metered work: what costs fiat is admitted before it starts and paid when it ends.

An attempt is a row before it is a request. Three transactions frame it: *admit* takes both holds
on its proven upper bound (the paper's Lemma 1), *dispatch* records that it starts, *meter* posts
what it used. What a crash leaves open between them is told apart afterwards: an attempt that was
admitted only never ran; one that was dispatched and left no result has an unknown outcome, its
bound goes to suspense and the reserve bears it, and the work is attempted anew.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from sqlalchemy.orm import Session

import ledger
from core.clock import Clock
from core.database import Database
from core.errors import InfrastructureError, PaymentRequiredError
from devops_agent import store
from devops_agent.domain import Order, OrderTerms, WorkKey
from devops_agent.durable import Steps
from devops_agent.metering import Affordable, Engagement, OrderMetering
from devops_agent.synthesis import BudgetExhaustedError
from devops_agent.uses import Use
from market import UpstreamRefusedError

Json = Any

ESCROW_EXHAUSTED = "escrow_exhausted"
"""The escrow cannot pay for the work: the buyer's maximum was too low for it."""

_logger = logging.getLogger(__name__)


class UseMeter:
    """Counts what a piece of work has used so far, so that a failure half-way is metered too."""

    def __init__(self) -> None:
        """Start at nothing."""
        self._sandbox_ms = 0
        self._judged_cases = 0

    def add_sandbox(self, wall_ms: int) -> None:
        """Count a sandbox session that has ended."""
        self._sandbox_ms += wall_ms

    def add_charge(self, charge: Use) -> None:
        """Count a flat charge for sandbox and cases, whatever will be used of it."""
        self._sandbox_ms += charge.sandbox_ms
        self._judged_cases += charge.judged_cases

    @property
    def use(self) -> Use:
        """What was used so far."""
        return Use(sandbox_ms=self._sandbox_ms, judged_cases=self._judged_cases)


class Work(Protocol):
    """A piece of an order's work that runs in a sandbox."""

    @property
    def stage(self) -> str:
        """The name of the stage in the record."""
        ...

    def bound(self, session: Session, order: Order, affordable: Affordable) -> Use | None:
        """Return the most that the work will use, within what the escrow affords; or None."""
        ...

    def duration_s(self, bound: Use) -> int:
        """Return how long the work occupies a sandbox at most."""
        ...

    def perform(self, key: WorkKey, bound: Use, meter: UseMeter) -> "Performed":
        """Do the work, within the bound.

        Raises:
            BudgetExhaustedError: the escrow does not cover what must be asked of a model.
            PaymentRequiredError: the day's budget does not cover it.
            InfrastructureError: a part of the service failed; the artifact is not to blame.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Performed:
    """What a piece of work found out.

    Attributes:
        result: goes into the order's record; nothing of the holdout's cases.
        keep: writes what else must be kept, in the transaction that records the result, and
            returns what that adds to the result.
    """

    result: dict[str, Json]
    keep: Callable[[Session], dict[str, Json]] = lambda _session: {}


@dataclass(frozen=True, kw_only=True)
class WorkOutcome:
    """How the work ended: ``done``, ``failed`` (the service's fault) or ``refused`` (no money)."""

    status: str
    result: dict[str, Json]

    @property
    def is_done(self) -> bool:
        """Whether there is a result to go on with."""
        return self.status == "done"


class MeteredWork:
    """Runs pieces of work as attempts that are admitted, dispatched and metered."""

    def __init__(
        self, *, database: Database, clock: Clock, metering: OrderMetering, terms: OrderTerms
    ) -> None:
        """Keep the collaborators; no I/O."""
        self._database = database
        self._clock = clock
        self._metering = metering
        self._terms = terms

    def run(self, steps: Steps, order_id: str, work: Work, *, round_: int = 0) -> WorkOutcome:
        """Attempt the work until it is done, at most as often as the terms say."""
        failure: dict[str, Json] = {}
        for attempt in range(1, self._terms.attempts + 1):
            key = WorkKey(order_id=order_id, stage=work.stage, round=round_, attempt=attempt)
            name = f"{work.stage}-{round_}-{attempt}"
            admitted = steps.transaction(f"{name}-admit", partial(self._admit, key=key, work=work))
            if "refused" in admitted:
                return WorkOutcome(status="refused", result=admitted["refused"])
            bound = Use(**admitted)
            done = steps.external(name, partial(self._perform, key, bound, work))
            steps.transaction(f"{name}-meter", partial(self._meter, key=key, done=done))
            if done["status"] == "done":
                return WorkOutcome(status="done", result=done["result"])
            if done["status"] == "refused":
                return WorkOutcome(status="refused", result=done["result"])
            failure = done["result"]
            if failure.get("is_final"):
                break
        return WorkOutcome(status="failed", result=failure)

    def _admit(self, session: Session, key: WorkKey, work: Work) -> Json:
        order = store.get(session, key.order_id, lock=True)
        affordable = self._metering.affordable(session, order)
        bound = work.bound(session, order, affordable)
        if bound is None:
            return {"refused": {"reason": ESCROW_EXHAUSTED}}
        try:
            with session.begin_nested():
                engagement = Engagement.of_sandbox(
                    key.attempt_id, duration_s=work.duration_s(bound)
                )
                self._metering.admit(session, order, engagement, bound)
        except ledger.BudgetExhaustedError as error:
            self._metering.tell_exhausted(session, error)
            return {"refused": {"reason": error.reason, "message": error.without_bound().message}}
        except PaymentRequiredError as error:
            return {"refused": {"reason": error.reason}}
        return bound.to_json()

    def _perform(self, key: WorkKey, bound: Use, work: Work) -> Json:
        earlier = self._dispatch(key)
        if earlier is not None:
            return earlier
        meter = UseMeter()
        try:
            performed = work.perform(key, bound, meter)
        except BudgetExhaustedError as error:  # what was asked until here is paid for
            performed = Performed(result={"reason": ESCROW_EXHAUSTED, "message": error.message})
            status = "refused"
        except PaymentRequiredError as error:
            performed = Performed(result={"reason": error.reason, "message": error.message})
            status = "refused"
        except InfrastructureError as error:
            _logger.warning("%s failed: %s", key.attempt_id, error)
            is_final = isinstance(error, UpstreamRefusedError) and not error.may_retry
            performed = Performed(
                result={"reason": error.reason, "message": error.message, "is_final": is_final}
            )
            status = "failed"
        except Exception:  # a defect of the service is not the artifact's failure either
            _logger.exception("%s failed in a way that the service does not know", key.attempt_id)
            performed = Performed(
                result={"reason": "internal", "message": "see the service's log"}
            )
            status = "failed"
        else:
            status = "done"
        return self._finish(key, status, meter.use, performed)

    def _dispatch(self, key: WorkKey) -> Json:
        """Record that the attempt starts; return what came of it if it started before.

        A start that left no outcome is given up for good. Should its worker live after all, it
        finds that out when it finishes: the row has one outcome, whoever reads it.
        """
        with self._database.transaction() as session:
            if store.dispatch_work(session, key.attempt_id, self._clock.now()):
                return None
            known = store.get_work(session, key.attempt_id, lock=True).result
            if known is not None:
                return known
            _logger.warning("the outcome of %s was lost in a crash", key.attempt_id)
            outcome = {"status": "lost", "use": None, "result": {"reason": "outcome_unknown"}}
            store.finish_work(session, key.attempt_id, self._clock.now(), outcome)
        return outcome

    def _finish(self, key: WorkKey, status: str, use: Use, performed: Performed) -> Json:
        """Record what came of the attempt, unless it was given up; return what stands."""
        with self._database.transaction() as session:
            known = store.get_work(session, key.attempt_id, lock=True).result
            if known is not None:
                _logger.warning("%s ended after it had been given up", key.attempt_id)
                return known
            result = performed.result | performed.keep(session)
            outcome = {"status": status, "use": use.to_json(), "result": result}
            store.finish_work(session, key.attempt_id, self._clock.now(), outcome)
        return outcome

    def _meter(self, session: Session, key: WorkKey, done: Json) -> Json:
        order = store.get(session, key.order_id, lock=True)
        if done["status"] == "lost":
            self._metering.lose(session, key.attempt_id)
            return 0
        use = Use(**done["use"])
        charged_utok = self._metering.settle(session, key.attempt_id, use).charge_utok
        if done["status"] == "failed":
            charged_utok -= self._metering.compensate(session, order, key.attempt_id, charged_utok)
        money = replace(order.money, metered_utok=order.money.metered_utok + charged_utok)
        store.save(session, replace(order, money=money))
        return charged_utok


def largest_affordable(upper: int, lower: int, affordable: Callable[[int], bool]) -> int | None:
    """Return the largest amount from `lower` to `upper` that is affordable, or None.

    `affordable` must be monotone. Binary search: prices are not linear to the last micro-token.
    """
    if upper < lower or not affordable(lower):
        return None
    low, high = lower, upper
    for _ in range(math.ceil(math.log2(upper - lower + 1)) + 1):
        middle = (low + high + 1) // 2
        if affordable(middle):
            low = middle
        else:
            high = middle - 1
    return low
