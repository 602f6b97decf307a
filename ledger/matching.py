"""Holds an invoice against the ledger, attempt by attempt where it names them, else by days.

Pure: what is found is returned as differences, and what it proves of money in suspense as a plan.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from core.money import PUSD_PER_NUSD, ceil_div
from ledger.invoices import InvoiceLine

CURRENCY = "USD"


class DifferenceKind(StrEnum):
    """Why invoice and ledger do not agree."""

    MISSING_IN_LEDGER = "missing_in_ledger"  # billed, and no such attempt or usage is booked
    MISSING_IN_INVOICE = "missing_in_invoice"  # booked, and not billed
    AMOUNT_DIFFERS = "amount_differs"
    DUPLICATE_LINE = "duplicate_line"  # a line's identifier came before: it counts once
    UNKNOWN_PROVIDER = "unknown_provider"  # billed by somebody else, or by nobody that we know
    CURRENCY_DIFFERS = "currency_differs"  # not in USD: it is not compared


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One difference, in pico-dollars.

    Attributes:
        line: number in the invoice's file; None where it is about booked work alone.
        reference: the attempt; "" where it is about a day's total of a resource.
    """

    kind: DifferenceKind
    line: int | None = None
    reference: str = ""
    day: date | None = None
    resource: str = ""
    invoice_pusd: int = 0
    ledger_pusd: int = 0


@dataclass(frozen=True, kw_only=True)
class BookedWork:
    """An attempt as the ledger has it.

    Attributes:
        day: UTC day on which it ended.
        costs_pusd: by resource, exactly; empty of a lost attempt that nobody has settled yet.
        suspense_nusd: the bound of such an attempt; else 0.
        is_settled_loss: whether an earlier invoice settled it: its cost is what that one billed,
            in whole nano-dollars.
    """

    attempt_id: str
    day: date
    costs_pusd: Mapping[str, int]
    suspense_nusd: int = 0
    is_settled_loss: bool = False

    @property
    def cost_pusd(self) -> int:
        """What it cost, as booked."""
        return sum(self.costs_pusd.values())


@dataclass(frozen=True, kw_only=True)
class SuspenseSettlement:
    """What an invoice proves of a lost attempt's bound.

    Attributes:
        billed_nusd: goes to what was spent; at most the bound.
        released_nusd: the rest of the bound, which nobody billed.
        loss_nusd: billed above the bound: the operator's loss.
    """

    attempt_id: str
    billed_nusd: int
    released_nusd: int
    loss_nusd: int = 0


@dataclass(frozen=True, kw_only=True)
class Match:
    """What came of holding an invoice against the ledger."""

    differences: tuple[Difference, ...]
    settlements: tuple[SuspenseSettlement, ...]
    invoice_pusd: int
    ledger_pusd: int
    matched: int


class Matching:
    """One invoice against the booked work of its period, and of whatever else it names."""

    def __init__(
        self,
        lines: Sequence[InvoiceLine],
        work: Iterable[BookedWork],
        *,
        provider: str,
        is_known: bool = True,
    ) -> None:
        """Take both sides; `is_known` says whether the ledger has any account of the provider."""
        self._work = {booked.attempt_id: booked for booked in work}
        self._provider = provider
        self._is_known = is_known
        self._differences: list[Difference] = []
        self._matched = 0
        self._lines = list(self._comparable(lines))
        self._named: dict[str, list[InvoiceLine]] = defaultdict(list)
        for line in self._lines:
            if line.reference:
                self._named[line.reference].append(line)

    def run(self, *, start: date, end: date) -> Match:
        """Compare; all work that ended from day `start` up to, without, `end` is looked for."""
        settlements = [*self._by_attempt(), *self._by_day(start, end)]
        return Match(
            differences=tuple(self._differences),
            settlements=tuple(settlements),
            invoice_pusd=sum(line.amount_pusd for line in self._lines),
            ledger_pusd=sum(booked.cost_pusd for booked in self._work.values()),
            matched=self._matched,
        )

    def _comparable(self, lines: Sequence[InvoiceLine]) -> Iterator[InvoiceLine]:
        seen: set[str] = set()
        for line in lines:
            if line.provider not in ("", self._provider) or not self._is_known:
                self._differ(DifferenceKind.UNKNOWN_PROVIDER, line)
            elif line.currency != CURRENCY:
                self._differ(DifferenceKind.CURRENCY_DIFFERS, line)
            elif line.line_id in seen:
                self._differ(DifferenceKind.DUPLICATE_LINE, line)
            else:
                yield line
            seen.add(line.line_id)

    def _differ(self, kind: DifferenceKind, line: InvoiceLine, *, ledger_pusd: int = 0) -> None:
        self._differences.append(
            Difference(
                kind=kind,
                line=line.line,
                reference=line.reference,
                day=line.day,
                resource=line.resource,
                invoice_pusd=line.amount_pusd,
                ledger_pusd=ledger_pusd,
            )
        )

    def _by_attempt(self) -> Iterator[SuspenseSettlement]:
        """Compare what the invoice bills by attempt; what is lost is settled by it."""
        for reference, lines in self._named.items():
            booked = self._work.get(reference)
            billed_pusd = sum(line.amount_pusd for line in lines)
            if booked is None:
                for line in lines:
                    self._differ(DifferenceKind.MISSING_IN_LEDGER, line)
            elif booked.suspense_nusd:
                self._matched += 1
                yield _settled(booked, ceil_div(billed_pusd, PUSD_PER_NUSD))
            elif _agrees(booked, billed_pusd):
                self._matched += 1
            else:
                self._differences.append(
                    Difference(
                        kind=DifferenceKind.AMOUNT_DIFFERS,
                        line=lines[0].line,
                        reference=reference,
                        day=lines[0].day,
                        invoice_pusd=billed_pusd,
                        ledger_pusd=booked.cost_pusd,
                    )
                )

    def _by_day(self, start: date, end: date) -> Iterator[SuspenseSettlement]:
        """Compare the rest by totals; what they do not bill of a day's losses is released."""
        billed: dict[date, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for line in self._lines:
            if not line.reference:
                billed[line.day][line.resource] += line.amount_pusd
        rest: dict[date, list[BookedWork]] = defaultdict(list)
        for booked in self._work.values():
            if booked.attempt_id not in self._named and start <= booked.day < end:
                rest[booked.day].append(booked)
        for day in sorted(billed.keys() | rest.keys()):
            lost = [booked for booked in rest[day] if booked.suspense_nusd]
            excess_pusd = self._compare_day(day, billed[day], rest[day], is_open=bool(lost))
            yield from _shared(lost, ceil_div(max(0, excess_pusd), PUSD_PER_NUSD))

    def _compare_day(
        self, day: date, billed: Mapping[str, int], rest: Sequence[BookedWork], *, is_open: bool
    ) -> int:
        """Name a day's differences; return what is billed above what is booked as settled.

        Where there is suspense, an excess is its: which resource it was, nobody knows.
        """
        booked: dict[str, int] = defaultdict(int)
        for work in rest:
            for resource, cost_pusd in work.costs_pusd.items():
                booked[resource] += cost_pusd
        for resource in sorted(billed.keys() | booked.keys()):
            invoice_pusd, ledger_pusd = billed.get(resource, 0), booked.get(resource, 0)
            if invoice_pusd == ledger_pusd:
                self._matched += 1
            elif resource not in billed and self._named:
                self._name_missing(day, resource, rest)
            elif not (is_open and invoice_pusd > ledger_pusd):
                kind = (
                    DifferenceKind.MISSING_IN_INVOICE
                    if resource not in billed
                    else DifferenceKind.MISSING_IN_LEDGER
                    if resource not in booked
                    else DifferenceKind.AMOUNT_DIFFERS
                )
                self._differences.append(
                    Difference(
                        kind=kind,
                        day=day,
                        resource=resource,
                        invoice_pusd=invoice_pusd,
                        ledger_pusd=ledger_pusd,
                    )
                )
        return sum(billed.values()) - sum(booked.values())

    def _name_missing(self, day: date, resource: str, rest: Sequence[BookedWork]) -> None:
        """Name each attempt, since the invoice names those that it bills."""
        for work in rest:
            if work.costs_pusd.get(resource):
                self._differences.append(
                    Difference(
                        kind=DifferenceKind.MISSING_IN_INVOICE,
                        reference=work.attempt_id,
                        day=day,
                        resource=resource,
                        ledger_pusd=work.costs_pusd[resource],
                    )
                )


def _agrees(booked: BookedWork, billed_pusd: int) -> bool:
    if booked.is_settled_loss:
        billed_pusd = ceil_div(billed_pusd, PUSD_PER_NUSD) * PUSD_PER_NUSD
    return booked.cost_pusd == billed_pusd


def _settled(booked: BookedWork, billed_nusd: int) -> SuspenseSettlement:
    within_nusd = min(billed_nusd, booked.suspense_nusd)
    return SuspenseSettlement(
        attempt_id=booked.attempt_id,
        billed_nusd=within_nusd,
        released_nusd=booked.suspense_nusd - within_nusd,
        loss_nusd=billed_nusd - within_nusd,
    )


def _shared(lost: Sequence[BookedWork], billed_nusd: int) -> Iterator[SuspenseSettlement]:
    """Share what is billed among a day's lost attempts in their order; the last bears the rest."""
    for place, booked in enumerate(lost, start=1):
        part_nusd = billed_nusd if place == len(lost) else min(billed_nusd, booked.suspense_nusd)
        billed_nusd -= part_nusd
        yield _settled(booked, part_nusd)
