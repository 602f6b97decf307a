"""hledger's journal format (https://hledger.org/hledger.html#journal)."""

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


class Hledger:
    """Journals that ``hledger check -s`` accepts. A debit is positive.

    A hold is a pending transaction (``!``) of zero, with its amount as the tag ``held``, since it
    moves no money; what settles or frees it names it in ``hold_id``.
    """

    media_type = "text/plain; charset=utf-8"
    suffix = "journal"

    def write(self, journal: Journal) -> Iterator[bytes]:
        """Yield the file's bytes."""
        last = LastDay(journal.start)
        yield b"; AEM ledger\ndecimal-mark .\n"
        for name, units in COMMODITIES.values():
            yield f"commodity 1.{str(units)[1:]} {name}\n".encode()
        yield f"account {OPENING}\n".encode()
        for account in journal.accounts():
            yield f"account {name_of(account.code)}\n".encode()
            if account.opening and journal.start is not None:
                yield _opening(account, journal.start)
        for page in journal.entries():
            yield b"".join(map(_transaction, page))
            for entry in page:
                last.see(entry.transfer.at)
        for account in journal.accounts():
            yield _closing(account, last.after)


def _opening(account: JournalAccount, start: datetime) -> bytes:
    lines = (
        f"\n{start.date()} * opening balance",
        f"    {name_of(account.code)}  {amount_text(-account.opening, account.currency)}",
        f"    {OPENING}  {amount_text(account.opening, account.currency)}",
    )
    return "\n".join((*lines, "\n")).encode()


def _transaction(entry: JournalEntry) -> bytes:
    transfer = entry.transfer
    flag, amount = ("*", transfer.amount) if moves_money(transfer) else ("!", 0)
    lines = [f"\n{transfer.at.date()} {flag} {transfer.kind}"]
    lines += [f"    ; {key}: {text}" for key, text in metadata(entry.number, transfer)]
    if not moves_money(transfer):
        lines.append(f"    ; held: {amount_text(transfer.amount, transfer.currency)}")
    lines.append(f"    {name_of(transfer.debit)}  {amount_text(amount, transfer.currency)}")
    lines.append(f"    {name_of(transfer.credit)}  {amount_text(-amount, transfer.currency)}")
    return "\n".join((*lines, "")).encode()


def _closing(account: JournalAccount, day: date) -> bytes:
    zero, amount = (amount_text(n, account.currency) for n in (0, -account.closing))
    return f"\n{day} * closing balance\n    {name_of(account.code)}  {zero} = {amount}\n".encode()
