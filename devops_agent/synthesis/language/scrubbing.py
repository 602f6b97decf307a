"""Scrubbing: what looks like a secret never leaves for a model's provider.

Secrets become numbered placeholders. In the artifact's own files the replacement can be undone to
the byte, so that a model may edit a file around a secret that it has never seen.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

_TOKENS = (
    r"sk-[A-Za-z0-9_-]{20,}",  # OpenAI, Anthropic and whoever follows them
    r"gh[opsur]_[A-Za-z0-9]{30,}",
    r"github_pat_[A-Za-z0-9_]{22,}",
    r"glpat-[A-Za-z0-9_-]{20,}",
    r"xox[abeprs]-[A-Za-z0-9-]{10,}",
    r"(?:AKIA|ASIA)[0-9A-Z]{16}",
    r"AIza[0-9A-Za-z_-]{35}",
    r"ya29\.[0-9A-Za-z_-]{20,}",
    r"[rs]k_(?:live|test)_[0-9A-Za-z]{16,}",
    r"hf_[A-Za-z0-9]{30,}",
    r"npm_[A-Za-z0-9]{36}",
    r"pypi-[A-Za-z0-9_-]{50,}",
    r"aem_[A-Za-z0-9_-]{40,}",  # this service's own keys
    r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",  # JSON Web Tokens
)
_NAMES = (
    r"(?:password|passwd|passphrase|pwd|secret|token(?!s|_?type|_?kind|_?name)|api[_-]?key"
    r"|access[_-]?key|private[_-]?key|credentials?)"
)
_WORD_START, _WORD_END = r"(?<![A-Za-z0-9_])", r"(?![A-Za-z0-9_])"

_KNOWN = re.compile(f"{_WORD_START}(?P<secret>{'|'.join(_TOKENS)})")
_PRIVATE_KEY = re.compile(
    r"(?P<secret>-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----"
    r"(?:(?!-----BEGIN )[\s\S]){1,20000}?"
    r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|(?=-----BEGIN )|\Z))"
)
_URL_PASSWORD = re.compile(r"://[^\s/:@\"']{0,100}:(?P<secret>[^\s/@\"']{1,200})@")
_AUTHORIZATION = re.compile(
    r"(?i:authorization\\?[\"']?\s{0,4}[:=]\s{0,4}\\?[\"']?(?:bearer|basic|token)\s{1,4})"
    r"(?P<secret>[A-Za-z0-9._~+/=-]{8,})"
)
_QUOTED = re.compile(
    rf"(?i:{_NAMES}[A-Za-z0-9_]{{0,20}})\\?[\"']?\]?\s{{0,4}}"
    r"(?::\s{0,4}[A-Za-z.]{1,20}\s{0,4})?[:=]\s{0,4}"
    r"(?:[rbuRBU]{0,2})(?P<quote>\\?[\"'])(?P<secret>[^\s\"'\\]{6,400})(?P=quote)"
)
_ENVIRONMENT = re.compile(
    r"^(?:export\s{1,4})?[A-Z0-9_]{0,60}"
    r"(?:PASSWORD|PASSWD|SECRET|TOKEN(?!S)|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIALS?)"
    r"[A-Z0-9_]{0,40}=(?P<secret>[^\s\"'#()\[\]{}]{6,400})\s*$",
    re.MULTILINE,
)
_DENSE = re.compile(r"(?<![A-Za-z0-9+/_-])(?P<secret>[A-Za-z0-9+/_-]{24,512}={0,2})")
_HEXADECIMAL = re.compile(rf"{_WORD_START}(?P<secret>[0-9a-fA-F]{{32,128}}){_WORD_END}")
_DIGEST_BEFORE = re.compile(
    r"(?i:sha-?\d{1,3}|md5|digest|checksum|hash|commit|etag|revision)[\"'\s:=_-]{0,6}$"
)
_WORDS = re.compile(r"[a-z]{3,}")
_HARMLESS_VALUE = re.compile(
    r"(?i:none|null|true|false|\*+|x+|\.+|<.*>|\$\{?.*\}?|\{.*\}|%.*|[a-z_ -]{0,40}(?:password"
    r"|secret|token|key|here|example|changeme|redacted))"
)
"""Names of values instead of values."""

ENTROPY_MIN_BITS = 3.7
"""Of a character in a random text of mixed letters and digits, estimated from 24 of them."""

CHANGES_MIN_SHARE = 0.3
"""Random texts change between small letters, capitals and digits at half of their places."""

WORDS_MAX_SHARE = 0.4
"""Three and more small letters in a row make a sixth of a random text, and most of a written one:
of names, paths and addresses."""

HEX_ENTROPY_MIN_BITS = 3.0

ALIKE_MIN_CHARACTERS = 12
"""A secret of so many characters is looked for elsewhere too, without the context that betrayed
it; a shorter one may be a common word."""


MAX_TEXT_CHARACTERS = 200_000
"""Longer texts are data, of which nothing is sent."""

MAX_LEARNED_CHARACTERS = 1_000_000
"""Of all texts that secrets are learned from beforehand, the shortest first."""


class Scrubber:
    """Replaces secrets by placeholders, the same secret always by the same one."""

    def __init__(self, reversible: Iterable[str]) -> None:
        """Learn the secrets of texts in which `restore` must be exact."""
        texts = list(reversible)
        self._mark = _free_mark(texts)
        self._placeholder = re.compile(rf"{self._mark}([0-9]{{1,6}})__")
        self._numbers: dict[str, int] = {}
        left = MAX_LEARNED_CHARACTERS
        for text in sorted(texts, key=len):  # stable: equal texts learn the same
            left -= len(text)
            if left < 0 or len(text) > MAX_TEXT_CHARACTERS:
                break
            self.scrub(text)

    def has_found(self) -> bool:
        """Whether anything that it was given looked like a secret."""
        return bool(self._numbers)

    def scrub(self, text: str) -> str:
        """Return the text without anything that looks like a secret."""
        for secret, number in self._alike():
            text = text.replace(secret, f"{self._mark}{number}__")
        for pattern in (_PRIVATE_KEY, _KNOWN, _URL_PASSWORD, _AUTHORIZATION):
            text = pattern.sub(self._replaced, text)
        for pattern in (_QUOTED, _ENVIRONMENT):
            text = pattern.sub(self._replaced_value, text)
        text = _DENSE.sub(self._replaced_dense, text)
        return _HEXADECIMAL.sub(self._replaced_hexadecimal, text)

    def restore(self, text: str) -> str:
        """Put the secrets back; the exact reverse of `scrub` for the texts learned first.

        Raises:
            KeyError: a placeholder was never given out.
        """
        secrets = {number: secret for secret, number in self._numbers.items()}
        return self._placeholder.sub(lambda found: secrets[int(found[1])], text)

    def placeholders(self, text: str) -> Counter[str]:
        """Count the placeholders in a text."""
        return Counter(found[0] for found in self._placeholder.finditer(text))

    def _alike(self) -> Sequence[tuple[str, int]]:
        """Return long secrets with their numbers, those first that may contain others."""
        long = [(s, n) for s, n in self._numbers.items() if len(s) >= ALIKE_MIN_CHARACTERS]
        return sorted(long, key=lambda item: (-len(item[0]), item[1]))

    def _replaced(self, found: re.Match[str]) -> str:
        secret = found["secret"]
        if self._placeholder.search(secret):
            return found[0]
        number = self._numbers.setdefault(secret, len(self._numbers) + 1)
        start, end = found.start("secret") - found.start(), found.end("secret") - found.start()
        return f"{found[0][:start]}{self._mark}{number}__{found[0][end:]}"

    def _replaced_value(self, found: re.Match[str]) -> str:
        harmless = _HARMLESS_VALUE.fullmatch(found["secret"])
        return found[0] if harmless else self._replaced(found)

    def _replaced_dense(self, found: re.Match[str]) -> str:
        return self._replaced(found) if _is_random(found["secret"]) else found[0]

    def _replaced_hexadecimal(self, found: re.Match[str]) -> str:
        before = found.string[max(0, found.start() - 20) : found.start()]
        is_secret = (
            not _DIGEST_BEFORE.search(before)
            and not found["secret"].isdigit()
            and _entropy_bits(found["secret"]) >= HEX_ENTROPY_MIN_BITS
        )
        return self._replaced(found) if is_secret else found[0]


def _free_mark(texts: Sequence[str]) -> str:
    """Return the beginning of all placeholders, which no text contains already."""
    word, number = "AEM_SECRET", 0
    while any(word in text for text in texts):
        number += 1
        word = f"AEM_SECRET{number}"
    return f"__{word}_"


def _is_random(text: str) -> bool:
    """Whether a text looks drawn at random rather than written."""
    kinds = [_kind(character) for character in text]
    changes = sum(left != right for left, right in pairwise(kinds))
    return (
        {"small", "capital", "digit"} <= set(kinds)
        and changes >= CHANGES_MIN_SHARE * len(text)
        and sum(map(len, _WORDS.findall(text))) <= WORDS_MAX_SHARE * len(text)
        and _entropy_bits(text) >= ENTROPY_MIN_BITS
    )


def _kind(character: str) -> str:
    if character.isdigit():
        return "digit"
    if character.isalpha():
        return "capital" if character.isupper() else "small"
    return "mark"


def _entropy_bits(text: str) -> float:
    """Shannon's entropy of a text's characters, in bits for each."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)
