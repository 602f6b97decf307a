"""The composition root: builds every part of the service from its settings, once."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from aem.proof import KeyPurpose, TrustRoot
from api.idempotency import Mutations
from api.keys import ApiKeys
from api.migration import migrate
from api.parts import Parts
from api.seals import Sealer
from api.settings import Settings
from core.clock import Clock, SystemClock
from core.database import Database, make_engine
from core.events import EventLog
from core.money import UTOK_PER_TOKEN
from core.principals import Role
from core.signing import KeyFileSigner
from devops_agent import (
    WORKFLOW,
    CandidateSearch,
    DurableWork,
    MeteredWork,
    OrderMetering,
    OrderRecord,
    Orders,
    OrderTerms,
    OrderWorkflow,
    Publication,
    RepairSynthesizer,
    Settlement,
    Synthesizer,
    Validation,
)
from gold import GoldService, Judge
from ledger import Audit, Budgets, Ledger, Metering
from market import Market, MarketSettings, Ticker
from registry import GitProjection, Registry
from sandbox import Sandbox, select_sandbox

LOG_ORIGIN = "aem-ledger"
"""Name of the ledger's log in its checkpoints."""

_logger = logging.getLogger(__name__)


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
    sealer: Sealer

    def start(self) -> None:
        """Begin to tick, to seal and to take orders."""
        with self.parts.database.transaction() as session:
            self.parts.market.adopt(session)
        self.ticker.start()
        self.sealer.start()
        self.parts.durable.start()

    def stop(self) -> None:
        """Stop in the reverse order; orders under way are resumed by another worker."""
        self.parts.durable.stop()
        self.sealer.stop()
        self.ticker.stop()
        self.sandbox.close()
        self.parts.database.dispose()


def build_service(
    settings: Settings,
    *,
    clock: Clock | None = None,
    make_sandbox: Callable[[str], Sandbox] = select_sandbox,
) -> Service:
    """Make the data folder, the keys and the schema where they are missing, and all parts."""
    clock = clock or SystemClock()
    settings.data_folder.mkdir(parents=True, exist_ok=True)
    signer = KeyFileSigner(settings.keys_folder)
    signer.create_missing()
    database = Database(make_engine(settings.url))
    migrate(database)
    events = EventLog(database, clock)
    market = Market(clock=clock, settings=_market_settings(settings), events=events)
    ledger = Ledger(clock=clock, signer=signer, origin=LOG_ORIGIN)
    budgets = Budgets(clock=clock)
    registry = Registry(clock=clock, signer=signer, events=events)
    projection = GitProjection(settings.repositories_folder, database)
    gold = GoldService(clock)
    terms = _terms(settings)
    sandbox = make_sandbox(settings.sandbox)
    metering = OrderMetering(
        clock=clock,
        market=market,
        ledger=ledger,
        budgets=budgets,
        metering=Metering(clock=clock),
        terms=terms,
    )
    record = OrderRecord(clock, events)
    durable = DurableWork(database, clock)
    repair = RepairSynthesizer()
    synthesizers: Mapping[str, Synthesizer] = {repair.name: repair}
    durable.register(
        WORKFLOW,
        OrderWorkflow(
            record=record,
            work=MeteredWork(database=database, clock=clock, metering=metering, terms=terms),
            search=CandidateSearch(
                database=database,
                events=events,
                gold=gold,
                sandbox=sandbox,
                synthesizers=synthesizers,
                terms=terms,
            ),
            validation=Validation(
                database=database,
                gold=gold,
                judge=Judge(),
                registry=registry,
                sandbox=sandbox,
                terms=terms,
            ),
            publication=Publication(
                record=record,
                registry=registry,
                projection=projection,
                market=market,
                gold=gold,
            ),
            settlement=Settlement(record=record, metering=metering, terms=terms),
        ),
    )
    trust = TrustRoot(keys=tuple(signer.public_keys()))
    keys = ApiKeys(clock)
    parts = Parts(
        database=database,
        clock=clock,
        events=events,
        trust=trust.sign(lambda message: signer.sign(KeyPurpose.ROOT, message)),
        keys=keys,
        mutations=Mutations(database, clock),
        ledger=ledger,
        budgets=budgets,
        audit=Audit(keys=trust.keys_for(KeyPurpose.CHECKPOINT), origin=LOG_ORIGIN),
        market=market,
        gold=gold,
        registry=registry,
        projection=projection,
        orders=Orders(
            clock=clock,
            record=record,
            metering=metering,
            gold=gold,
            durable=durable,
            synthesizers=synthesizers,
            terms=terms,
        ),
        terms=terms,
        durable=durable,
    )
    return Service(
        parts=parts,
        first_key=_first_key(database, keys),
        sandbox=sandbox,
        ticker=Ticker(database=database, market=market, clock=clock),
        sealer=Sealer(database=database, ledger=ledger, interval_s=settings.checkpoint_interval_s),
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
    )


def _market_settings(settings: Settings) -> MarketSettings:
    return MarketSettings(
        smoothing=Fraction(settings.smoothing), tick_interval_s=settings.tick_interval_s
    )
