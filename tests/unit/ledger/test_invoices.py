"""Invoices are read to the pico-dollar, and refused by line."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InvoiceError
from ledger.invoices import PUSD_PER_USD, Invoice

HEADER = "line_id,date,resource,amount,currency,reference"
GOOD = "1,2026-01-05,gpt,0.5,USD,try-1"


def read(*lines: str, header: str = HEADER) -> Invoice:
    return Invoice.read("\n".join([header, *lines]).encode())


def test_a_line_is_read_exactly() -> None:
    (line,) = read("a-1,2026-01-05,gpt,12.000000000001,USD,try-1").lines
    assert (line.line, line.line_id, line.day) == (2, "a-1", date(2026, 1, 5))
    assert line.amount_pusd == 12 * PUSD_PER_USD + 1
    assert (line.resource, line.currency, line.reference) == ("gpt", "USD", "try-1")


@given(st.integers(0, 10**19))
def test_amounts_are_exact_to_the_pico_dollar(pusd: int) -> None:
    text = f"{pusd // PUSD_PER_USD}.{pusd % PUSD_PER_USD:012d}"
    assert read(f"1,2026-01-05,gpt,{text},USD,").lines[0].amount_pusd == pusd


def test_a_byte_order_mark_and_quotes_are_taken() -> None:
    content = b"\xef\xbb\xbf" + f'{HEADER}\r\n"1","2026-01-05","a, ""b""",1,USD,\r\n'.encode()
    assert Invoice.read(content).lines[0].resource == 'a, "b"'


@pytest.mark.parametrize(
    ("lines", "line", "why"),
    [
        ([GOOD, "2,2026-1-5,gpt,1,USD,"], 3, "no day"),
        ([GOOD, "2,2026-02-30,gpt,1,USD,"], 3, "no day"),
        ([GOOD, GOOD, "2,2026-01-05,gpt,-1,USD,"], 4, "no plain number"),
        (["2,2026-01-05,gpt,1e3,USD,"], 2, "no plain number"),
        (["2,2026-01-05,gpt,0.0000000000001,USD,"], 2, "at most 12 decimals"),
        (["2,2026-01-05,gpt,9999999999999,USD,"], 2, "more than an account"),
        (["2,2026-01-05,gpt,1,USD"], 2, "5 fields for 6 columns"),
        ([",2026-01-05,gpt,1,USD,"], 2, "line_id is empty"),
        (["2,2026-01-05,,1,USD,"], 2, "resource is empty"),
        (["2,2026-01-05,gp\tt,1,USD,"], 2, "control characters"),
        ([GOOD, '"2,2026-01-05,gpt,1,USD,'], 3, "no CSV"),
    ],
)
def test_what_cannot_be_read_is_named_by_line(lines: list[str], line: int, why: str) -> None:
    with pytest.raises(InvoiceError, match=why) as refused:
        read(*lines)
    assert refused.value.details["line"] == line


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("line_id,date,resource,amount", "'currency' is missing"),
        (f"{HEADER},tax", "no column 'tax'"),
        (f"{HEADER},date", "twice"),
        ("", "is missing"),
    ],
)
def test_columns_are_what_is_documented(header: str, why: str) -> None:
    with pytest.raises(InvoiceError, match=why) as refused:
        read(header=header)
    assert refused.value.details["line"] == 1


def test_what_is_no_text_is_named_by_line() -> None:
    with pytest.raises(InvoiceError) as refused:
        Invoice.read(f"{HEADER}\n{GOOD}\n".encode() + b"\xff")
    assert refused.value.details["line"] == 3
