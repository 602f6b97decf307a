"""Reconciliation: what a provider bills against what the ledger says was spent, or may have been.

An invoice tells what became of lost attempts, whose full bounds wait in suspense. What it bills of
a bound moves to what was spent; what it does not bill goes back to the operator's authority and
not to the day's budget, which is over: admitted liability only falls. What it bills above a bound
is the operator's loss. Tokens that were burned for fiat stay burned (design, section 3).
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any

from sqlalchemy.engine import RowMapping
from sqlalchemy.orm import Session

from core.clock import Clock
from core.ids import derived_id
from core.money import PUSD_PER_NUSD
from ledger.accounts import FIAT_AUTHORITY, FIAT_SPENT, OPERATOR_LOSS, SUSPENSE
from ledger.alerts import AlertKind, Alerts
from ledger.cursors import named_cursor, named_of
from ledger.domain import Batch, Move, Page
from ledger.errors import InvoiceError, InvoiceRefusedError, ReconciliationNotFoundError
from ledger.invoices import Invoice
from ledger.matching import BookedWork, DifferenceKind, Match, Matching, SuspenseSettlement
from ledger.posting import Posting
from ledger.store import budgets as budget_store
from ledger.store import reconciliations as store
from ledger.store import summaries
from ledger.store.tables import usage
from ledger.summaries import hour_of

MAX_SHOWN_DIFFERENCES = 1_000
"""All are counted; more than these are not listed in one answer."""

PAGE_LIMIT_ROWS = 100
"""Most reconciliations in one answer: each has its differences with it in the database."""

MOVES_PER_BATCH = 300

_NOT_COMPARABLE = (DifferenceKind.UNKNOWN_PROVIDER, DifferenceKind.CURRENCY_DIFFERS)


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """What an invoice and the ledger say of a period, and what was settled by it.

    Attributes:
        start: first day, in UTC, of the attempts that were looked for.
        end: the day after the last.
        matched: attempts, or days' totals of a resource, on which both agree.
        counts: differences by kind.
        differences: the first of them, as JSON values; amounts in pico-dollars.
        billed_nusd: of suspense, what was billed; like the next two settled only if `is_applied`.
        released_nusd: of suspense, what was not billed.
        loss_nusd: billed above the bounds.
        transfers: that settled it.
        is_applied: whether money was moved.
        is_replay: whether it had been before, and this is what was found then.
    """

    id: str
    provider: str
    invoice_digest: str
    start: str
    end: str
    lines: int
    matched: int
    invoice_pusd: int
    ledger_pusd: int
    counts: dict[str, int]
    differences: list[dict[str, Any]]
    attempts: int
    billed_nusd: int
    released_nusd: int
    loss_nusd: int
    transfers: list[str]
    is_applied: bool = False
    is_replay: bool = False


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """A reconciliation that was carried out.

    Attributes:
        at: when.
        actor: who did it.
        found: what was found and settled then.
    """

    at: datetime
    actor: str
    found: Reconciliation


class Reconciliations:
    """Compares invoices, and settles suspense by them, in callers' transactions; never commits."""

    def __init__(self, *, clock: Clock, alerts: Alerts | None = None) -> None:
        """Keep the collaborators; no I/O.

        Args:
            clock: what transfers are dated by.
            alerts: hears of losses; None keeps alerts and tells nobody.
        """
        self._clock = clock
        self._alerts = alerts or Alerts(clock=clock)
        self._posting = Posting(clock=clock, scope="reconcile")

    def compare(
        self,
        session: Session,
        *,
        provider: str,
        content: bytes,
        start: date | None = None,
        end: date | None = None,
    ) -> Reconciliation:
        """Hold an invoice against the ledger; nothing is written.

        Args:
            session: sees one state of the database.
            provider: whose invoice it is, as in ``fiat-spent:<provider>``.
            content: the file.
            start: first day that it covers; None for its first line's.
            end: the day after the last; None for the one after its last line's.

        Raises:
            InvoiceError: it cannot be read, or has no lines and no period.
            AccountCodeError: the provider's name is none.
        """
        invoice = Invoice.read(content)
        _, reconciliation = self._match(session, provider, invoice, (start, end))
        return reconciliation

    def settle(
        self,
        session: Session,
        *,
        provider: str,
        content: bytes,
        actor: str,
        start: date | None = None,
        end: date | None = None,
    ) -> Reconciliation:
        """Compare, and settle suspense by what the invoice proves.

        Idempotent by provider and invoice: the same file settles once and gives what it gave then.

        Raises:
            InvoiceError: see `compare`.
            InvoiceRefusedError: lines of another provider or currency: what is not billed cannot
                be told from an invoice that is not read whole.
        """
        invoice = Invoice.read(content)
        root = budget_store.root_name(session)
        if root is not None:  # one at a time: two invoices may name the same attempts
            budget_store.lock_budget(session, root)
        kept = store.report(session, _identifier(provider, invoice))
        if kept is not None:
            return Reconciliation(**(json.loads(kept) | {"is_replay": True}))
        match, found = self._match(session, provider, invoice, (start, end))
        unclear = [kind.value for kind in _NOT_COMPARABLE if kind.value in found.counts]
        if unclear:
            raise InvoiceRefusedError(
                f"the invoice has lines that cannot be compared ({', '.join(unclear)}): take them"
                " out, and nothing else"
            )
        transfers = self._post(session, provider, found, match.settlements)
        applied = Reconciliation(**(vars(found) | {"transfers": transfers, "is_applied": True}))
        row = {
            "id": applied.id,
            "provider": provider,
            "invoice_digest": invoice.digest,
            "report": json.dumps(asdict(applied)),
            "actor": actor,
            "at": self._clock.now(),
        }
        store.add(
            session,
            row,
            [asdict(s) | {"reconciliation_id": applied.id} for s in match.settlements],
        )
        if applied.loss_nusd:
            data = {
                "provider": provider,
                "invoice": invoice.digest,
                "loss_nusd": applied.loss_nusd,
            }
            self._alerts.raise_alert(session, AlertKind.OPERATOR_LOSS, applied.id, data)
        return applied

    def page(
        self,
        session: Session,
        *,
        provider: str | None = None,
        after: str = "",
        limit: int = PAGE_LIMIT_ROWS,
    ) -> Page[Settlement]:
        """Return what was settled by invoices, of one provider or of all, the newest first.

        Raises:
            BatchError: `after` is no cursor of this list.
        """
        limit = max(1, min(limit, PAGE_LIMIT_ROWS))
        rows = store.newest(session, provider=provider, after=named_of(after), limit=limit)
        is_full = len(rows) == limit
        return Page(
            items=tuple(_settlement(row) for row in rows),
            next_cursor=named_cursor(rows[-1]["at"], rows[-1]["id"]) if is_full else None,
        )

    def settlement(self, session: Session, reconciliation_id: str) -> Settlement:
        """Return what was settled by one invoice.

        Raises:
            ReconciliationNotFoundError: nothing was, under this identifier.
        """
        row = store.one(session, reconciliation_id)
        if row is None:
            raise ReconciliationNotFoundError(
                f"there is no reconciliation {reconciliation_id[:80]!r}:"
                " `aem ledger reconciliations` lists those that were carried out"
            )
        return _settlement(row)

    def _match(
        self,
        session: Session,
        provider: str,
        invoice: Invoice,
        period: tuple[date | None, date | None],
    ) -> tuple[Match, Reconciliation]:
        codes = (FIAT_SPENT.code(provider), SUSPENSE.code(provider))
        start, end = _period(invoice, *period)
        named = {line.reference for line in invoice.lines if line.reference}
        match = Matching(
            invoice.lines,
            _booked(session, provider, start, end, named),
            provider=provider,
            is_known=store.has_accounts(session, codes),
        ).run(start=start, end=end)
        return match, Reconciliation(
            id=_identifier(provider, invoice),
            provider=provider,
            invoice_digest=invoice.digest,
            start=start.isoformat(),
            end=end.isoformat(),
            lines=len(invoice.lines),
            matched=match.matched,
            invoice_pusd=match.invoice_pusd,
            ledger_pusd=match.ledger_pusd,
            counts=dict(Counter(difference.kind.value for difference in match.differences)),
            differences=[
                {name: _plain(value) for name, value in vars(difference).items()}
                for difference in match.differences[:MAX_SHOWN_DIFFERENCES]
            ],
            attempts=len(match.settlements),
            billed_nusd=sum(settled.billed_nusd for settled in match.settlements),
            released_nusd=sum(settled.released_nusd for settled in match.settlements),
            loss_nusd=sum(settled.loss_nusd for settled in match.settlements),
            transfers=[],
        )

    def _post(
        self,
        session: Session,
        provider: str,
        found: Reconciliation,
        settlements: Sequence[SuspenseSettlement],
    ) -> list[str]:
        memo = f"invoice {found.invoice_digest}"
        moves = (move for settled in settlements for move in _moves(provider, settled, memo))
        transfers: list[str] = []
        for number in range(len(settlements) * 3 // MOVES_PER_BATCH + 1):
            page = tuple(islice(moves, MOVES_PER_BATCH))
            if page:
                batch = Batch(key=f"{found.id}:{number}", commands=page)
                posted = self._posting.post(session, batch).require()
                transfers += [transfer.id for transfer in posted]
        return transfers


def _settlement(row: RowMapping) -> Settlement:
    found = Reconciliation(**json.loads(row["report"]))
    return Settlement(at=row["at"], actor=row["actor"], found=found)


def _moves(provider: str, settled: SuspenseSettlement, memo: str) -> Iterator[Move]:
    suspense, spent = SUSPENSE.code(provider), FIAT_SPENT.code(provider)
    flows = (
        (suspense, spent, settled.billed_nusd, "suspense_billed"),
        (suspense, FIAT_AUTHORITY.code(), settled.released_nusd, "suspense_released"),
        (OPERATOR_LOSS.code(), spent, settled.loss_nusd, "overbilled"),
    )
    for debit, credit, amount, kind in flows:
        if amount:
            yield Move(
                debit=debit,
                credit=credit,
                amount=amount,
                kind=kind,
                reference=settled.attempt_id,
                memo=memo,
            )


def _booked(
    session: Session, provider: str, start: date, end: date, named: set[str]
) -> Iterator[BookedWork]:
    """Yield a provider's work that ended in a period, and what else the invoice names."""
    costs: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    days: dict[str, date] = {}
    unknown: dict[str, str] = {}
    rows = list(_used(session, provider, start, end))
    rows += store.usage_of_attempts(session, provider, named - {row["attempt_id"] for row in rows})
    for row in rows:
        attempt_id = row["attempt_id"]
        days[attempt_id] = row["at"].date()
        cost_pusd = row["quantity"] * row["base_price_pusd"]
        if cost_pusd:
            costs[attempt_id][row["resource"]] += cost_pusd
        elif row["cost_nusd"]:  # a lost attempt's record has no quantity, and its bound for cost
            unknown[attempt_id] = row["resource"]
    bounds = store.lost_bounds(session, sorted(unknown))
    settled = store.settled_of(session, bounds)
    for attempt_id, billed_nusd in settled.items():
        costs[attempt_id][unknown[attempt_id]] += billed_nusd * PUSD_PER_NUSD
    for attempt_id, day in days.items():
        is_settled = attempt_id in settled
        yield BookedWork(
            attempt_id=attempt_id,
            day=day,
            costs_pusd=dict(costs[attempt_id]),
            suspense_nusd=0 if is_settled else bounds.get(attempt_id, 0),
            is_settled_loss=is_settled,
        )


def _used(session: Session, provider: str, start: date, end: date) -> Iterable[Any]:
    """Yield a provider's usage records of a period's days, which are UTC's."""
    first = datetime.combine(start, time(), tzinfo=UTC)
    last = datetime.combine(end, time(), tzinfo=UTC)
    known = summaries.folded(session)
    stretch = summaries.hours_stretch(session, start=hour_of(first), end=last)
    for begin, stop in (*([stretch] if stretch else []), (known, None)):
        for _, row in summaries.sealed(session, usage, begin, stop):
            if row["provider"] == provider and first <= row["at"] < last:
                yield row


def _period(invoice: Invoice, start: date | None, end: date | None) -> tuple[date, date]:
    days = [line.day for line in invoice.lines]
    if not days and (start is None or end is None):
        raise InvoiceError("the invoice has no lines: say which days it covers", line=1)
    first = start or min(days)
    last = end or max(days) + timedelta(days=1)
    if not first < last:
        raise InvoiceError(f"the days from {first} up to {last} are no period", line=1)
    return first, last


def _identifier(provider: str, invoice: Invoice) -> str:
    return derived_id("rec", provider, invoice.digest)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
