"""What an audit asks of each loan: a record that names it truly, and work that took it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aem.proof.audit.chart import kind_of
from aem.proof.audit.findings import FirstBad

_OVERDRAFT = "overdraft"
_BORROWERS = ("wallet", "escrow")
"""Kinds of accounts that pay for work, and so are lent tokens."""

_Use = tuple[str, str, str]
"""What takes a loan: batch, account that pays, reference."""


@dataclass(kw_only=True)
class _OpenLoan:
    """A transfer from or to a lender that no record has explained yet."""

    lender: str
    account: str
    amount: int  # below zero if it was given back
    reference: str
    number: int
    is_taken: bool = False


class LoanCheck:
    """Each loan has its record, fits its lender, and is taken at once by what it is for.

    A lender of tokens lends to wallets and escrows on behalf of its own owner; a day's lends to
    its own day, which was decided. Of a loan's reference, a log holds the hold or payment that it
    was lent for: it comes in the same batch.

    Attributes:
        decided: the days, as ``<root>:<day>``, that an issuance decision opened.
    """

    def __init__(self, bad: FirstBad) -> None:
        """Start with no loan; what is wrong goes to `bad`."""
        self.decided: set[str] = set()
        self._bad = bad
        self._open: dict[str, _OpenLoan] = {}
        self._untaken: dict[_Use, _OpenLoan] = {}
        self._owed: dict[str, int] = {}  # by lender

    def add_transfer(
        self, row: Mapping[str, Any], number: int, *, lender: str, account: str
    ) -> None:
        """Take the next transfer from or to a lender."""
        is_loan = row["debit"] == lender
        loan = _OpenLoan(
            lender=lender,
            account=account,
            amount=row["amount"] if is_loan else -row["amount"],
            reference=row["reference"],
            number=number,
        )
        self._open[row["id"]] = loan
        self._owed[lender] = self._owed.get(lender, 0) + loan.amount
        if self._owed[lender] < 0:
            why = "gives more back than was lent"
            self._bad.blame("transfer", row["id"], why, number=number)
        if is_loan:
            self._untaken[(row["batch_key"], account, row["reference"])] = loan

    def add_use(self, row: Mapping[str, Any]) -> None:
        """Take the next transfer: what a loan was for takes it, in the same batch."""
        if not self._untaken or row["phase"] not in ("hold", "posted"):
            return
        use = (row["batch_key"], row["debit"], row["reference"])
        loan = self._untaken.get(use)
        if loan is not None and row["amount"] >= loan.amount:
            loan.is_taken = True
            del self._untaken[use]

    def add_record(self, row: Mapping[str, Any], number: int) -> bool:
        """Take the next loan's record; return whether it explains one."""
        loan = self._open.pop(row["transfer"], None)
        if loan is None or (loan.account, loan.amount) != (row["account"], row["amount"]):
            why = "cites no transfer that lends or gives back so much"
        else:
            why = self._fault(loan, row)
        if why:
            self._bad.blame("loan", row["id"], why, number=number)
        return not why

    def finish(self) -> None:
        """Name the loans that no record explains."""
        for transfer_id, loan in self._open.items():
            why = "lends money, or takes it back, that no record accounts for"
            self._bad.blame("transfer", transfer_id, why, number=loan.number)

    def _fault(self, loan: _OpenLoan, row: Mapping[str, Any]) -> str:
        """Return what is wrong with a loan and its record; "" if nothing is."""
        lender = kind_of(loan.lender)
        if lender is None or row["currency"] != lender.currency:
            return "names another currency than its lender lends"
        if row["reference"] != loan.reference:
            return "names other work than its transfer"
        if loan.amount > 0 and not loan.is_taken:
            return "was lent for work that did not take it"
        if lender.prefix == _OVERDRAFT:
            return _overdraft_fault(loan, row["owner"])
        return self._day_fault(loan)

    def _day_fault(self, loan: _OpenLoan) -> str:
        day = loan.lender.partition(":")[2]
        if loan.account != f"fiat-budget:{day}":
            return "is of dollars, and not of its lender's own day"
        return "" if day in self.decided else "is of a day that no issuance decision opened"


def _overdraft_fault(loan: _OpenLoan, owner: str) -> str:
    if loan.lender != f"{_OVERDRAFT}:{owner}":
        return "names another owner than its lender lends to"
    account = kind_of(loan.account)
    is_borrower = account is not None and account.prefix in _BORROWERS
    return "" if is_borrower else "is of tokens, and of no wallet or escrow"
