"""Gold datasets and the judge: what a candidate must pass before it may run (paper, section 8)."""

from gold.dataset import GoldDataset, dataset_digest
from gold.domain import (
    Audience,
    Axis,
    CaseOutcome,
    CaseType,
    Counts,
    Entity,
    Finding,
    GoldCase,
    OutcomeStatus,
    Part,
    PartCounts,
    Severity,
    Share,
)
from gold.errors import (
    GoldDamagedError,
    GoldFormatError,
    GoldNotFoundError,
    HoldoutWithheldError,
    JsonTextError,
    NotAttestableError,
    NotGoldOwnerError,
    OutcomesMismatchError,
)
from gold.falsehoods import DECODERS
from gold.judge import Judge
from gold.leakage import LEAK_REASON, MAX_DEMONSTRATIONS, GoldLeak, LeakCheck, check_leaks
from gold.lint import lint, load_dataset
from gold.permutation import level_of_try
from gold.power import conversations_needed, power
from gold.report import (
    FIELDS,
    NO_GAIN,
    REASONS,
    SUBMITTER_REASONS,
    AxisResult,
    CaseVerdict,
    GoldReport,
    Statistics,
    view_report,
)
from gold.scoring import CaseScore, score_case
from gold.service import DatasetRef, GoldService, StoredReport

__all__ = [
    "DECODERS",
    "FIELDS",
    "LEAK_REASON",
    "MAX_DEMONSTRATIONS",
    "NO_GAIN",
    "REASONS",
    "SUBMITTER_REASONS",
    "Audience",
    "Axis",
    "AxisResult",
    "CaseOutcome",
    "CaseScore",
    "CaseType",
    "CaseVerdict",
    "Counts",
    "DatasetRef",
    "Entity",
    "Finding",
    "GoldCase",
    "GoldDamagedError",
    "GoldDataset",
    "GoldFormatError",
    "GoldLeak",
    "GoldNotFoundError",
    "GoldReport",
    "GoldService",
    "HoldoutWithheldError",
    "JsonTextError",
    "Judge",
    "LeakCheck",
    "NotAttestableError",
    "NotGoldOwnerError",
    "OutcomeStatus",
    "OutcomesMismatchError",
    "Part",
    "PartCounts",
    "Severity",
    "Share",
    "Statistics",
    "StoredReport",
    "check_leaks",
    "conversations_needed",
    "dataset_digest",
    "level_of_try",
    "lint",
    "load_dataset",
    "power",
    "score_case",
    "view_report",
]
