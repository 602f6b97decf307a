"""Finding a finalist: synthesizers search on the dev cases, in one metered sandbox session."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy.orm import Session

from aem.artifact import Bundle
from core.database import Database
from core.events import EventLog
from devops_agent import store
from devops_agent.artifact_calls import ArtifactModels
from devops_agent.domain import FileRole, Order, OrderTerms, WorkKey
from devops_agent.evaluation import (
    HOLDOUT,
    VARIANT,
    SandboxEvaluator,
    dev_case,
    holdout_cases,
)
from devops_agent.metering import Affordable
from devops_agent.model_calls import OrderModels
from devops_agent.prompts import judging_calls_reserve, sandbox_for
from devops_agent.sessions import metered_session, session_limits
from devops_agent.synthesis import (
    Progress,
    SynthesisContext,
    SynthesisResult,
    SynthesisStatistics,
    Synthesizer,
    Tools,
)
from devops_agent.traces import error_metrics, parse_traces
from devops_agent.uses import SEARCH_MIN_MS, Use, judging_reserve
from devops_agent.work import Performed, UseMeter, largest_affordable
from gold import GoldDataset, GoldService
from sandbox import Sandbox, SessionExpiredError

_logger = logging.getLogger(__name__)

DEV = "dev"

PACE_CASES = 10
"""So many of the largest dev cases tell how long the incumbent takes."""

PACE_FACTOR = 10
"""A variant may take this many times the slowest case that the incumbent ends by itself."""

PACE_TIMEOUTS = 3
"""An incumbent that loops so often is not asked for its pace further; what loops tells none."""

CASE_WALL_MIN_S = 0.5
"""Below that, a busy machine would be taken for a loop."""

PROGRESS_INTERVAL_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What a first look at the incumbent tells the search.

    Attributes:
        case_wall_s: how long a case may take: a variant that loops costs all of it.
        load_error: why the incumbent cannot even be imported, where it cannot.
    """

    case_wall_s: float
    load_error: str | None = None


class CandidateSearch:
    """Implements `Work` for the stage ``synthesis``."""

    stage = "synthesis"

    def __init__(
        self,
        *,
        database: Database,
        events: EventLog,
        gold: GoldService,
        sandbox: Sandbox,
        synthesizers: Mapping[str, Synthesizer],
        models: OrderModels,
        terms: OrderTerms,
    ) -> None:
        """Keep the collaborators; no I/O."""
        self._database = database
        self._models = models
        self._events = events
        self._gold = gold
        self._sandbox = sandbox
        self._synthesizers = synthesizers
        self._terms = terms

    def bound(self, session: Session, order: Order, affordable: Affordable) -> Use | None:
        """Take what the terms allow and the escrow affords, the judging kept aside."""
        judging = self._judging(session, order)
        sandbox_ms = largest_affordable(
            self._terms.synthesis_session_s * 1000,
            SEARCH_MIN_MS,
            lambda ms: affordable(Use(sandbox_ms=ms), *judging, *self._asking(order, ms)),
        )
        return None if sandbox_ms is None else Use(sandbox_ms=sandbox_ms)

    def _judging(self, session: Session, order: Order) -> list[Use]:
        """Return what judging the finalist and the incumbent is expected to take at most."""
        cases = holdout_cases(self._gold.show(session, order.request.gold))
        judging = judging_reserve(self._terms, holdout_cases=cases)
        bundle = _submitted(session, order.id)
        if bundle.manifest.prompt is None:
            return [judging]
        holdout = self._gold.load(session, order.request.gold).cases(HOLDOUT)
        return [judging, judging_calls_reserve(bundle, holdout, self._models.catalogue)]

    def _asking(self, order: Order, sandbox_ms: int) -> list[Use]:
        """Return what is kept aside for model calls: a short search asks less."""
        most_ms = self._terms.synthesis_session_s * 1000
        tokens = self._terms.model_tokens * sandbox_ms // most_ms
        return [Use(model=model, output_tokens=tokens) for model in order.quote["models"]]

    def duration_s(self, bound: Use) -> int:
        """Return the time that is paid for: the session ends with it."""
        return bound.sandbox_ms // 1000

    def perform(self, key: WorkKey, bound: Use, meter: UseMeter) -> Performed:
        """Search within the bound; keep the finalist, if there is one, with the order."""
        with self._database.reading() as session:
            order = store.get(session, key.order_id)
            dataset = self._gold.load(session, order.request.gold)
            context = self._context(session, order, dataset.cases(DEV))
            kept = self._judging(session, order)
        models = self._models.for_work(key, kept=kept, duration_s=bound.sandbox_ms / 1000)
        sandbox = sandbox_for(
            context.bundle,
            code=self._sandbox,
            models=ArtifactModels(models, rounds=self._terms.attempts),
            catalogue=self._models.catalogue,
        )
        synthesizer = self._synthesizers[order.request.synthesizer]
        pace = self._pace(key, context.bundle, dataset, bound, meter)
        session_ms = max(1, bound.sandbox_ms - meter.use.sandbox_ms)
        limits = session_limits(context.bundle, session_ms, case_wall_s=pace.case_wall_s)
        with metered_session(
            sandbox, limits, label=key.attempt_id, meter=meter
        ) as sandbox_session:
            evaluator = SandboxEvaluator(
                session=sandbox_session,
                dataset=dataset,
                cases=dataset.cases(DEV),
                runs_max=self._terms.synthesis_case_runs,
                session_s=limits.session_s,
            )
            tools = Tools(
                evaluator=evaluator,
                progress=self._progress(order.id),
                models=models,
            )
            found = _searched(synthesizer, context, tools)
        return _performed(order.id, found, pace)

    def _pace(
        self, key: WorkKey, bundle: Bundle, dataset: GoldDataset, bound: Use, meter: UseMeter
    ) -> Pace:
        """Run the incumbent on its largest dev cases; a prompt cannot loop, and its calls cost."""
        if bundle.manifest.prompt is not None:
            return Pace(case_wall_s=bundle.manifest.limits.wall_s)
        by_size = sorted(dataset.cases(DEV), key=lambda case: len(json.dumps(case.input)))
        limits = session_limits(bundle, bound.sandbox_ms // 2)
        ended_ms: list[int] = []
        timeouts = 0
        with metered_session(
            self._sandbox, limits, label=f"{key.attempt_id}:pace", meter=meter
        ) as session:
            try:
                loaded = session.load(VARIANT, bundle)
                for case in by_size[-PACE_CASES:]:
                    run = session.run(VARIANT, case.id, case.input)
                    if run.status != "timeout":
                        ended_ms.append(run.wall_ms)
                        continue
                    timeouts += 1
                    if timeouts == PACE_TIMEOUTS:
                        break
            except SessionExpiredError:
                return Pace(case_wall_s=limits.case_wall_s)
        slowest_s = max(ended_ms) / 1000 if ended_ms else limits.case_wall_s
        return Pace(
            case_wall_s=max(CASE_WALL_MIN_S, PACE_FACTOR * slowest_s),
            load_error=loaded.error,
        )

    def _context(self, session: Session, order: Order, cases: Any) -> SynthesisContext:
        traces = parse_traces(store.find_file(session, order.id, FileRole.TRACES) or b"")
        computed = asdict(error_metrics(traces))
        metrics = {name: value for name, value in computed.items() if value is not None}
        return SynthesisContext(
            bundle=_submitted(session, order.id),
            dev_cases=[dev_case(case) for case in cases],
            traces=traces,
            metrics=metrics | order.request.metrics,
            model=order.request.model,
        )

    def _progress(self, order_id: str) -> Callable[[Progress], None]:
        last_s = -PROGRESS_INTERVAL_S

        def tell(progress: Progress) -> None:
            nonlocal last_s
            now_s = time.monotonic()
            if now_s - last_s < PROGRESS_INTERVAL_S:
                return
            last_s = now_s
            with self._database.transaction() as session:
                self._events.append(
                    session, topic=f"order:{order_id}", kind="progress", data=asdict(progress)
                )

        return tell


def _submitted(session: Session, order_id: str) -> Bundle:
    return Bundle.from_archive(store.find_file(session, order_id, FileRole.ARTIFACT) or b"")


def _searched(
    synthesizer: Synthesizer,
    context: SynthesisContext,
    tools: Tools,
) -> SynthesisResult:
    """Search; a source that the synthesizer's own tools cannot take is the source's affair."""
    try:
        return synthesizer.synthesize(context, tools)
    except (ValueError, RecursionError, OverflowError) as error:
        _logger.exception("the synthesizer %s could not take a source", synthesizer.name)
        return SynthesisResult(
            candidates=(),
            statistics=SynthesisStatistics(),
            reason=f"the synthesizer cannot take this source ({type(error).__name__})",
        )


def _performed(order_id: str, found: SynthesisResult, pace: Pace) -> Performed:
    statistics = asdict(found.statistics)
    if not found.candidates:
        return Performed(
            result={
                "candidates": 0,
                "reason": found.reason,
                "load_error": pace.load_error,
                "statistics": statistics,
            }
        )
    best = found.candidates[0]
    archive = best.bundle.to_archive()

    def keep(session: Session) -> dict[str, Any]:
        store.put_file(session, order_id, FileRole.FINALIST, archive)
        return {}

    result = {
        "candidates": len(found.candidates),
        "finalist": best.bundle.digest,
        "rationale": best.rationale,
        "edits": [asdict(edit) for edit in best.edits],
        "statistics": statistics,
    }
    return Performed(result=result, keep=keep)
