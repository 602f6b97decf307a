"""The composition root: builds every part of the service from its settings, once."""

import logging
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction

from aem.proof import TrustRoot
from api.idempotency import Mutations
from api.keys import ApiKeys
from api.migration import migrate
from api.settings import Settings
from core.clock import Clock, SystemClock
from core.database import Database, make_engine
from core.events import EventLog
from core.principals import Role
from core.signing import KeyFileSigner, Signer
from devops_agent import (
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
    WORKFLOW,
)
from gold import GoldService, Judge
from ledger import Audit, Budgets, Ledger, Metering
from market import Market, MarketSettings, Ticker
from registry import GitProjection, Registry
from sandbox import Sandbox, select_sandbox
