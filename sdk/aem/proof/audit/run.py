"""One pass over a log's records: what the live audit and the offline one have in common."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aem.proof.audit.books_check import BooksCheck
from aem.proof.audit.citation_check import CitationCheck
from aem.proof.audit.findings import Finding
from aem.proof.audit.money_checks import FiatCheck, IdentityCheck

_UNREADABLE = (TypeError, ValueError, KeyError, AttributeError)
"""What forged values raise where amounts and names are expected."""


@dataclass(frozen=True, kw_only=True)
class MoneyFindings:
    """What a whole log says of the money; see `AuditReport`."""

    balances: Finding
    identity: Finding
    fiat: Finding
    receipts: Finding


class MoneyRun:
    """Feeds every record to the statements that it concerns."""

    def __init__(self) -> None:
        """Start before the first record."""
        self._books = BooksCheck()
        self._identity = IdentityCheck()
        self._fiat = FiatCheck()
        self._citations = CitationCheck()

    def add(self, record: str, row: Mapping[str, Any], number: int) -> None:
        """Take the log's record `number`."""
        if record == "transfer":
            try:
                self._books.add(row, number)
                self._citations.add_transfer(row, number)
            except _UNREADABLE:
                self._books.blame(str(row.get("id")), number)
        elif record in ("usage", "issuance_decision", "loan"):
            try:
                self._add_cause(record, row, number)
            except _UNREADABLE:
                self._identity.blame(record, str(row.get("id")), number)

    def finish(
        self, accounts: Iterable[Mapping[str, Any]], open_holds: Iterable[Mapping[str, Any]]
    ) -> MoneyFindings:
        """Compare with the stored accounts and open holds."""
        return MoneyFindings(
            balances=self._books.finish(accounts, open_holds),
            identity=self._identity.finish(self._books.money_utok()),
            fiat=self._fiat.finish(self._books.sums),
            receipts=self._citations.finish(),
        )

    def _add_cause(self, record: str, row: Mapping[str, Any], number: int) -> None:
        if record == "usage":
            self._identity.add_usage(row)
            self._citations.add_usage(row, number)
        elif record == "loan":
            self._identity.add_loan(row)
            self._fiat.add_loan(row)
            self._citations.add_loan(row, number)
        else:
            self._identity.add_decision(row)
            self._fiat.add_decision(row)
            self._citations.add_decision(row, number)
