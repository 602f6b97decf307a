"""The further statements of an audit: the monetary identity, Lemma 1, and what was paid for."""

from collections.abc import Mapping
from typing import Any

from aem.proof.audit.books_check import Sums
from aem.proof.audit.findings import Finding, FirstBad

_FIAT_BUDGET = "fiat-budget"
_UTOK = "utok"


class IdentityCheck:
    """M = E + O - B: balances, issuance decisions, loans and usage, each from its own records."""

    def __init__(self) -> None:
        """Start with nothing issued."""
        self.issued_utok = 0
        self.lent_utok = 0
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

    def add_loan(self, row: Mapping[str, Any]) -> None:
        """Take the next loan, or what was given back of one."""
        if row["currency"] == _UTOK:
            self.lent_utok += row["amount"]

    def blame(self, record: str, record_id: str, number: int) -> None:
        """Name a record that cannot be read."""
        self._bad.blame(record, record_id, "cannot be read", number=number)

    def finish(self, money_utok: int) -> Finding:
        """Compare with M, rebuilt from the journal."""
        explained_utok = self.issued_utok + self.lent_utok - self.burned_utok
        if money_utok != explained_utok:
            why = f"M exceeds E + O - B by {money_utok - explained_utok} utok"
            self._bad.blame("money", _UTOK, why)
        return Finding(
            figures={
                "money_utok": money_utok,
                "issued_utok": self.issued_utok,
                "lent_utok": self.lent_utok,
                "burned_utok": self.burned_utok,
                "shortfall_utok": self.shortfall_utok,
            },
            first_bad=self._bad.record,
        )


class FiatCheck:
    """What was admitted on each day stays within that day's fiat budget (Lemma 1).

    What it takes beyond that, it was lent: observe-only mode lends what a day lacks, no more.
    """

    def __init__(self) -> None:
        """Start with no day."""
        self._limits_nusd: dict[str, int] = {}
        self._lent_nusd: dict[str, int] = {}
        self._returned_nusd: dict[str, int] = {}
        self._bad = FirstBad()

    def add_decision(self, row: Mapping[str, Any]) -> None:
        """Take the next issuance decision."""
        code = f"{_FIAT_BUDGET}:{row['budget']}:{row['day']}"
        self._limits_nusd[code] = row["daily_limit_nusd"]

    def add_loan(self, row: Mapping[str, Any]) -> None:
        """Take the next loan, or what was given back of one."""
        if row["currency"] != _UTOK:
            amount, day = row["amount"], row["account"]
            sums = self._lent_nusd if amount > 0 else self._returned_nusd
            sums[day] = sums.get(day, 0) + abs(amount)

    def finish(self, sums: Mapping[str, Sums]) -> Finding:
        """Compare with the rebuilt fiat accounts: what left a day's account or is held on it."""
        admitted_nusd = 0
        days = self._limits_nusd.keys() | {
            code for code in sums if code.startswith(f"{_FIAT_BUDGET}:")
        }
        for code in sorted(days):
            admitted_nusd += self._check_day(code, sums.get(code, Sums(None)))
        figures = {
            "days": len(self._limits_nusd),
            "admitted_nusd": admitted_nusd,
            "budget_nusd": sum(self._limits_nusd.values()),
            "lent_nusd": sum(self._lent_nusd.values()) - sum(self._returned_nusd.values()),
        }
        return Finding(figures=figures, first_bad=self._bad.record)

    def _check_day(self, code: str, day: Sums) -> int:
        """Check a day's account; return what was admitted on it, in nusd."""
        limit_nusd = self._limits_nusd.get(code, 0)
        lent_nusd, returned_nusd = self._lent_nusd.get(code, 0), self._returned_nusd.get(code, 0)
        admitted_nusd = day.debits_posted + day.debits_held - returned_nusd
        beyond_nusd = max(0, admitted_nusd - limit_nusd)
        if beyond_nusd > lent_nusd - returned_nusd:
            self._blame(code, f"{admitted_nusd} nusd admitted, {limit_nusd} nusd budgeted")
        elif beyond_nusd < lent_nusd - returned_nusd:
            self._blame(code, f"{lent_nusd - returned_nusd} nusd lent, {beyond_nusd} nusd needed")
        elif day.credits_posted != limit_nusd + lent_nusd:
            funded_nusd = day.credits_posted - lent_nusd
            self._blame(code, f"{funded_nusd} nusd funded, {limit_nusd} nusd budgeted")
        return admitted_nusd

    def _blame(self, code: str, why: str) -> None:
        self._bad.blame("fiat_day", code, why)
