"""The journal for other tools: streamed from one state of the database, in a format by name."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from ledger.errors import ReportError
from ledger.formats import FORMATS, Format, Journal, JournalAccount, JournalEntry
from ledger.store import journal
from ledger.store import summaries as store
from ledger.store.tables import transfers
from ledger.summaries import hour_of
from ledger.turnovers import Turnover, turnovers

_PAGE_ROWS = 1_000
"""Rows read at once while streaming: memory stays constant."""


class Journals:
    """Exports periods of the ledger. A period holds its beginning and not its end."""

    def format(self, name: str) -> Format:
        """Return the format of that name.

        Raises:
            ReportError: there is none.
        """
        found = FORMATS.get(name)
        if found is None:
            known = ", ".join(FORMATS)
            raise ReportError(f"{name[:40]!r} is no format of the journal: take {known}")
        return found

    def export(
        self,
        session: Session,
        *,
        format_name: str,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Iterator[bytes]:
        """Return the file's bytes, to be read while the session is open.

        Closing balances do not come from the entries that are written, but from the sums that
        balances at a time are made of: a file whose assertions hold is whole.

        Args:
            session: freshly opened, so that all its queries see one state of the database.
            format_name: one of ``beancount``, ``hledger``, ``csv``, ``parquet``.
            start: the first instant; None from the first transfer on.
            end: the first instant that is left out; None up to now.

        Raises:
            ReportError: no such format, or the period ends before it begins.
        """
        if start is not None and end is not None and start > end:
            raise ReportError("a period does not end before it begins")
        return self.format(format_name).write(
            Journal(
                start=start,
                accounts=lambda: _accounts(session, start, end),
                entries=lambda: _entries(session, start, end),
            )
        )


def _accounts(
    session: Session, start: datetime | None, end: datetime | None
) -> Iterator[JournalAccount]:
    after = ""
    while page := journal.list_accounts(session, prefix="", after=after, limit=_PAGE_ROWS):
        codes = [account.code for account in page]
        opening = {} if start is None else turnovers(session, start, codes=codes)
        closing = turnovers(session, end, codes=codes)
        for account in page:
            yield JournalAccount(
                code=account.code,
                currency=account.currency,
                opening=opening.get(account.code, Turnover()).balance,
                closing=closing.get(account.code, Turnover()).balance,
            )
        after = codes[-1]


def _entries(
    session: Session, start: datetime | None, end: datetime | None
) -> Iterator[Sequence[JournalEntry]]:
    page = []
    for first, last in _stretches(session, start, end):
        for number, row in store.sealed(session, transfers, first, last):
            if (start is None or row["at"] >= start) and (end is None or row["at"] < end):
                page.append(JournalEntry(number=number, transfer=journal.transfer_of(row)))
            if len(page) == _PAGE_ROWS:
                yield page
                page = []
    yield page


def _stretches(
    session: Session, start: datetime | None, end: datetime | None
) -> Iterator[tuple[int, int | None]]:
    """Yield the stretches of the log in which a period's transfers are, in order."""
    if start is None and end is None:
        yield 0, None
        return
    known = store.folded(session)
    folded = store.hours_stretch(session, start=start and hour_of(start), end=end)
    if folded is not None:
        yield folded
    yield known, None
