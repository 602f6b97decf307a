"""Checking a ledger without its service: exports, receipts, and the statements of an audit."""

from aem.proof.audit.chart import CHART, AccountKind, Currency, kind_of
from aem.proof.audit.findings import AuditReport, BadRecord, Finding
from aem.proof.audit.log_check import LogCheck
from aem.proof.audit.run import MoneyRun

__all__ = [
    "CHART",
    "AccountKind",
    "AuditReport",
    "BadRecord",
    "Currency",
    "Finding",
    "LogCheck",
    "MoneyRun",
    "kind_of",
]
