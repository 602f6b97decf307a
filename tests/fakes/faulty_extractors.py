"""Extractors with several faults in different functions, each of which costs one entity type."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SOURCE = '''
"""Finds entities in short texts."""

import re

MAIL = re.compile(r"[\\w.+-]+@[\\w-]+\\.[\\w.]+\\w")
TICKET = re.compile(r"\\bT-\\d{4,6}\\b", re.IGNORECASE)
DAY = re.compile(r"\\b(\\d{1,2})[./](\\d{1,2})[./](\\d{4})\\b")
SUM = re.compile(r"(\\d+(?:,\\d{3})*(?:\\.\\d{2})?) ?(?:EUR|USD)\\b")
WEIGHTS = {"g": 1, "kg": 1000}


def mails(text):
    """Addresses in small letters."""
    return [match.group().lower() for match in MAIL.finditer(text)]


def tickets(text):
    """Ticket numbers in capitals, each once."""
    found = []
    for match in TICKET.finditer(text):
        ticket = match.group().upper()
        if ticket not in found:
            found.append(ticket)
    return found


def days(text):
    """Days as year-month-day; the month comes second."""
    matches = DAY.finditer(text)
    return [f"{m.group(3)}-{int(m.group(2)):02d}-{int(m.group(1)):02d}" for m in matches]


def sums(text):
    """Sums without separators of thousands."""
    return [match.group(1).replace(",", "") for match in SUM.finditer(text)]


def weights(text):
    """Weights in grams."""
    found = []
    words = text.split()
    for index in range(len(words) - 1):
        if words[index].isdigit() and words[index + 1] in WEIGHTS:
            found.append(str(int(words[index]) * WEIGHTS[words[index + 1]]))
    return found


def run(data, context):
    entities = []
    for turn in data["turns"]:
        for kind, find in (
            ("mail", mails),
            ("ticket", tickets),
            ("day", days),
            ("sum", sums),
            ("weight", weights),
        ):
            for value in find(turn):
                entities.append({"type": kind, "value": value})
    return {"entities": entities}
'''


@dataclass(frozen=True, kw_only=True)
class FaultyExtractor:
    name: str
    faults: Sequence[tuple[str, str]]

    def broken(self) -> str:
        source = SOURCE
        for right, wrong in self.faults:
            if source.count(right) != 1:
                raise ValueError(f"{right!r} must occur once")
            source = source.replace(right, wrong)
        return source


EXTRACTORS = (
    FaultyExtractor(
        name="narrow patterns",
        faults=[
            ("@[\\w-]+\\.", "@[a-z]+\\."),
            ("T-\\d{4,6}", "T-\\d{4}"),
            ("(\\d{1,2})[./](\\d{1,2})[./]", "(\\d{1,2})[.](\\d{1,2})[.]"),
            ('.replace(",", "")', ""),
            ("range(len(words) - 1)", "range(len(words) - 2)"),
        ],
    ),
    FaultyExtractor(
        name="mixed up",
        faults=[
            ("match.group().lower()", "match.group()"),
            (", re.IGNORECASE", ""),
            ("int(m.group(2)):02d}-{int(m.group(1))", "int(m.group(1)):02d}-{int(m.group(2))"),
            ("(?:EUR|USD)", "(?:EUR)"),
            ('"kg": 1000', '"kg": 100'),
            ("words[index + 1] in WEIGHTS", "words[index] in WEIGHTS"),
        ],
    ),
    FaultyExtractor(
        name="half done",
        faults=[
            ("[\\w.+-]+@", "[\\w]+@"),
            (
                "        if ticket not in found:\n            found.append(ticket)",
                "        found.append(ticket)",
            ),
            ("(?:,\\d{3})*", ""),
            ('for turn in data["turns"]:', 'for turn in data["turns"][-2:]:'),
            ("int(words[index]) * WEIGHTS", "int(words[index]) + WEIGHTS"),
        ],
    ),
)


def make_turns(rng: random.Random) -> list[str]:
    return [
        " ".join(rng.choice(_PIECES)(rng) for _ in range(rng.randint(2, 6)))
        for _ in range(rng.randint(1, 5))
    ]


def _mail(rng: random.Random) -> str:
    user = rng.choice(["ann", "Bob.Lee", "c+x", "d-e", "Eve"])
    return f"{user}{rng.randint(1, 9)}@{rng.choice(['mail', 'my-shop', 'Host9'])}.org"


def _ticket(rng: random.Random) -> str:
    ticket = f"{rng.choice('Tt')}-{rng.randint(1000, 999999)}"
    return rng.choice([ticket, f"{ticket} and {ticket}"])


def _day(rng: random.Random) -> str:
    separator = rng.choice("./")
    return separator.join([str(rng.randint(1, 28)), str(rng.randint(1, 12)), "2024"])


def _sum(rng: random.Random) -> str:
    amount = rng.choice(["12", "7.50", f"{rng.randint(1, 9)},{rng.randint(100, 999)}", "1,234.00"])
    return f"{amount}{rng.choice(['', ' '])}{rng.choice(['EUR', 'USD'])}"


def _weight(rng: random.Random) -> str:
    return f"{rng.randint(1, 90)} {rng.choice(['g', 'kg'])}"


def _noise(rng: random.Random) -> str:
    return rng.choice(["hello", "thanks", "42", "x-1", "my order", "ok."])


_PIECES: Sequence[Any] = (_mail, _ticket, _day, _sum, _weight, _noise, _noise)
