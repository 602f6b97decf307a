"""The parts of a running service, as routes see them."""

from dataclasses import dataclass

from api.checkpointing import CheckpointLoop
from api.idempotency import Mutations
from api.keys import ApiKeys
from core.clock import Clock
from core.database import Database
from core.events import EventLog
from core.signing import Signer
from devops_agent import DurableWork, Orders, OrderTerms
from gold import GoldService
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
    Proofs,
    Reconciliations,
    Reports,
    Writer,
)
from market import Catalogue, Market, Upstream
from registry import GitProjection, Registry


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Everything that routes call; built by `api.composition`."""

    database: Database
    clock: Clock
    enforcement: Enforcement
    events: EventLog
    signer: Signer
    keys: ApiKeys
    mutations: Mutations
    ledger: Ledger
    writer: Writer
    budgets: Budgets
    audit: Audit
    audits: AuditSchedule
    export: Export
    proofs: Proofs
    reports: Reports
    journals: Journals
    reconciliations: Reconciliations
    alerts: Alerts
    checkpoints: Checkpoints
    checkpointing: CheckpointLoop
    catalogue: Catalogue
    upstream: Upstream
    market: Market
    gold: GoldService
    registry: Registry
    projection: GitProjection
    orders: Orders
    terms: OrderTerms
    durable: DurableWork
