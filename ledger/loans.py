"""Loans: what observe-only mode adds where money is missing, so that nothing is refused for it.

A loan is a transfer out of a contra account, and what is not used of it is a transfer back. Both
have a record of their own in the log, so that an audit can tell them from issuance: with O for
what is lent, the monetary identity is M = E + O - B.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.ids import derived_id
from core.money import Currency
from ledger.accounts import ESCROW, OVERDRAFT, WALLET, class_of
from ledger.domain import Move, Transfer

LOAN_RETURN = "loan_return"
"""Kind of transfers that give money back: they pay for nothing."""


class Enforcement(StrEnum):
    """What happens to work that is not covered by money."""

    ENFORCE = "enforce"  # it is refused
    OBSERVE = "observe"  # it is done on a loan, and told of


@dataclass(frozen=True, kw_only=True)
class Cause:
    """What money is lent for.

    Attributes:
        budget: whose work it is.
        owner: on whose behalf; owes what is lent in tokens.
        reference: the attempt or order.
    """

    budget: str
    owner: str
    reference: str

    @property
    def overdraft(self) -> str:
        """Code of the account that lends the owner tokens."""
        return OVERDRAFT.code(self.owner)

    def lend(self, lender: str, account: str, amount: int) -> tuple[Move, ...]:
        """Return what lends an account so much, which may be nothing."""
        return self._move(lender, account, amount, "loan")

    def give_back(self, lender: str, account: str, amount: int) -> tuple[Move, ...]:
        """Return what gives so much of a loan back, which may be nothing."""
        return self._move(account, lender, amount, LOAN_RETURN)

    def _move(self, debit: str, credit: str, amount: int, kind: str) -> tuple[Move, ...]:
        if not amount:
            return ()
        reference = self.reference
        return (Move(debit=debit, credit=credit, amount=amount, kind=kind, reference=reference),)


@dataclass(frozen=True, kw_only=True)
class Loan:
    """A loan, or what was given back of one; sealed in the log.

    Attributes:
        account: what was lent to, or gave back.
        amount: in the currency's smallest unit; below zero if it was given back.
        transfer: carried it out.
    """

    id: str
    at: datetime
    currency: Currency
    account: str
    amount: int
    budget: str
    owner: str
    reference: str
    transfer: str


def may_borrow(account: str) -> bool:
    """Return whether an account is lent tokens: one that pays for work is."""
    return class_of(account) in (WALLET, ESCROW)


def loans_of(transfers: Iterable[Transfer], cause: Cause) -> list[Loan]:
    """Return the records of those transfers that lend or give back."""
    return [
        Loan(
            id=derived_id("loa", transfer.id),
            at=transfer.at,
            currency=transfer.currency,
            account=account,
            amount=amount,
            budget=cause.budget,
            owner=cause.owner,
            reference=transfer.reference,
            transfer=transfer.id,
        )
        for transfer in transfers
        for lender, account, amount in (
            (transfer.debit, transfer.credit, transfer.amount),
            (transfer.credit, transfer.debit, -transfer.amount),
        )
        if class_of(lender).is_lender
    ]
