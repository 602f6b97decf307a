"""Beancount's language (https://beancount.github.io/docs/beancount_language_syntax.html)."""

from collections.abc import Iterator
from datetime import date, datetime

from ledger.formats.journal import (
    COMMODITIES,
    Journal,
    JournalAccount,
    JournalEntry,
    LastDay,
    amount_text,
)
from ledger.formats.names import OPENING, name_of
from ledger.formats.texts import metadata, moves_money

_EPOCH = date(1970, 1, 1)
"""Accounts are open from here on: before any transfer."""


class Beancount:
    """Journals that ``bean-check`` accepts. A debit is positive, as in all of Beancount.

    A hold is a pending transaction (``!``) of zero, with its amount as metadata ``held``, since it
    moves no money; what settles or frees it names it in ``hold_id``.
    """

    media_type = "text/plain; charset=utf-8"
    suffix = "beancount"

    def write(self, journal: Journal) -> Iterator[bytes]:
        """Yield the file's bytes."""
        last = LastDay(journal.start)
        yield b'option "title" "AEM ledger"\n'
        for name, _ in COMMODITIES.values():
            yield f"{_EPOCH} commodity {name}\n".encode()
        yield f"{_EPOCH} open {OPENING}\n".encode()
        for account in journal.accounts():
            yield _open(account)
            if account.opening and journal.start is not None:
                yield _opening(account, journal.start)
        for page in journal.entries():
            yield b"".join(map(_transaction, page))
            for entry in page:
                last.see(entry.transfer.at)
        for account in journal.accounts():
            yield _closing(account, last.after)


def _open(account: JournalAccount) -> bytes:
    name, _ = COMMODITIES[account.currency]
    line = f'{_EPOCH} open {name_of(account.code)} {name}\n  code: "{account.code}"\n'
    return line.encode()


def _opening(account: JournalAccount, start: datetime) -> bytes:
    amount = amount_text(-account.opening, account.currency)
    lines = (
        f'{start.date()} * "opening balance"',
        f"  {name_of(account.code)}  {amount}",
        f"  {OPENING}  {amount_text(account.opening, account.currency)}",
    )
    return "\n".join((*lines, "")).encode()


def _transaction(entry: JournalEntry) -> bytes:
    transfer = entry.transfer
    flag, amount = ("*", transfer.amount) if moves_money(transfer) else ("!", 0)
    lines = [f'\n{transfer.at.date()} {flag} "{transfer.kind}"']
    for key, text in metadata(entry.number, transfer):
        quoted = text.replace("\\", "\\\\")
        lines.append(f'  {key}: "{quoted}"')
    if not moves_money(transfer):
        lines.append(f"  held: {amount_text(transfer.amount, transfer.currency)}")
    lines.append(f"  {name_of(transfer.debit)}  {amount_text(amount, transfer.currency)}")
    lines.append(f"  {name_of(transfer.credit)}  {amount_text(-amount, transfer.currency)}")
    return "\n".join((*lines, "")).encode()


def _closing(account: JournalAccount, day: date) -> bytes:
    """Assert a balance to the last decimal: without a tolerance of its own, Beancount has one."""
    amount, commodity = amount_text(-account.closing, account.currency).split(" ")
    return f"{day} balance {name_of(account.code)}  {amount} ~ 0 {commodity}\n".encode()
