"""An order's way from escrow to settlement, as one durable workflow (design, section 8)."""

import logging
from dataclasses import dataclass
from functools import partial

from devops_agent.candidates import CandidateSearch
from devops_agent.domain import OrderState, Outcome
from devops_agent.durable import Steps
from devops_agent.progress import OrderRecord
from devops_agent.publication import Publication
from devops_agent.settlement import Settlement
from devops_agent.validation import Validation
from devops_agent.work import ESCROW_EXHAUSTED, MeteredWork, WorkOutcome

WORKFLOW = "order"

VALIDATION_ROUNDS = 3
"""How often a finalist is judged anew because the channel's head moved meanwhile."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How the improving ended; settlement does the rest."""

    outcome: Outcome
    reason: str = ""


class OrderWorkflow:
    """Runs orders; every method is deterministic but for its steps."""

    def __init__(
        self,
        *,
        record: OrderRecord,
        work: MeteredWork,
        search: CandidateSearch,
        validation: Validation,
        publication: Publication,
        settlement: Settlement,
    ) -> None:
        """Keep the collaborators; no I/O."""
        self._record = record
        self._work = work
        self._search = search
        self._validation = validation
        self._publication = publication
        self._settlement = settlement

    def __call__(self, steps: Steps, order_id: str) -> None:
        """Improve, then settle whatever came of it."""
        try:
            ending = self._improve(steps, order_id)
        except Exception:
            _logger.exception("order %s met a defect of the service", order_id)
            ending = Ending(outcome=Outcome.FAILED, reason="internal")
        steps.transaction(
            "settle",
            lambda session: self._settlement.settle(
                session, order_id, ending.outcome, ending.reason
            ),
        )

    def _improve(self, steps: Steps, order_id: str) -> Ending:
        needs_search = steps.transaction(
            "ingest", lambda session: self._record.ingest(session, order_id)
        )
        if needs_search:
            self._enter(steps, order_id, OrderState.SYNTHESIZING)
            found = self._work.run(steps, order_id, self._search)
            self._note(steps, order_id, "synthesis", found)
            if not found.is_done:
                return _unfinished(found)
            if not found.result["candidates"]:
                return Ending(outcome=Outcome.REJECTED, reason="no_candidate")
        self._enter(steps, order_id, OrderState.VALIDATING)
        return self._validate(steps, order_id)

    def _validate(self, steps: Steps, order_id: str) -> Ending:
        for round_ in range(VALIDATION_ROUNDS):
            judged = self._work.run(steps, order_id, self._validation, round_=round_)
            self._note(steps, order_id, "validation", judged)
            if not judged.is_done:
                return _unfinished(judged)
            if not judged.result["accepted"]:
                return Ending(outcome=Outcome.REJECTED, reason=judged.result["reason"])
            artifact = steps.transaction(
                f"publish-{round_}",
                partial(self._publication.publish, order_id=order_id, verdict=judged.result),
            )
            if artifact is not None:
                steps.external("project", partial(self._publication.project, artifact))
                return Ending(outcome=Outcome.ACCEPTED)
        return Ending(outcome=Outcome.REJECTED, reason="channel_kept_moving")

    def _enter(self, steps: Steps, order_id: str, state: OrderState) -> None:
        steps.transaction(
            f"enter-{state.value}", lambda session: self._record.enter(session, order_id, state)
        )

    def _note(self, steps: Steps, order_id: str, stage: str, outcome: WorkOutcome) -> None:
        steps.transaction(
            f"note-{stage}",
            lambda session: self._record.note(session, order_id, stage, outcome.result),
        )


def _unfinished(work: WorkOutcome) -> Ending:
    """An escrow that ran out is the buyer's affair; all else is the house's."""
    reason = str(work.result["reason"])
    is_buyers = reason == ESCROW_EXHAUSTED
    return Ending(outcome=Outcome.REJECTED if is_buyers else Outcome.FAILED, reason=reason)
