"""Queries that post: batches, accounts, transfers, holds."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from json.encoder import encode_basestring
from typing import Any

from sqlalchemy import Row, Select, bindparam, delete, or_, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.orm import Session

from core.database import format_instant
from core.money import Currency
from ledger.accounts import class_of
from ledger.domain import Account, HoldEntry, HoldStatus, Phase, Sums, Transfer
from ledger.store.bulk import Change, Rows, insert_missing, insert_rows, lock_rows, update_rows
from ledger.store.neighbours import IS_TOUCHED
from ledger.store.tables import accounts, batches, holds, log_entries, row_of, transfers

_PAGE_ROWS = 1_000
"""Rows read at once while streaming: memory stays constant."""


@dataclass(frozen=True, kw_only=True)
class StoredBatch:
    """A batch that was posted before.

    Attributes:
        at: when.
        outcomes: transfer identifiers or rejections, command by command; None where every command
            made its transfer.
    """

    request_hash: str
    at: datetime
    outcomes: list[dict[str, str]] | None


def claim_batches(session: Session, hashes: Mapping[str, str], *, at: datetime) -> set[str]:
    """Take those keys for this transaction that no batch has; `hashes` are their requests'.

    Waits while another transaction has taken one and is not yet committed. It comes first in a
    posting, so that a connection that begins its transaction with its first write holds SQLite's
    write lock before any balance is read.
    """
    instant = encode_basestring(format_instant(at))

    def text(key: str) -> str:
        request_hash = encode_basestring(hashes[key])
        return f'{{"key":{encode_basestring(key)},"request_hash":{request_hash},"at":{instant}}}'

    rows = Rows(
        items=sorted(hashes),
        names=("key", "request_hash", "at"),
        values=lambda key: {"key": key, "request_hash": hashes[key], "at": at},
        text=text,
    )
    return set(insert_missing(session, batches, rows))


def await_key(session: Session, key: str, *, at: datetime) -> bool:
    """Return whether no batch has the key, and keep it so until the session ends.

    For who must lock accounts before it knows what to post: keys come before accounts in every
    posting, and another order would let two deadlock. The row goes again at once, so that the
    posting finds the key free; others wait for the transaction that made it, as for any claim.
    """
    if not claim_batches(session, {key: ""}, at=at):
        return False
    session.execute(delete(batches).where(batches.c.key == key))
    return True


def batches_by_key(session: Session, keys: Iterable[str]) -> dict[str, StoredBatch]:
    """Return those batches that were posted."""
    query = select(batches).where(batches.c.key.in_(sorted(keys)))
    return {
        row.key: StoredBatch(request_hash=row.request_hash, at=row.at, outcomes=row.outcomes)
        for row in session.execute(query)
    }


def save_outcomes(session: Session, outcomes: Mapping[str, list[dict[str, str]]]) -> None:
    """Keep the results of batches of which something was refused, by their keys."""
    statement = (
        update(batches)
        .where(batches.c.key == bindparam("batch"))
        .values(outcomes=bindparam("new_outcomes"))
    )
    rows = [{"batch": key, "new_outcomes": found} for key, found in outcomes.items()]
    session.connection().execute(statement, rows)


def lock_accounts(session: Session, codes: Iterable[str]) -> dict[str, Account]:
    """Return accounts by code, made where they are new, locked in the order of their codes."""
    return {row.code: _account(row) for row in _lock(session, codes)}


def lock_sums(session: Session, codes: Iterable[str]) -> dict[str, Sums]:
    """Do the same, and return what changes in them."""
    return {row.code: _sums(row) for row in _lock(session, codes)}


def _lock(session: Session, codes: Iterable[str]) -> Sequence[Row[Any]]:
    """Lock accounts.

    Those that are missing are made before any is locked: who waits for another transaction's new
    account must hold nothing that the other one waits for.
    """
    wanted = sorted(set(codes))
    if not wanted:
        return []
    found = lock_rows(session, accounts, wanted)
    if len(found) < len(wanted):
        missing = sorted(set(wanted) - {row.code for row in found})
        made = Rows.of([row_of(new_account(code)) for code in missing])
        insert_missing(session, accounts, made)
        found = lock_rows(session, accounts, wanted)
    return found


def new_account(code: str) -> Account:
    """Return an account as it is before its first transfer."""
    account_class = class_of(code)
    return Account(code=code, currency=account_class.currency, floor=account_class.floor)


def add_transfers(
    session: Session,
    added: Sequence[tuple[Transfer, str]],
    changed: Mapping[str, Sums],
) -> None:
    """Append transfers to the journal, and write the new sums of locked accounts by their codes.

    Each transfer comes with its canonical JSON. The database refuses an account below its floor.
    """
    rows = Rows(
        items=added,
        names=_TRANSFER_NAMES,
        values=lambda item: vars(item[0]),
        text=lambda item: item[1],
    )
    sums = Rows(
        items=list(changed.items()),
        names=("code", *_SUMS_NAMES),
        values=_sums_values,
        text=_sums_text,
    )
    insert_rows(session, transfers, rows, change=Change(table=accounts, rows=sums))


_TRANSFER_NAMES = tuple(column.name for column in transfers.columns)
_SUMS_NAMES = ("credits_posted", "debits_posted", "debits_held", "credits_held")


def _sums_values(item: tuple[str, Sums]) -> dict[str, Any]:
    code, sums = item
    return {"code": code, **{name: getattr(sums, name) for name in _SUMS_NAMES}}


def _sums_text(item: tuple[str, Sums]) -> str:
    """Write the same as JSON: there are two for every transfer."""
    code, sums = item
    return (
        f'{{"code":{encode_basestring(code)},"credits_posted":{sums.credits_posted},'
        f'"debits_posted":{sums.debits_posted},"debits_held":{sums.debits_held},'
        f'"credits_held":{sums.credits_held}}}'
    )


def add_holds(session: Session, added: Sequence[HoldEntry]) -> None:
    """Write new holds."""
    insert_rows(session, holds, Rows.of([row_of(hold) for hold in added]))


def settle_holds(session: Session, settled: Sequence[HoldEntry]) -> None:
    """Write where settled holds stand now."""
    rows = [{"id": hold.id, "status": hold.status.value} for hold in settled]
    update_rows(session, Change(table=holds, rows=Rows.of(rows)))


def holds_by_id(session: Session, ids: Iterable[str]) -> dict[str, HoldEntry]:
    """Return those holds that exist."""
    query = select(holds).where(holds.c.id.in_(sorted(set(ids))))
    return {row["id"]: _hold(row) for row in session.execute(query).mappings()}


def due_holds(session: Session, *, now: datetime, limit: int) -> list[str]:
    """Return open holds whose time is over, the oldest first."""
    query = (
        select(holds.c.id)
        .where(holds.c.status == HoldStatus.OPEN.value, holds.c.expires_at <= now)
        .order_by(holds.c.expires_at, holds.c.id)
        .limit(limit)
    )
    return list(session.execute(query).scalars())


def transfers_by_id(session: Session, ids: Iterable[str]) -> dict[str, Transfer]:
    """Return those transfers that exist."""
    query = select(transfers).where(transfers.c.id.in_(sorted(set(ids))))
    return {row["id"]: transfer_of(row) for row in session.execute(query).mappings()}


def reversals(session: Session, ids: Iterable[str]) -> dict[str, str]:
    """Return those of the transfers that were reversed, with what reversed them."""
    query = select(transfers.c.reverses, transfers.c.id).where(
        transfers.c.reverses.in_(sorted(set(ids)))
    )
    return {row.reverses: row.id for row in session.execute(query)}


def accounts_by_code(session: Session, codes: Iterable[str]) -> dict[str, Account]:
    """Return those accounts that exist, without locking them."""
    query = select(accounts).where(accounts.c.code.in_(sorted(set(codes))))
    return {row.code: _account(row) for row in session.execute(query)}


def list_accounts(session: Session, *, prefix: str, after: str, limit: int) -> list[Account]:
    """Return touched accounts whose code begins with the prefix, in the order of their codes."""
    begins = accounts.c.code.startswith(prefix, autoescape=True)
    query = (
        select(accounts)
        .where(accounts.c.code > after, begins, IS_TOUCHED)
        .order_by(accounts.c.code)
        .limit(limit)
    )
    return [_account(row) for row in session.execute(query)]


def list_transfers(
    session: Session,
    *,
    account: str | None,
    reference: str | None,
    after: int | None,
    limit: int,
    is_newest_first: bool = False,
) -> list[tuple[int, Transfer]]:
    """Return committed transfers with their numbers in the log, in its order or against it."""
    number = log_entries.c.number
    query: Select[Any] = (
        select(number, transfers)
        .join(transfers, log_entries.c.record_id == transfers.c.id)
        .where(log_entries.c.record == "transfer")
        .order_by(number.desc() if is_newest_first else number)
        .limit(limit)
    )
    if after is not None:
        query = query.where(number < after if is_newest_first else number > after)
    if account is not None:
        query = query.where(or_(transfers.c.debit == account, transfers.c.credit == account))
    if reference is not None:
        query = query.where(transfers.c.reference == reference)
    return [(row["number"], transfer_of(row)) for row in session.execute(query).mappings()]


def transfer_of(row: RowMapping) -> Transfer:
    """Read a row of the journal."""
    fields: Mapping[str, Any] = {column.name: row[column.name] for column in transfers.columns}
    return Transfer(
        **{
            **fields,
            "currency": Currency(fields["currency"]),
            "phase": Phase(fields["phase"]),
        }
    )


def _account(row: Row[Any]) -> Account:
    code, currency, floor, credits_posted, debits_posted, debits_held, credits_held = tuple(row)
    return Account(
        code=code,
        currency=Currency(currency),
        floor=floor,
        credits_posted=credits_posted,
        debits_posted=debits_posted,
        debits_held=debits_held,
        credits_held=credits_held,
    )


def _sums(row: Row[Any]) -> Sums:
    _, _, floor, credits_posted, debits_posted, debits_held, credits_held = tuple(row)
    return Sums(
        floor=floor,
        credits_posted=credits_posted,
        debits_posted=debits_posted,
        debits_held=debits_held,
        credits_held=credits_held,
    )


def _hold(row: RowMapping) -> HoldEntry:
    return HoldEntry(
        **{**row, "currency": Currency(row["currency"]), "status": HoldStatus(row["status"])}
    )


def account_rows(session: Session) -> Iterator[Mapping[str, Any]]:
    """Stream all accounts as stored, in the order of their codes."""
    query = select(accounts).order_by(accounts.c.code).limit(_PAGE_ROWS)
    after = ""
    while page := session.execute(query.where(accounts.c.code > after)).mappings().all():
        yield from (dict(row) for row in page)
        after = page[-1]["code"]


def open_hold_rows(session: Session) -> Iterator[Mapping[str, Any]]:
    """Stream identifier, accounts and amount of the holds stored as open."""
    query = (
        select(holds.c.id, holds.c.debit, holds.c.credit, holds.c.amount)
        .where(holds.c.status == HoldStatus.OPEN.value)
        .order_by(holds.c.id)
        .limit(_PAGE_ROWS)
    )
    after = ""
    while page := session.execute(query.where(holds.c.id > after)).mappings().all():
        yield from (dict(row) for row in page)
        after = page[-1]["id"]
