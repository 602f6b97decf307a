"""A provider's invoice, as CSV: what it says was used and costs, line by line."""

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from core.money import MAX_AMOUNT, NUSD_PER_USD, PUSD_PER_NUSD
from ledger.errors import InvoiceError

REQUIRED = ("line_id", "date", "resource", "amount", "currency")
OPTIONAL = ("reference", "quantity", "provider")

MAX_INVOICE_LINES = 200_000
"""A busy team's month, twice over; all of them are held in memory."""

MAX_FIELD_CHARACTERS = 300
PUSD_PER_USD = NUSD_PER_USD * PUSD_PER_NUSD
_DECIMALS = 12

_AMOUNT = re.compile(r"([0-9]{1,13})(?:\.([0-9]{1,12}))?")


@dataclass(frozen=True, kw_only=True)
class InvoiceLine:
    """One line of an invoice.

    Attributes:
        line: its number in the file, the header being 1.
        line_id: the provider's own name for it.
        amount_pusd: exact; in pico-units of another currency, where it is not USD.
        reference: the attempt that it bills, or "".
        provider: who bills it, where the invoice says so; else "".
    """

    line: int
    line_id: str
    day: date
    resource: str
    amount_pusd: int
    currency: str
    reference: str = ""
    provider: str = ""


@dataclass(frozen=True, kw_only=True)
class Invoice:
    """A whole invoice; its digest is of the file's bytes."""

    digest: str
    lines: tuple[InvoiceLine, ...]

    @classmethod
    def read(cls, content: bytes) -> "Invoice":
        """Read an invoice.

        Raises:
            InvoiceError: it is no UTF-8, a column is missing or unknown, or a line has a field
                that cannot be read; its details name the line, the header being 1.
        """
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            raise InvoiceError(f"line {line} is no UTF-8 text", line=line) from error
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        return cls(digest=digest, lines=tuple(_lines(text)))


def _lines(text: str) -> Iterator[InvoiceLine]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        _check_header(header)
        for count, row in enumerate(reader, start=1):
            if row:
                yield _line(dict(_fields(header, row, reader.line_num)), reader.line_num)
            if count >= MAX_INVOICE_LINES:
                raise _bad(reader.line_num, f"an invoice has at most {MAX_INVOICE_LINES} lines")
    except csv.Error as error:
        raise _bad(reader.line_num, f"this is no CSV: {error}") from error


def _check_header(header: list[str]) -> None:
    for name in REQUIRED:
        if name not in header:
            raise _bad(1, f"the column {name!r} is missing")
    for name in header:
        if name not in (*REQUIRED, *OPTIONAL):
            raise _bad(1, f"there is no column {name[:40]!r} in an invoice")
    if len(set(header)) != len(header):
        raise _bad(1, "a column is there twice")


def _fields(header: list[str], row: list[str], line: int) -> Iterator[tuple[str, str]]:
    if len(row) != len(header):
        raise _bad(line, f"there are {len(row)} fields for {len(header)} columns")
    for name, value in zip(header, row, strict=True):
        if len(value) > MAX_FIELD_CHARACTERS or not value.isprintable():
            raise _bad(line, f"{name} has control characters or over {MAX_FIELD_CHARACTERS}")
        yield name, value.strip()


def _line(fields: Mapping[str, str], line: int) -> InvoiceLine:
    for name in ("line_id", "resource", "currency"):
        if not fields[name]:
            raise _bad(line, f"{name} is empty")
    quantity = fields.get("quantity", "")
    if quantity and not (quantity.isascii() and quantity.isdigit()):
        raise _bad(line, f"the quantity {quantity[:40]!r} is no whole number")
    return InvoiceLine(
        line=line,
        line_id=fields["line_id"],
        day=_day(fields["date"], line),
        resource=fields["resource"],
        amount_pusd=_pusd(fields["amount"], line),
        currency=fields["currency"],
        reference=fields.get("reference", ""),
        provider=fields.get("provider", ""),
    )


def _day(text: str, line: int) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise _bad(line, f"{text[:40]!r} is no day such as 2026-01-05") from error
    if day.isoformat() != text:
        raise _bad(line, f"{text[:40]!r} is no day such as 2026-01-05")
    return day


def _pusd(text: str, line: int) -> int:
    found = _AMOUNT.fullmatch(text)
    if found is None:
        raise _bad(
            line, f"the amount {text[:40]!r} is no plain number with at most {_DECIMALS} decimals"
        )
    whole, decimals = found[1], found[2] or ""
    amount = int(whole) * PUSD_PER_USD + int(decimals.ljust(_DECIMALS, "0"))
    if amount > MAX_AMOUNT * PUSD_PER_NUSD:
        raise _bad(line, f"the amount {text} is more than an account can hold")
    return amount


def _bad(line: int, what: str) -> InvoiceError:
    return InvoiceError(f"line {line} of the invoice: {what}", line=line)
