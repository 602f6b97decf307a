"""What the other rooms do with money: post and look."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy.orm import Session

from core.clock import Clock
from core.ids import new_id
from ledger.cursors import number_of, place_cursor, place_of
from ledger.domain import Account, Batch, BatchResult, ExpireHold, Page, Transfer
from ledger.errors import IdempotencyKeyReusedError, TransferNotFoundError
from ledger.known import require_account, require_prefix
from ledger.posting import Posting
from ledger.store import journal, statements, summaries
from ledger.store import metering as metering_store
from ledger.store.tables import transfers, usage
from ledger.usage import UsageRecord

PAGE_LIMIT_ROWS = 500
"""Most items in one answer: bounds its size and the time that it takes."""

EXPIRY_LIMIT_ROWS = 500
"""Holds expired in one transaction: bounds how long their accounts stay locked."""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """An account and a page of the transfers that touched it, the newest first."""

    account: Account
    transfers: Page[Transfer]


class Ledger:
    """Double-entry books in the caller's transactions; it never commits."""

    def __init__(self, *, clock: Clock) -> None:
        """Keep the clock, which transfers are dated by; no I/O."""
        self._clock = clock
        self._posting = Posting(clock=clock, scope="post", is_privileged=False)
        self._expiry = Posting(clock=clock, scope="expire")

    def post(self, session: Session, batch: Batch) -> BatchResult:
        """Post a batch in the caller's transaction.

        Accounts come into being with their first transfer. They are locked in the order of their
        codes; the log's head is locked when the session commits. The same key with the same
        commands gives the first result again, rejections included. Contra and fiat accounts are
        closed to this call: `Budgets` and `Metering` post to them.

        A refused command is an `Outcome` with the first `RejectionReason`, in the order in which
        that enumeration lists them; `BatchResult.require` turns it into an error.

        Raises:
            IdempotencyKeyReusedError: the key came before with other commands.
        """
        return self._posting.post(session, batch)

    def post_all(
        self, session: Session, batches: Sequence[Batch]
    ) -> list[BatchResult | IdempotencyKeyReusedError]:
        """Post batches one after the other in the caller's transaction, as one set.

        Gives what `post` would give for each, its error among it: none of them fails another.
        That is many times as fast as posting them one by one; see also `Writer`.
        """
        return self._posting.post_all(session, batches)

    def expire_holds(self, session: Session, *, limit: int = EXPIRY_LIMIT_ROWS) -> int:
        """Free holds whose time is over, the oldest first; return how many.

        Holds of metered attempts have no expiry and are never touched.
        """
        due = journal.due_holds(
            session, now=self._clock.now(), limit=min(limit, EXPIRY_LIMIT_ROWS)
        )
        if not due:
            return 0
        batch = Batch(
            key=new_id("exp"),  # a hold's status sees to it that it expires once
            commands=tuple(ExpireHold(hold_id=hold_id) for hold_id in due),
            is_atomic=False,
        )
        return len(self._expiry.post(session, batch).transfers)

    def account(self, session: Session, code: str) -> Account:
        """Return an account, all zero before its first transfer.

        Raises:
            AccountCodeError: the code belongs to no class of accounts.
        """
        return self.accounts_by_code(session, [code])[code]

    def accounts_by_code(self, session: Session, codes: Iterable[str]) -> dict[str, Account]:
        """Return accounts by their codes, all zero before their first transfer.

        Raises:
            AccountCodeError: a code belongs to no class of accounts.
        """
        new = {code: journal.new_account(code) for code in codes}
        return new | journal.accounts_by_code(session, new)

    def accounts(
        self,
        session: Session,
        *,
        prefix: str = "",
        after: str = "",
        limit: int = PAGE_LIMIT_ROWS,
    ) -> Page[Account]:
        """Return accounts whose codes begin with `prefix`, in the order of their codes.

        Raises:
            AccountNotFoundError: none begins so, and it is no class of accounts either.
        """
        limit = max(1, min(limit, PAGE_LIMIT_ROWS))
        found = journal.list_accounts(session, prefix=prefix, after=after, limit=limit)
        if not found and not after:
            require_prefix(session, prefix)
        return _page([(account.code, account) for account in found], limit)

    def transfer(self, session: Session, transfer_id: str) -> Transfer:
        """Return a transfer.

        Raises:
            TransferNotFoundError: there is no such transfer.
        """
        found = journal.transfers_by_id(session, [transfer_id]).get(transfer_id)
        if found is None:
            raise TransferNotFoundError(f"there is no transfer {transfer_id[:80]!r}")
        return found

    def transfers(
        self,
        session: Session,
        *,
        account: str | None = None,
        reference: str | None = None,
        after: str = "",
        limit: int = PAGE_LIMIT_ROWS,
    ) -> Page[Transfer]:
        """Return committed transfers in the order of the log, or those of a reference.

        Those of an account come by their instants, and in the order of the log within one.

        Raises:
            AccountCodeError: the account's code belongs to no class of accounts.
            AccountNotFoundError: nothing ever touched the account.
            BatchError: `after` is no cursor of this list.
        """
        limit = max(1, min(limit, PAGE_LIMIT_ROWS))
        if account is not None:
            require_account(session, account)
        if account is not None and reference is None:
            return _placed(
                statements.of_account(session, account, after=place_of(after), limit=limit), limit
            )
        number = number_of(after)
        if reference is None:
            rows = summaries.sealed(session, transfers, 0 if number is None else number + 1, None)
            return _page([(n, journal.transfer_of(row)) for n, row in islice(rows, limit)], limit)
        found = journal.list_transfers(
            session, account=account, reference=reference, after=number, limit=limit
        )
        return _page(found, limit)

    def usage(
        self,
        session: Session,
        *,
        owner: str | None = None,
        reference: str | None = None,
        after: str = "",
        limit: int = PAGE_LIMIT_ROWS,
    ) -> Page[UsageRecord]:
        """Return committed usage records in the order of the log, or those of a reference.

        Those of an owner come by their instants, and in the order of the log within one.
        """
        limit = max(1, min(limit, PAGE_LIMIT_ROWS))
        if owner is not None and reference is None:
            return _placed(
                statements.of_owner(session, owner, after=place_of(after), limit=limit), limit
            )
        number = number_of(after)
        if reference is None:
            rows = summaries.sealed(session, usage, 0 if number is None else number + 1, None)
            return _page(
                [(n, metering_store.usage_of(row)) for n, row in islice(rows, limit)], limit
            )
        found = metering_store.list_usage(
            session, owner=owner, reference=reference, after=number, limit=limit
        )
        return _page(found, limit)

    def statement(
        self, session: Session, code: str, *, after: str = "", limit: int = PAGE_LIMIT_ROWS
    ) -> Statement:
        """Return an account with the transfers that touched it, the newest first.

        Raises:
            AccountCodeError: the code belongs to no class of accounts.
        """
        limit = max(1, min(limit, PAGE_LIMIT_ROWS))
        found = statements.of_account(
            session, code, after=place_of(after), limit=limit, is_newest_first=True
        )
        return Statement(account=self.account(session, code), transfers=_placed(found, limit))


def _page(found: Sequence[tuple[Any, Any]], limit: int) -> Page[Any]:
    is_full = len(found) == limit
    return Page(
        items=tuple(item for _, item in found),
        next_cursor=str(found[-1][0]) if is_full and found else None,
    )


def _placed(found: Sequence[tuple[int, Any]], limit: int) -> Page[Any]:
    is_full = len(found) == limit
    return Page(
        items=tuple(item for _, item in found),
        next_cursor=place_cursor(found[-1][1].at, found[-1][0]) if is_full and found else None,
    )
