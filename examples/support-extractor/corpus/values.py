"""Seeded entities: each with its canonical value and the ways in which people write it.

`oddity` is how often, from 0 to 1, the less usual ways of writing are used.
"""

import random
import string
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from corpus.people import People, read_people

TYPES = ("order_id", "person", "email", "phone", "amount", "date", "card", "iban")

# Length and pattern of the account part: n digits, c capitals (ISO 13616 registry).
_ACCOUNTS = {
    "AT": "n16", "BE": "n12", "CH": "n17", "DE": "n18", "ES": "n20", "FR": "n23",
    "GB": "c4n14", "IE": "c4n14", "IT": "c1n22", "LU": "n16", "NL": "c4n10", "NO": "n11",
    "PL": "n24", "PT": "n21", "SE": "n20",
}  # fmt: skip
_CARD_PREFIXES = {"4": 16, "51": 16, "55": 16, "2720": 16, "34": 15, "37": 15}
_USUAL_DOMAINS = ("example.com", "example.org", "mail.example.net", "post.example.com")
_ODD_DOMAINS = ("kestrel.example", "harbour.test", "mail.brook.example", "north-wind.invalid")
_USUAL_CALLS = (("44", (2, 4, 4)), ("49", (3, 3, 4)), ("353", (2, 3, 4)), ("45", (2, 2, 2, 2)))
_ODD_CALLS = (("33", (1, 2, 2, 2, 2)), ("212", (1, 2, 2, 2, 2)), ("352", (2, 2, 2, 2, 2)))
_FIRST_DAY = date(2019, 1, 1)
_DAYS = 2500
_MAX_CENTS = 99_999
_MAX_LARGE_CENTS = 999_999_99


@dataclass(frozen=True, kw_only=True)
class Entity:
    """An entity of a chat: its canonical value, and the text that stands in the chat."""

    type: str
    value: str
    written: str


class Values:
    """A source of made-up entities; the same generator state gives the same ones."""

    def __init__(self, rng: random.Random, *, oddity: float) -> None:
        """Draw from the given generator."""
        self._rng = rng
        self._oddity = oddity
        self._people: People = read_people()
        self._makers: dict[str, Callable[[], str]] = {
            "order_id": self._order_id,
            "person": self._person,
            "email": self._email,
            "phone": self._phone,
            "amount": self._amount,
            "date": self._date,
            "card": self._card,
            "iban": self._iban,
        }

    def make(self, kind: str) -> Entity:
        """Make a new entity."""
        return self.written(kind, self._makers[kind]())

    def written(self, kind: str, value: str) -> Entity:
        """Write a value in one of its ways; of names and addresses, the case is kept.

        Names and e-mail addresses are reported as they stand in the chat, so what is new is
        written plainly, and `again` alone changes capitals.
        """
        forms: dict[str, Callable[[str], str]] = {
            "order_id": self._written_order_id,
            "phone": self._written_phone,
            "amount": self._written_amount,
            "date": self._written_date,
            "card": self._written_card,
            "iban": self._written_iban,
        }
        text = forms[kind](value) if kind in forms else value
        return Entity(type=kind, value=value, written=text)

    def again(self, entity: Entity) -> Entity:
        """Write an entity a second time, perhaps otherwise; it stays the same entity."""
        if entity.type in ("person", "email") and self._rng.random() < 0.6:
            return Entity(type=entity.type, value=entity.value, written=entity.value.upper())
        return self.written(entity.type, entity.value)

    def given_name(self) -> str:
        """Return a given name, which alone is no entity."""
        return self._rng.choice(self._people.given)

    def family_name(self) -> str:
        """Return a family name, which alone is no entity."""
        return self._rng.choice(self._people.family)

    def false_card(self) -> str:
        """Return sixteen digits that are no card: their check digit is wrong."""
        digits = self._card_digits("9", 16)
        return digits[:-1] + str((int(digits[-1]) + self._rng.randint(1, 9)) % 10)

    def _is_odd(self) -> bool:
        return self._rng.random() < self._oddity

    def _digits(self, count: int) -> str:
        return "".join(self._rng.choices(string.digits, k=count))

    def _order_id(self) -> str:
        return f"ORD-{self._rng.randint(1, 9)}{self._digits(self._rng.choice((5, 5, 6, 7)))}"

    def _written_order_id(self, value: str) -> str:
        text = value.lower() if self._rng.random() < 0.25 else value
        if not self._is_odd():
            return text
        return self._rng.choice(("#{}", "({})", '"{}"', "no.{}", "[{}]")).format(text)

    def _person(self) -> str:
        is_rare = self._rng.random() < self._oddity / 20
        given = self._rng.choice(self._people.rare if is_rare else self._people.given)
        return f"{given} {self.family_name()}"

    def _email(self) -> str:
        names = (self.given_name(), self.family_name())
        local = self._rng.choice((".", "_", "-")).join(names)
        local = local.encode("ascii", "ignore").decode().replace("'", "")
        if self._rng.random() < 0.2:
            local += f"+{self._rng.choice(('shop', 'orders', 'home'))}"
        domain = self._rng.choice(_ODD_DOMAINS if self._is_odd() else _USUAL_DOMAINS)
        return f"{local.lower()}@{domain}"

    def _phone(self) -> str:
        if self._rng.random() < 0.25:
            return f"{self._rng.randint(2, 9)}{self._digits(2)}555{self._digits(4)}"
        country, groups = self._rng.choice(_ODD_CALLS if self._is_odd() else _USUAL_CALLS)
        return f"+{country}{self._rng.randint(1, 9)}{self._digits(sum(groups) - 1)}"

    def _written_phone(self, value: str) -> str:
        if not value.startswith("+"):
            area, office, line = value[:3], value[3:6], value[6:]
            return self._rng.choice((f"({area}) {office}-{line}", f"{area}-{office}-{line}"))
        plans = dict(_USUAL_CALLS + _ODD_CALLS)
        country = next(code for code in plans if value.startswith(f"+{code}"))
        groups, rest = [f"+{country}"], value[len(country) + 1 :]
        for length in plans[country]:
            groups.append(rest[:length])
            rest = rest[length:]
        return self._rng.choice((" ", " ", "-", ".")).join(groups)

    def _amount(self) -> str:
        cents = self._rng.randint(100, _MAX_CENTS)
        if self._is_odd():
            cents = self._rng.randint(1_000_00, _MAX_LARGE_CENTS)
        if self._rng.random() < 0.4:
            cents -= cents % 100
        return f"{cents // 100}.{cents % 100:02d}"

    def _written_amount(self, value: str) -> str:
        whole, cents = value.split(".")
        number = f"{int(whole):,}" + ("" if cents == "00" else f".{cents}")
        forms = ("${}", "€{}", "£{}", "{} EUR", "USD {}", "{} euros", "{} dollars", "GBP {}")
        return self._rng.choice(forms).format(number)

    def _date(self) -> str:
        return (_FIRST_DAY + timedelta(days=self._rng.randrange(_DAYS))).isoformat()

    def _written_date(self, value: str) -> str:
        day = date.fromisoformat(value)
        if self._is_odd():
            mark = self._rng.choice("/.")
            return f"{day.day:02d}{mark}{day.month:02d}{mark}{day.year}"
        month = day.strftime(self._rng.choice(("%B", "%b")))
        ordinal = f"{day.day}{_ordinal_ending(day.day)}"
        return self._rng.choice(
            (
                value,
                f"{day.day} {month} {day.year}",
                f"{month} {day.day}, {day.year}",
                f"{ordinal} of {month} {day.year}",
                f"{month} {ordinal}, {day.year}",
            )
        )

    def _card(self) -> str:
        prefix = self._rng.choice(sorted(_CARD_PREFIXES))
        return self._card_digits(prefix, _CARD_PREFIXES[prefix])

    def _card_digits(self, prefix: str, length: int) -> str:
        body = prefix + self._digits(length - len(prefix) - 1)
        return body + luhn_check_digit(body)

    def _written_card(self, value: str) -> str:
        sizes = (4, 6, 5) if len(value) == 15 else (4, 4, 4, 4)
        groups, rest = [], value
        for size in sizes:
            groups.append(rest[:size])
            rest = rest[size:]
        return self._rng.choice((" ", " ", "-", "")).join(groups)

    def _iban(self) -> str:
        country = self._rng.choice(sorted(_ACCOUNTS))
        pattern = _ACCOUNTS[country]
        account = ""
        if pattern.startswith("c"):
            account = "".join(self._rng.choices(string.ascii_uppercase, k=int(pattern[1])))
            pattern = pattern[2:]
        account += self._digits(int(pattern[1:]))
        return country + iban_check_digits(country, account) + account

    def _written_iban(self, value: str) -> str:
        text = value.lower() if self._is_odd() else value
        if self._rng.random() < 0.5:
            text = " ".join(text[start : start + 4] for start in range(0, len(text), 4))
        return text


def luhn_check_digit(body: str) -> str:
    """Return the digit that completes a card number (ISO/IEC 7812-1, annex B)."""
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(body))]
    return str(-sum(value // 10 + value % 10 for value in doubled) % 10)


def iban_check_digits(country: str, account: str) -> str:
    """Return the two check digits of an IBAN (ISO 13616, ISO 7064 MOD 97-10)."""
    number = int("".join(str(int(each, 36)) for each in f"{account}{country}00"))
    return f"{98 - number % 97:02d}"


def _ordinal_ending(day: int) -> str:
    if 10 < day < 14:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
