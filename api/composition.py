"""The composition root: builds every part of the service from its settings, once."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from api.alerting import AlertLoop, Receiver, receivers
from api.auditing import AuditLoop
from api.checkpointing import CheckpointLoop
from api.idempotency import Mutations
from api.keys import ApiKeys
from api.migration import migrate
from api.parts import Parts
from api.settings import Settings
from api.starting import read_catalogue
from api.upkeep import Chore, Upkeep
from core.clock import Clock, SystemClock
from core.database import Database, make_engine
from core.events import EventLog
from core.money import UTOK_PER_TOKEN
from core.principals import Role
from core.signing import KeyFileSigner, Signer, SocketSigner
from devops_agent import (
    WORKFLOW,
    CandidateSearch,
    DurableWork,
    LanguageSynthesizer,
    MeteredWork,
    OrderMetering,
    OrderModels,
    OrderRecord,
    Orders,
    OrderTerms,
    OrderWorkflow,
    PromptSearchSynthesizer,
    Publication,
    RepairSynthesizer,
    Settlement,
    Synthesizer,
    Validation,
)
from gold import GoldService, Judge
from ledger import (
    Alerts,
    Audit,
    AuditSchedule,
    Budgets,
    Checkpoints,
    Enforcement,
    Export,
    Journals,
    Ledger,
    Metering,
    Proofs,
    Reconciliations,
    Reports,
    Summaries,
    Writer,
)
from market import DEFAULT_RESOURCES, Catalogue, Market, MarketSettings, Ticker, Upstream
from registry import GitProjection, Registry
from sandbox import Sandbox, select_sandbox

LOG_ORIGIN = "aem-ledger"
"""Name of the ledger's log in its checkpoints."""

POINTER_CHECK_INTERVAL_S = 600.0
"""Pointers last for days and are renewed half-way: any part of an hour is often enough."""

HOLD_EXPIRY_INTERVAL_S = 10.0

FORECAST_INTERVAL_S = 60.0

FOLDING_INTERVAL_S = 2.0
"""Reports add what is not folded in yet: an interval's records are few."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """A whole service: its parts, and what runs in the background while it is up.

    Attributes:
        parts: what routes call.
        first_key: the operator's key, where this start made the first one: shown once.
        sandbox: where candidates run.
    """

    parts: Parts
    first_key: str | None
    sandbox: Sandbox
    ticker: Ticker
    upkeep: Upkeep
    alerting: AlertLoop
    auditing: AuditLoop

    def start(self) -> None:
        """Begin to tick, to seal and to take orders."""
        with self.parts.database.transaction() as session:
            self.parts.market.adopt(session)
        self.ticker.start()
        self.parts.checkpointing.start()
        self.upkeep.start()
        self.alerting.start()
        self.auditing.start()
        self.parts.writer.start()
        self.parts.durable.start()

    def stop(self) -> None:
        """Stop in the reverse order; orders under way are resumed by another worker."""
        self.parts.durable.stop()
        self.parts.writer.close()
        self.auditing.stop()
        self.alerting.stop()
        self.upkeep.stop()
        self.ticker.stop()
        self.parts.checkpointing.stop()
        self.sandbox.close()
        self.parts.upstream.close()
        self.parts.database.dispose()


def build_service(
    settings: Settings,
    *,
    clock: Clock | None = None,
    sandbox: Sandbox | None = None,
) -> Service:
    """Make the data folder, the keys and the schema where they are missing, and all parts.

    Args:
        settings: of this process.
        clock: the machine's, unless another one is given.
        sandbox: what the settings choose, unless one is given.

    Raises:
        BadCatalogueError, SettingsError: the models are wrong; nothing was made.
        SandboxUnavailableError: no sandbox works here.
        SigningKeyError: a signing key is damaged.
    """
    clock = clock or SystemClock()
    catalogue = read_catalogue(settings)
    settings.data_folder.mkdir(parents=True, exist_ok=True)
    signer = _signer(settings)
    database = Database(make_engine(settings.url))
    migrate(database)
    sandbox = sandbox or select_sandbox(settings.sandbox, clock=clock).sandbox
    rooms = _build_rooms(settings, catalogue, clock, database, signer)
    parts = _build_parts(settings, rooms, signer, sandbox)
    return Service(
        parts=parts,
        first_key=_first_key(database, parts.keys),
        sandbox=sandbox,
        ticker=Ticker(database=database, market=parts.market, clock=clock),
        upkeep=_upkeep(parts),
        alerting=AlertLoop(database, parts.alerts, clock, _receivers(settings)),
        auditing=AuditLoop(database, parts.audit, parts.audits, parts.checkpointing),
    )


@dataclass(frozen=True, kw_only=True)
class _Rooms:
    """The rooms below the orders."""

    clock: Clock
    enforcement: Enforcement
    database: Database
    events: EventLog
    catalogue: Catalogue
    upstream: Upstream
    market: Market
    ledger: Ledger
    budgets: Budgets
    alerts: Alerts
    registry: Registry
    projection: GitProjection
    gold: GoldService


def _build_rooms(
    settings: Settings, catalogue: Catalogue, clock: Clock, database: Database, signer: Signer
) -> _Rooms:
    events = EventLog(database, clock)
    return _Rooms(
        clock=clock,
        enforcement=Enforcement(settings.enforcement),
        database=database,
        events=events,
        catalogue=catalogue,
        upstream=Upstream(),
        market=Market(clock=clock, settings=_market_settings(settings, catalogue), events=events),
        ledger=Ledger(clock=clock),
        budgets=Budgets(clock=clock),
        alerts=Alerts(
            clock=clock,
            destinations=[receiver.name for receiver in _receivers(settings)],
            thresholds_percent=[int(text) for text in settings.alert_thresholds.split(",")],
        ),
        registry=Registry(clock=clock, signer=signer, events=events),
        projection=GitProjection(settings.repositories_folder, database),
        gold=GoldService(clock),
    )


def _build_parts(settings: Settings, rooms: _Rooms, signer: Signer, sandbox: Sandbox) -> Parts:
    clock, database = rooms.clock, rooms.database
    terms = _terms(settings)
    durable = DurableWork(database, clock)
    checkpoints = Checkpoints(clock=clock, signer=signer, origin=LOG_ORIGIN)
    return Parts(
        **vars(rooms),
        signer=signer,
        keys=ApiKeys(clock),
        mutations=Mutations(database, clock),
        writer=Writer(database=database, ledger=rooms.ledger),
        audit=Audit(signer=signer, origin=LOG_ORIGIN),
        audits=AuditSchedule(
            clock=clock,
            alerts=rooms.alerts,
            interval_s=settings.audit_interval_s,
            full_interval_s=settings.audit_full_interval_s,
        ),
        export=Export(signer=signer, origin=LOG_ORIGIN),
        proofs=Proofs(signer=signer),
        reports=Reports(clock=clock),
        journals=Journals(),
        reconciliations=Reconciliations(clock=clock, alerts=rooms.alerts),
        checkpoints=checkpoints,
        checkpointing=CheckpointLoop(
            database, checkpoints, interval_s=settings.checkpoint_interval_s
        ),
        orders=_build_orders(rooms, durable, sandbox, terms),
        terms=terms,
        durable=durable,
    )


@dataclass(frozen=True, kw_only=True)
class _Works:
    """What the stages of an order work with."""

    rooms: _Rooms
    sandbox: Sandbox
    terms: OrderTerms
    metering: OrderMetering
    record: OrderRecord
    models: OrderModels
    synthesizers: Mapping[str, Synthesizer]


def _build_works(rooms: _Rooms, sandbox: Sandbox, terms: OrderTerms) -> _Works:
    metering = OrderMetering(
        clock=rooms.clock,
        market=rooms.market,
        ledger=rooms.ledger,
        budgets=rooms.budgets,
        metering=Metering(clock=rooms.clock, alerts=rooms.alerts, enforcement=rooms.enforcement),
        terms=terms,
    )
    return _Works(
        rooms=rooms,
        sandbox=sandbox,
        terms=terms,
        metering=metering,
        record=OrderRecord(rooms.clock, rooms.events),
        models=OrderModels(
            database=rooms.database,
            clock=rooms.clock,
            metering=metering,
            catalogue=rooms.catalogue,
            upstream=rooms.upstream,
            terms=terms,
        ),
        synthesizers={synthesizer.name: synthesizer for synthesizer in _synthesizers()},
    )


def _synthesizers() -> tuple[Synthesizer, ...]:
    return (RepairSynthesizer(), PromptSearchSynthesizer(), LanguageSynthesizer())


def _build_orders(
    rooms: _Rooms, durable: DurableWork, sandbox: Sandbox, terms: OrderTerms
) -> Orders:
    works = _build_works(rooms, sandbox, terms)
    durable.register(WORKFLOW, _build_workflow(works))
    return Orders(
        clock=rooms.clock,
        record=works.record,
        metering=works.metering,
        gold=rooms.gold,
        registry=rooms.registry,
        durable=durable,
        synthesizers=works.synthesizers,
        catalogue=rooms.catalogue,
        terms=terms,
    )


def _build_workflow(works: _Works) -> OrderWorkflow:
    rooms, terms = works.rooms, works.terms
    return OrderWorkflow(
        record=works.record,
        work=MeteredWork(
            database=rooms.database, clock=rooms.clock, metering=works.metering, terms=terms
        ),
        search=CandidateSearch(
            database=rooms.database,
            events=rooms.events,
            gold=rooms.gold,
            sandbox=works.sandbox,
            synthesizers=works.synthesizers,
            models=works.models,
            terms=terms,
        ),
        validation=Validation(
            database=rooms.database,
            gold=rooms.gold,
            judge=Judge(),
            registry=rooms.registry,
            sandbox=works.sandbox,
            models=works.models,
            terms=terms,
        ),
        publication=Publication(
            record=works.record,
            registry=rooms.registry,
            projection=rooms.projection,
            market=rooms.market,
            gold=rooms.gold,
        ),
        settlement=Settlement(record=works.record, metering=works.metering, terms=terms),
    )


def _upkeep(parts: Parts) -> Upkeep:
    return Upkeep(
        parts.database,
        [
            Chore(
                name="renew channel pointers",
                interval_s=POINTER_CHECK_INTERVAL_S,
                run=parts.registry.channels.renew_pointers,
            ),
            Chore(
                name="expire holds",
                interval_s=HOLD_EXPIRY_INTERVAL_S,
                run=parts.ledger.expire_holds,
            ),
            Chore(
                name="forecast the day's spend",
                interval_s=FORECAST_INTERVAL_S,
                run=parts.alerts.forecast,
            ),
            Chore(
                name="fold records into sums",
                interval_s=FOLDING_INTERVAL_S,
                run=Summaries().advance,
            ),
        ],
    )


def _signer(settings: Settings) -> Signer:
    """Return the signer's process where there is one, else the keys of the data folder."""
    if settings.signer is not None:
        return SocketSigner(settings.signer)
    keys = KeyFileSigner(settings.keys_folder)
    keys.create_missing()
    return keys


def _receivers(settings: Settings) -> tuple[Receiver, ...]:
    return receivers(
        webhook=settings.alert_webhook.get_secret_value(),
        slack=settings.alert_slack.get_secret_value(),
        secret=settings.alert_secret.get_secret_value(),
    )


def _first_key(database: Database, keys: ApiKeys) -> str | None:
    with database.transaction() as session:
        if keys.any_exists(session):
            return None
        return keys.create(
            session, role=Role.OPERATOR, namespace="", agent="", creator="first start"
        ).secret


def _terms(settings: Settings) -> OrderTerms:
    return OrderTerms(
        threshold_utok=int(settings.threshold_tokens * UTOK_PER_TOKEN),
        fee_utok=int(settings.fee_tokens * UTOK_PER_TOKEN),
        synthesis_session_s=settings.synthesis_session_s,
        synthesis_case_runs=settings.synthesis_case_runs,
        validation_session_s=settings.validation_session_s,
        judged_case_ms=settings.judged_case_ms,
        model_call_s=settings.model_call_s,
        model_tokens=settings.model_tokens,
        synthesis_model=settings.synthesis_model,
        duplicate_threshold=settings.duplicate_threshold,
        refuses_duplicates=settings.duplicates == "refuse",
    )


def _market_settings(settings: Settings, catalogue: Catalogue) -> MarketSettings:
    return MarketSettings(
        resources=(*DEFAULT_RESOURCES, *catalogue.resources()),
        smoothing=Fraction(settings.smoothing),
        tick_interval_s=settings.tick_interval_s,
    )
