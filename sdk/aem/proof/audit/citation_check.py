"""The audit's statement on receipts: each issue, burn and loan has a record that explains it."""

from collections.abc import Mapping
from typing import Any

from aem.proof.audit.chart import CHART
from aem.proof.audit.findings import Finding, FirstBad
from aem.proof.audit.loan_check import LoanCheck

_LENDERS = tuple(f"{kind.prefix}:" for kind in CHART.values() if kind.is_lender)
_MINT = "mint"
_BURN = "burn"
_AUTHORITY = "fiat-authority"


class CitationCheck:
    """Every token issued, burned or lent, and every dollar allowed or lent, is explained.

    A record cites the transfer. Memory holds what is not explained yet: records follow their
    transfers within a transaction.
    """

    def __init__(self) -> None:
        """Start with nothing to explain."""
        self._open: dict[str, tuple[int, int]] = {}  # amount and number by transfer
        self._open_days: dict[str, tuple[str, int, int]] = {}  # day's account, amount, number
        self._unpaid: dict[str, tuple[int, str, str, int]] = {}
        self._cited = 0
        self._bad = FirstBad()
        self._loans = LoanCheck(self._bad)

    def add_transfer(self, row: Mapping[str, Any], number: int) -> None:
        """Take the next transfer."""
        self._loans.add_use(row)
        if row["phase"] not in ("posted", "post"):
            return
        if row["debit"] == _MINT or row["credit"] == _BURN:
            self._open[row["id"]] = (row["amount"], number)
        if row["debit"] == _AUTHORITY:
            self._open_days[row["id"]] = (row["credit"], row["amount"], number)
        if row["debit"].startswith(_LENDERS):
            self._loans.add_transfer(row, number, lender=row["debit"], account=row["credit"])
        elif row["credit"].startswith(_LENDERS):
            self._loans.add_transfer(row, number, lender=row["credit"], account=row["debit"])

    def add_decision(self, row: Mapping[str, Any], number: int) -> None:
        """Take the next issuance decision: it allows its day's dollars, and issues tokens."""
        cause = ("issuance_decision", row["id"], number)
        day = f"{row['budget']}:{row['day']}"
        self._loans.decided.add(day)
        allowed_nusd = 0
        for transfer_id in row["transfers"].split():
            account, amount_nusd, _ = self._open_days.get(transfer_id, ("", 0, 0))
            if account == f"fiat-budget:{day}":
                del self._open_days[transfer_id]
                allowed_nusd += amount_nusd
        if allowed_nusd != row["daily_limit_nusd"]:
            why = f"cites transfers of {allowed_nusd} nusd to its day, not of its limit"
            self._bad.blame(*cause[:2], why, number=number)
        self._explain(row["id"], row["transfers"], row["issued_utok"], cause)

    def add_usage(self, row: Mapping[str, Any], number: int) -> None:
        """Take the next usage record; those of one attempt are paid for by the same transfers."""
        cause = ("usage", row["id"], number)
        self._explain(row["attempt_id"], row["transfers"], row["burn_utok"], cause)

    def add_loan(self, row: Mapping[str, Any], number: int) -> None:
        """Take the next loan, or what was given back of one; each cites one transfer."""
        self._cited += self._loans.add_record(row, number)

    def finish(self) -> Finding:
        """Name what is left unexplained, or explained by another amount."""
        for left_utok, record, record_id, number in self._unpaid.values():
            why = f"cites transfers that differ from its amount by {left_utok} utok"
            self._bad.blame(record, record_id, why, number=number)
        for transfer_id, (_, number) in self._open.items():
            why = "issues or burns tokens that no record accounts for"
            self._bad.blame("transfer", transfer_id, why, number=number)
        for transfer_id, (_, _, number) in self._open_days.items():
            why = "allows dollars that no issuance decision accounts for"
            self._bad.blame("transfer", transfer_id, why, number=number)
        self._loans.finish()
        return Finding(figures={"cited": self._cited}, first_bad=self._bad.record)

    def _explain(
        self, group: str, transfers: str, amount_utok: int, cause: tuple[str, str, int]
    ) -> None:
        left_utok = self._unpaid.pop(group, (0, ""))[0] - amount_utok
        for transfer_id in transfers.split():
            found = self._open.pop(transfer_id, None)
            if found is not None:
                self._cited += 1
                left_utok += found[0]
        if left_utok:
            self._unpaid[group] = (left_utok, *cause)
