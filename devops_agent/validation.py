"""Judging the finalist on the holdout, against what the channel runs now.

Each of the two runs in a fresh sandbox session of its own. Only inputs go in; the expected
outputs, the clocks and the verdict stay outside.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from aem.artifact import Bundle
from core.database import Database
from devops_agent import store
from devops_agent.candidates import ARTIFACT, FINALIST
from devops_agent.domain import Order, OrderTerms, WorkKey
from devops_agent.metering import Use
from devops_agent.work import Performed, UseMeter, largest_affordable
from gold import CaseOutcome, FrozenDataset, GoldCase, GoldService, Judge
from registry import Registry
from sandbox import Sandbox, SandboxLimits, SessionExpiredError

HOLDOUT = "holdout"
VARIANT = "artifact"

SESSION_MIN_MS = 5_000
"""A shorter session would judge the sandbox's start, not the artifact."""


class Validation:
    """Implements `Work` for the stage ``validation``; one round for each incumbent judged against."""

    stage = "validation"

    def __init__(
        self,
        *,
        database: Database,
        gold: GoldService,
        judge: Judge,
        registry: Registry,
        sandbox: Sandbox,
        terms: OrderTerms,
    ) -> None:
        """Keep the collaborators; no I/O."""
        self._database = database
        self._gold = gold
        self._judge = judge
        self._registry = registry
        self._sandbox = sandbox
        self._terms = terms

    def bound(
        self, session: Session, order: Order, affordable: Callable[[Use], bool]
    ) -> Use | None:
        """Bound both sessions and all cases of the holdout, judged for each of the two."""
        cases = self._gold.show(session, order.request.gold).counts[HOLDOUT]
        sandbox_ms = largest_affordable(
            2 * self._terms.validation_session_s * 1000,
            2 * SESSION_MIN_MS,
            lambda ms: affordable(Use(sandbox_ms=ms, judged_cases=2 * cases)),
        )
        return None if sandbox_ms is None else Use(sandbox_ms=sandbox_ms, judged_cases=2 * cases)

    def perform(self, key: WorkKey, bound: Use, meter: UseMeter) -> Performed:
        """Run finalist and incumbent on the holdout and judge; keep the report with gold."""
        with self._database.reading() as session:
            order = store.get(session, key.order_id)
            dataset = self._gold.load(session, order.request.gold)
            finalist = _bundle(session, order.id, FINALIST)
            incumbent = self._incumbent(session, order)
        with self._database.transaction() as session:
            try_number = self._gold.record_try(session, dataset=dataset, order_id=order.id)
        cases = dataset.cases(HOLDOUT)
        session_ms = bound.sandbox_ms // 2
        new = self._run(key, "finalist", finalist, cases, session_ms, meter)
        old = (
            None
            if incumbent is None
            else self._run(key, "incumbent", incumbent, cases, session_ms, meter)
        )
        with self._database.reading() as session:
            best_share = self._gold.best_scenario_share(
                session, artifact=order.request.artifact, channel=order.request.channel
            )
        report = self._judge.judge(
            dataset,
            HOLDOUT,
            candidate=new,
            incumbent=old,
            best_scenario_share=best_share,
            try_number=try_number,
        )
        return self._performed(order, key, finalist, incumbent, dataset, report)

    def _incumbent(self, session: Session, order: Order) -> Bundle | None:
        """What the channel runs; where it runs nothing, what was submitted, unless that is judged."""
        head = self._registry.head(
            session, artifact=order.request.artifact, channel=order.request.channel
        )
        if head is not None:
            return self._registry.bundle(session, head.digest)
        submitted = _bundle(session, order.id, ARTIFACT)
        finalist = _bundle(session, order.id, FINALIST)
        return None if submitted.digest == finalist.digest else submitted

    def _run(
        self,
        key: WorkKey,
        role: str,
        bundle: Bundle,
        cases: Sequence[GoldCase],
        session_ms: int,
        meter: UseMeter,
    ) -> Mapping[str, Sequence[CaseOutcome]]:
        limits = SandboxLimits.for_artifact(bundle.manifest.limits, session_s=session_ms / 1000)
        session = self._sandbox.open(limits=limits, label=f"{key.attempt_id}:{role}")
        outcomes: dict[str, Sequence[CaseOutcome]] = {}
        try:
            session.load(VARIANT, bundle)
            for case in cases:
                run = session.run(VARIANT, case.id, case.input)
                outcomes[case.id] = [
                    CaseOutcome(case_id=case.id, status=run.status, output_text=run.output_text)
                ]
        except SessionExpiredError:
            pass  # the cases that it did not come to are missing, and a missing case is a failure
        finally:
            session.close()
            meter.add_sandbox(min(session.usage().wall_ms, session_ms))
        meter.add_judged(len(cases))
        return outcomes

    def _performed(
        self,
        order: Order,
        key: WorkKey,
        finalist: Bundle,
        incumbent: Bundle | None,
        dataset: FrozenDataset,
        report: Any,
    ) -> Performed:
        def keep(session: Session) -> None:
            self._gold.keep_report(
                session,
                order_id=order.id,
                round_=key.round,
                artifact=order.request.artifact,
                channel=order.request.channel,
                subject=finalist.digest,
                report=report,
            )

        result = {
            "accepted": report.accepted,
            "reason": report.reason,
            "finalist": finalist.digest,
            "incumbent": None if incumbent is None else incumbent.digest,
            "gold": dataset.digest,
            "isolation": self._sandbox.isolation(),
            "report": report.view("submitter"),
        }
        return Performed(result=result, keep=keep)


def _bundle(session: Session, order_id: str, role: str) -> Bundle:
    content = store.find_file(session, order_id, role)
    if content is None:
        raise LookupError(f"order {order_id} keeps no {role}")
    return Bundle.from_archive(content)
