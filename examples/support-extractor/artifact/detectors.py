"""One function per entity type: each yields what it finds in a turn's text."""

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from checksums import iban_holds, luhn_holds
from names import GIVEN_NAMES


class Found(NamedTuple):
    """An entity and the characters of the turn that it takes."""

    type: str
    value: str
    start: int
    end: int


EMAIL = re.compile(r"[\w.+-]+@(?:[a-z0-9-]+\.)+[a-z]{2,3}\b", re.IGNORECASE)


def find_emails(text: str) -> Iterator[Found]:
    """Find e-mail addresses, as written."""
    for match in EMAIL.finditer(text):
        yield Found("email", match.group(), match.start(), match.end())


# The lookahead lets candidates overlap: what follows an IBAN may look like more of it.
IBAN = re.compile(r"\b(?=([a-z]{2}\d{2}(?: ?[a-z0-9]){11,30}))", re.IGNORECASE)
IBAN_LENGTHS = {"AT": 20, "BE": 16, "CH": 21, "DE": 22, "ES": 24, "FR": 27, "GB": 22, "IE": 22}
IBAN_LENGTHS |= {"IT": 27, "LU": 20, "NL": 18, "NO": 15, "PL": 28, "PT": 25, "SE": 24}


def find_ibans(text: str) -> Iterator[Found]:
    """Find bank accounts; the value is in capitals, without spaces."""
    for match in IBAN.finditer(text):
        written = match.group(1)
        compact = written.replace(" ", "")
        iban = compact[: IBAN_LENGTHS.get(compact[:2], 0)]
        if iban and iban_holds(iban):
            yield Found("iban", iban, match.start(), match.start() + written_length(written, iban))


def written_length(written: str, compact: str) -> int:
    """Return how many characters of a spaced text make up a compact one."""
    rest = len(compact)
    for position, character in enumerate(written):
        rest -= character != " "
        if rest == 0:
            return position + 1
    return len(written)


CARD = re.compile(r"(?<![\w+-])\d(?:[ -]?\d){12,18}(?![\w-])")


def find_cards(text: str) -> Iterator[Found]:
    """Find payment cards; the value is digits."""
    for match in CARD.finditer(text):
        digits = re.sub(r"\D", "", match.group())
        if luhn_holds(digits):
            yield Found("card", digits, match.start(), match.end())


ORDER_ID = re.compile(r"ORD-\d{6,8}(?!\d)", re.IGNORECASE)


def find_order_ids(text: str) -> Iterator[Found]:
    """Find order numbers; the value is in capitals."""
    for word in re.finditer(r"\S+", text):
        match = ORDER_ID.match(word.group())
        if match:
            start = word.start() + match.start()
            yield Found("order_id", match.group().upper(), start, start + len(match.group()))


MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
ISO_DATE = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
NUMERIC_DATE = re.compile(r"\b(\d{1,2})[/.](\d{1,2})[/.](\d{4})\b")
MONTH = rf"({'|'.join(MONTHS)})[a-z]*"
DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
DAY_FIRST = re.compile(rf"\b{DAY} (?:of )?{MONTH},? (\d{{4}})\b", re.IGNORECASE)
MONTH_FIRST = re.compile(rf"\b{MONTH} {DAY},? (\d{{4}})\b", re.IGNORECASE)


def find_dates(text: str) -> Iterator[Found]:
    """Find calendar days; the value is YYYY-MM-DD."""
    for match in ISO_DATE.finditer(text):
        yield from dated(match, match.group(1), match.group(2), match.group(3))
    for match in NUMERIC_DATE.finditer(text):
        yield from dated(match, match.group(3), match.group(1), match.group(2))
    for match in DAY_FIRST.finditer(text):
        yield from dated(match, match.group(3), month_number(match.group(2)), match.group(1))
    for match in MONTH_FIRST.finditer(text):
        yield from dated(match, match.group(3), month_number(match.group(1)), match.group(2))


def month_number(name: str) -> int:
    """Return 1 for any form of January."""
    return MONTHS.index(name[:3].lower()) + 1


def dated(match: re.Match[str], year: str, month: str | int, day: str) -> Iterator[Found]:
    """Yield the day, when the calendar has it."""
    try:
        value = date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return
    yield Found("date", value, match.start(), match.end())


NUMBER = r"(\d+(?:,\d{3})*(?:\.\d{2})?)"
AMOUNT_AFTER = re.compile(rf"(?:[$€£] ?|\b(?:USD|EUR|GBP) ){NUMBER}(?![\d%])", re.IGNORECASE)
AMOUNT_BEFORE = re.compile(
    rf"(?<![\w.,]){NUMBER} ?(?:€|(?:USD|EUR|GBP|dollars|euros|pounds)\b)", re.IGNORECASE
)


def find_amounts(text: str) -> Iterator[Found]:
    """Find sums of money; the value is the number alone, with two decimals."""
    for pattern in (AMOUNT_AFTER, AMOUNT_BEFORE):
        for match in pattern.finditer(text):
            try:
                number = Decimal(match.group(1).replace(",", "."))
            except InvalidOperation:
                continue
            yield Found("amount", f"{number:.2f}", match.start(), match.end())


PHONE = re.compile(
    r"(?<![\w+-])(?:\+\d{1,3}(?:[ .-]?\d{1,4}){3,4}"
    r"|\(\d{3}\) ?\d{3}-\d{4}|\d{3}-\d{3}-\d{4})(?![\w-])"
)


def find_phones(text: str) -> Iterator[Found]:
    """Find telephone numbers; the value is digits, after a plus if it was written."""
    for match in PHONE.finditer(text):
        yield Found("phone", re.sub(r"[^\d+]", "", match.group()), match.start(), match.end())


WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]{2,})*")


def find_persons(text: str) -> Iterator[Found]:
    """Find full names: a known given name and the capitalized word after it."""
    words = list(WORD.finditer(text))
    for index in range(len(words) - 2):
        given, family = words[index], words[index + 1]
        if given.group().casefold() not in GIVEN_NAMES or not given.group()[0].isupper():
            continue
        adjacent = text[given.end() : family.start()] == " "
        if adjacent and family.group()[0].isupper() and len(family.group()) > 1:
            yield Found("person", f"{given.group()} {family.group()}", given.start(), family.end())


# In order of precedence: the most distinctive forms first.
DETECTORS = (
    find_emails,
    find_ibans,
    find_cards,
    find_order_ids,
    find_dates,
    find_amounts,
    find_phones,
    find_persons,
)
