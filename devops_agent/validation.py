"""Judging the finalist on the holdout, against what the channel runs now.

Each of the two runs in a fresh sandbox session of its own. Only inputs go in; the expected
outputs, the clocks and the verdict stay outside.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from aem.artifact import Bundle
from core.database import Database
from devops_agent import store
from devops_agent.artifact_calls import ArtifactModels, longest_call_s
from devops_agent.domain import FileRole, Order, OrderTerms, WorkKey
from devops_agent.evaluation import HOLDOUT, VARIANT, holdout_cases
from devops_agent.metering import Affordable
from devops_agent.model_calls import OrderModels
from devops_agent.prompts import judged_runs, judging_use, sandbox_for
from devops_agent.sessions import session_limits
from devops_agent.uses import JUDGED_ARTIFACTS, Use, judging_charge
from devops_agent.work import Performed, UseMeter
from gold import (
    CaseOutcome,
    GoldCase,
    GoldReport,
    GoldService,
    Judge,
    LeakCheck,
    check_leaks,
    view_report,
)
from registry import ChannelEmptyError, Registry
from sandbox import Sandbox, SessionExpiredError

ALREADY_CURRENT = "already_current"
"""Reason of a rejection: the channel runs these very bytes."""

JUDGE_SEED = 0
"""Of the sampled permutations: the same judging gives the same p-value again."""


class Validation:
    """Implements `Work` for the stage ``validation``: a round for each incumbent."""

    stage = "validation"

    def __init__(
        self,
        *,
        database: Database,
        gold: GoldService,
        judge: Judge,
        registry: Registry,
        sandbox: Sandbox,
        models: OrderModels,
        terms: OrderTerms,
    ) -> None:
        """Keep the collaborators; no I/O."""
        self._database = database
        self._gold = gold
        self._judge = judge
        self._registry = registry
        self._sandbox = sandbox
        self._models = models
        self._terms = terms

    def bound(self, session: Session, order: Order, affordable: Affordable) -> Use | None:
        """Return the flat charge of judging, which is its bound and its price."""
        cases = holdout_cases(self._gold.show(session, order.request.gold))
        charge = judging_charge(self._terms, holdout_cases=cases)
        return charge if affordable(charge, *self._asking(session, order)) else None

    def duration_s(self, bound: Use) -> int:  # noqa: ARG002 - what is billed is not what is taken
        """Return how long both sessions last at most."""
        return JUDGED_ARTIFACTS * self._terms.validation_session_s

    def _asking(self, session: Session, order: Order) -> list[Use]:
        """Return the most that prompts among the two can use of their models."""
        bundles = (
            _bundle(session, order.id, FileRole.FINALIST),
            self._incumbent(session, order),
        )
        prompts = [each for each in bundles if each is not None and each.manifest.prompt]
        if not prompts:
            return []
        cases = self._gold.load(session, order.request.gold).cases(HOLDOUT)
        runs = judged_runs(*bundles)
        return [judging_use(each, cases, self._models.catalogue, runs=runs) for each in prompts]

    def perform(self, key: WorkKey, bound: Use, meter: UseMeter) -> Performed:
        """Run finalist and incumbent on the holdout and judge; keep the report with gold."""
        with self._database.reading() as session:
            order = store.get(session, key.order_id)
            dataset = self._gold.load(session, order.request.gold)
            finalist = _bundle(session, order.id, FileRole.FINALIST)
            head = self._head(session, order)
            incumbent = head or self._incumbent(session, order)
        if incumbent is not None and incumbent.digest == finalist.digest:
            return _no_change(finalist)
        meter.add_charge(bound)
        with self._database.transaction() as session:
            try_number = self._gold.record_try(session, digest=dataset.digest, order_id=order.id)
        leak_check = check_leaks(
            dataset, finalist, incumbent=incumbent, is_judged=head is not None
        )
        if not leak_check.accepted:
            return self._performed(order, finalist, incumbent, leak_check, isolation={})
        cases = dataset.cases(HOLDOUT)
        repeats = judged_runs(finalist, incumbent)
        models = self._asked(key)
        run = partial(
            self._run,
            cases=[*cases] * repeats,
            models=models,
        )
        new = run(label=f"{key.attempt_id}:finalist", bundle=finalist)
        old = (
            None
            if incumbent is None
            else run(label=f"{key.attempt_id}:incumbent", bundle=incumbent)
        )
        with self._database.reading() as session:
            best_share = self._gold.best_scenario_share(
                session, artifact=order.request.artifact, channel=order.request.channel
            )
        report = self._judge.judge(
            dataset=dataset,
            part=HOLDOUT,
            candidate=new,
            incumbent=old,
            best_scenario_share=best_share,
            try_number=try_number,
            seed=JUDGE_SEED,
            repeats=repeats,
        )
        report = replace(report, leak_check=leak_check)
        isolation = self._sandbox_for(finalist, models).isolation()
        return self._performed(order, finalist, incumbent, report, isolation)

    def _asked(self, key: WorkKey) -> ArtifactModels:
        """Open the models to both artifacts; what they ask and are told is nobody's to see."""
        # The sessions' own deadlines come first: a case that is not asked is missing. A request
        # that began in time takes what its tries and the pauses between them take.
        session_s = self._terms.validation_session_s + longest_call_s(self._terms)
        models = self._models.for_work(
            key, kept=[], duration_s=JUDGED_ARTIFACTS * session_s, is_private=True
        )
        return ArtifactModels(models, rounds=self._terms.attempts)

    def _head(self, session: Session, order: Order) -> Bundle | None:
        """Return what the channel runs."""
        try:
            head = self._registry.channels.head(
                session, order.request.artifact, order.request.channel
            )
        except ChannelEmptyError:
            return None
        return self._registry.versions.bundle(session, head.digest)

    def _incumbent(self, session: Session, order: Order) -> Bundle | None:
        """Return what the channel runs; or else what was submitted, if that is not judged."""
        head = self._head(session, order)
        if head is not None:
            return head
        submitted = _bundle(session, order.id, FileRole.ARTIFACT)
        finalist = _bundle(session, order.id, FileRole.FINALIST)
        return None if submitted.digest == finalist.digest else submitted

    def _sandbox_for(self, bundle: Bundle, models: ArtifactModels) -> Sandbox:
        return sandbox_for(
            bundle, code=self._sandbox, models=models, catalogue=self._models.catalogue
        )

    def _run(
        self,
        *,
        label: str,
        bundle: Bundle,
        cases: Sequence[GoldCase],
        models: ArtifactModels,
    ) -> Mapping[str, Sequence[CaseOutcome]]:
        """Run the cases in order; one that stands there several times has as many outcomes."""
        outcomes: dict[str, list[CaseOutcome]] = {}
        limits = session_limits(bundle, self._terms.validation_session_s * 1000)
        sandbox = self._sandbox_for(bundle, models)
        with (
            closing(sandbox.open(limits=limits, label=label)) as session,
            # The cases that it does not come to are missing, and a missing case is a failure.
            suppress(SessionExpiredError),
        ):
            session.load(VARIANT, bundle)
            for case in cases:
                run = session.run(VARIANT, case.id, case.input)
                outcome = CaseOutcome(
                    case_id=case.id, status=run.status, output_text=run.output_text
                )
                outcomes.setdefault(case.id, []).append(outcome)
        return outcomes

    def _performed(
        self,
        order: Order,
        finalist: Bundle,
        incumbent: Bundle | None,
        report: GoldReport | LeakCheck,
        isolation: Mapping[str, Any],
    ) -> Performed:
        incumbent_digest = None if incumbent is None else incumbent.digest

        def keep(session: Session) -> dict[str, Any]:
            stored = self._gold.record_report(
                session,
                order_id=order.id,
                artifact=order.request.artifact,
                channel=order.request.channel,
                candidate_digest=finalist.digest,
                incumbent_digest=incumbent_digest,
                report=report,
            )
            return {"report_id": stored.id}

        result = {
            "accepted": report.accepted,
            "reason": report.submitter_reason or "",
            "finalist": finalist.digest,
            "incumbent": incumbent_digest,
            "gold": report.dataset_digest,
            "isolation": isolation,
            "report": view_report(report.to_json(), "submitter"),
        }
        return Performed(result=result, keep=keep)


def _no_change(finalist: Bundle) -> Performed:
    """Reject what runs already, before anything is run or counted as a try."""
    result = {
        "accepted": False,
        "reason": ALREADY_CURRENT,
        "finalist": finalist.digest,
        "incumbent": finalist.digest,
    }
    return Performed(result=result)


def _bundle(session: Session, order_id: str, role: str) -> Bundle:
    content = store.find_file(session, order_id, role)
    if content is None:
        raise LookupError(f"order {order_id} keeps no {role}")
    return Bundle.from_archive(content)
