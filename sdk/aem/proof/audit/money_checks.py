"""The further statements of an audit: the monetary identity, Lemma 1, and what was paid for."""

from collections.abc import Mapping
from typing import Any

from aem.proof.audit.books_check import Sums
from aem.proof.audit.findings import Finding, FirstBad

_FIAT_BUDGET = "fiat-budget"
_MINT = "mint"
_BURN = "burn"


class IdentityCheck:
    """M = E - B: balances, issuance decisions and usage, each from its own records."""

    def __init__(self) -> None:
        """Start with nothing issued."""
        self.issued_utok = 0
        self.burned_utok = 0
        self.shortfall_utok = 0
        self._bad = FirstBad()

    def add_decision(self, row: Mapping[str, Any]) -> None:
        """Take the next issuance decision."""
        self.issued_utok += row["issued_utok"]

    def add_usage(self, row: Mapping[str, Any]) -> None:
        """Take the next usage record."""
        self.burned_utok += row["burn_utok"]
        self.shortfall_utok += row["shortfall_utok"]

    def blame(self, record: str, record_id: str, number: int) -> None:
        """Name a record that cannot be read."""
        self._bad.blame(record, record_id, "cannot be read", number=number)

    def finish(self, money_utok: int) -> Finding:
        """Compare with M, rebuilt from the journal."""
        difference_utok = money_utok - (self.issued_utok - self.burned_utok)
        if difference_utok:
            self._bad.blame("money", "utok", f"M exceeds E - B by {difference_utok} utok")
        return Finding(
            figures={
                "money_utok": money_utok,
                "issued_utok": self.issued_utok,
                "burned_utok": self.burned_utok,
                "shortfall_utok": self.shortfall_utok,
            },
            first_bad=self._bad.record,
        )


class FiatCheck:
    """What was admitted on each day stays within that day's fiat budget (Lemma 1)."""

    def __init__(self) -> None:
        """Start with no day."""
        self._limits_nusd: dict[str, int] = {}
        self._bad = FirstBad()

    def add_decision(self, row: Mapping[str, Any]) -> None:
        """Take the next issuance decision."""
        code = f"{_FIAT_BUDGET}:{row['budget']}:{row['day']}"
        self._limits_nusd[code] = row["daily_limit_nusd"]

    def finish(self, sums: Mapping[str, Sums]) -> Finding:
        """Compare with the rebuilt fiat accounts: what left a day's account or is held on it."""
        admitted_nusd = 0
        days = self._limits_nusd.keys() | {
            code for code in sums if code.startswith(f"{_FIAT_BUDGET}:")
        }
        for code in sorted(days):
            day, limit_nusd = sums.get(code, Sums(None)), self._limits_nusd.get(code, 0)
            day_nusd = day.debits_posted + day.debits_held
            admitted_nusd += day_nusd
            if day_nusd > limit_nusd:
                self._blame(code, f"{day_nusd} nusd admitted, {limit_nusd} nusd budgeted")
            elif day.credits_posted != limit_nusd:
                self._blame(code, f"{day.credits_posted} nusd funded, {limit_nusd} nusd budgeted")
        figures = {
            "days": len(self._limits_nusd),
            "admitted_nusd": admitted_nusd,
            "budget_nusd": sum(self._limits_nusd.values()),
        }
        return Finding(figures=figures, first_bad=self._bad.record)

    def _blame(self, code: str, why: str) -> None:
        self._bad.blame("fiat_day", code, why)


class CitationCheck:
    """Every token issued or burned is explained by the record that cites its transfer.

    Memory holds what is not explained yet: records follow their transfers within a transaction.
    """

    def __init__(self) -> None:
        """Start with nothing to explain."""
        self._open: dict[str, tuple[int, int]] = {}  # amount and number by transfer
        self._unpaid: dict[str, tuple[int, str, str, int]] = {}
        self._cited = 0
        self._bad = FirstBad()

    def add_transfer(self, row: Mapping[str, Any], number: int) -> None:
        """Take the next transfer."""
        is_issue_or_burn = row["debit"] == _MINT or row["credit"] == _BURN
        if is_issue_or_burn and row["phase"] in ("posted", "post"):
            self._open[row["id"]] = (row["amount"], number)

    def add_decision(self, row: Mapping[str, Any], number: int) -> None:
        """Take the next issuance decision."""
        cause = ("issuance_decision", row["id"], number)
        self._explain(row["id"], row["transfers"], row["issued_utok"], cause)

    def add_usage(self, row: Mapping[str, Any], number: int) -> None:
        """Take the next usage record; those of one attempt are paid for by the same transfers."""
        cause = ("usage", row["id"], number)
        self._explain(row["attempt_id"], row["transfers"], row["burn_utok"], cause)

    def finish(self) -> Finding:
        """Name what is left unexplained, or explained by another amount."""
        for left_utok, record, record_id, number in self._unpaid.values():
            why = f"cites transfers that differ from its amount by {left_utok} utok"
            self._bad.blame(record, record_id, why, number=number)
        for transfer_id, (_, number) in self._open.items():
            why = "issues or burns tokens that no record accounts for"
            self._bad.blame("transfer", transfer_id, why, number=number)
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
