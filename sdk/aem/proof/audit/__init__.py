"""Checking a ledger without its service: exports, receipts, and the statements of an audit."""

from aem.proof.audit.chart import CHART, AccountKind, Currency, kind_of
from aem.proof.audit.export import (
    ENTRY_MISSING,
    EXPORT_FORMAT,
    RECORD_MISSING,
    RECORD_UNREADABLE,
    ExportEnd,
    ExportHeader,
    checkpoint_line,
    leaves_line,
    problem_line,
    state_line,
)
from aem.proof.audit.findings import OWN_KEYS, UNCHECKED, AuditReport, BadRecord, Finding
from aem.proof.audit.log_check import LogCheck
from aem.proof.audit.outside import OutsideCheckpoints, unproven
from aem.proof.audit.receipt import (
    CONSISTENCY_FORMAT,
    RECEIPT_FORMAT,
    ConsistencyProof,
    Receipt,
    format_of,
    is_about,
    require_same,
)
from aem.proof.audit.run import MoneyRun
from aem.proof.audit.verifier import verify_export

__all__ = [
    "CHART",
    "CONSISTENCY_FORMAT",
    "ENTRY_MISSING",
    "EXPORT_FORMAT",
    "OWN_KEYS",
    "RECEIPT_FORMAT",
    "RECORD_MISSING",
    "RECORD_UNREADABLE",
    "UNCHECKED",
    "AccountKind",
    "AuditReport",
    "BadRecord",
    "ConsistencyProof",
    "Currency",
    "ExportEnd",
    "ExportHeader",
    "Finding",
    "LogCheck",
    "MoneyRun",
    "OutsideCheckpoints",
    "Receipt",
    "checkpoint_line",
    "format_of",
    "is_about",
    "kind_of",
    "leaves_line",
    "problem_line",
    "require_same",
    "state_line",
    "unproven",
    "verify_export",
]
