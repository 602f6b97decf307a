"""Long verbatim runs: text that two sides share whatever the spacing, quoting and splitting.

Texts are reduced to letters and digits. A file is read twice, as it stands with escapes resolved
and, where it is Python, as its literals in a row: a text that is split over literals, lines or
list items stands together again in one of the two.
"""

import ast
import io
import json
import re
import tokenize
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from core.text import nfkc

RUN_MIN_CHARACTERS = 50
"""Letters and digits of a run that counts: eight or nine words, which nobody hits by chance."""

OWN_MIN_CHARACTERS = 25
"""So much of a run must be nobody else's text: a template is often followed by a few characters
that are equal by chance."""

BLOCK_CHARACTERS = RUN_MIN_CHARACTERS // 2
"""Every run that counts holds a whole block of this length, wherever it starts."""

RUN_MAX_CHARACTERS = 500
"""Longer runs are looked at in parts: no text makes the check slow."""

MAX_PLACES_PER_BLOCK = 50
"""A block at more places is a template's, and the runs around it hold other blocks."""

MIN_STEPS = 8
"""Different distances between neighbouring characters that a block must have to be looked for:
prose has about eighteen, an alphabet or a row of zeros one or two."""

WINDOW_STRIDE_CHARACTERS = 5
"""How far apart the windows are that a longer run is looked at through."""

_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([nrtbfav0])|(.))", re.DOTALL)
_NOT_ALPHANUMERIC = re.compile(r"[\W_]+")
_LITERALS = frozenset({tokenize.STRING, tokenize.NUMBER})


@dataclass(frozen=True, kw_only=True)
class Run:
    """A stretch of a text that stands in the reference text too.

    Attributes:
        place: where it begins in the reference.
        text: reduced.
    """

    place: int
    text: str


class Haystack:
    """A reduced text in which windows are found in a time that does not grow with it."""

    def __init__(self, text: str) -> None:
        """Keep the text; its blocks are listed when the first window is looked for."""
        self.text = text

    def places(self, window: str) -> Iterator[int]:
        """Yield where a window of `RUN_MIN_CHARACTERS` stands: it holds a whole block there."""
        for offset in range(BLOCK_CHARACTERS):
            blocks = self._blocks.get(window[offset : offset + BLOCK_CHARACTERS], ())
            if len(blocks) >= MAX_PLACES_PER_BLOCK:  # not all are listed
                yield from self._all_places(window)
                return
        for offset in range(BLOCK_CHARACTERS):
            for block in self._blocks.get(window[offset : offset + BLOCK_CHARACTERS], ()):
                if block >= offset and self.text.startswith(window, block - offset):
                    yield block - offset

    def __contains__(self, window: str) -> bool:
        """Whether a window of `RUN_MIN_CHARACTERS` stands in the text."""
        return next(self.places(window), None) is not None

    @cached_property
    def _blocks(self) -> Mapping[str, Sequence[int]]:
        found: dict[str, list[int]] = {}
        for place in range(0, len(self.text) - BLOCK_CHARACTERS + 1, BLOCK_CHARACTERS):
            listed = found.setdefault(self.text[place : place + BLOCK_CHARACTERS], [])
            if len(listed) < MAX_PLACES_PER_BLOCK:
                listed.append(place)
        return found

    def _all_places(self, window: str) -> Iterator[int]:
        place = self.text.find(window)
        while place >= 0:
            yield place
            place = self.text.find(window, place + 1)


def reduced(text: str) -> str:
    """Return the letters and digits of a text, without case."""
    folded = nfkc(text).casefold()
    return _NOT_ALPHANUMERIC.sub("", folded)


def readings(files: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """Yield the reduced readings of files with their paths."""
    for path, content in files.items():
        text = content.decode("utf-8", "replace")
        yield path, reduced(_ESCAPED.sub(_unescaped, text))
        if path.endswith(".py"):
            yield path, reduced(" ".join(_literals(text)))


def value_readings(value: Any) -> tuple[str, str]:
    """Return a JSON value as text with its member names, and its values alone."""
    whole = json.dumps(value, ensure_ascii=False)
    return reduced(_ESCAPED.sub(_unescaped, whole)), reduced(" ".join(_leaves(value)))


def block_index(reference: str) -> Mapping[str, Sequence[int]]:
    """Return where the blocks of a reduced text stand."""
    index: dict[str, list[int]] = defaultdict(list)
    for place in range(0, len(reference) - BLOCK_CHARACTERS + 1, BLOCK_CHARACTERS):
        block = reference[place : place + BLOCK_CHARACTERS]
        places = index[block]
        if len(places) < MAX_PLACES_PER_BLOCK and _steps(block) >= MIN_STEPS:
            places.append(place)
    return {block: places for block, places in index.items() if places}


def find_runs(text: str, reference: str, index: Mapping[str, Sequence[int]]) -> Iterator[Run]:
    """Yield the runs of a reduced text that stand in the reference, with the index of that.

    Those above `RUN_MAX_CHARACTERS` come in parts.
    """
    ends: dict[int, int] = {}
    for start in range(len(text) - BLOCK_CHARACTERS + 1):
        for place in index.get(text[start : start + BLOCK_CHARACTERS], ()):
            if ends.get(start - place, -1) > start:
                continue
            run, end = _extended(text, start, reference, place)
            ends[start - place] = end
            if len(run.text) >= RUN_MIN_CHARACTERS:
                yield run


def own_stretches(run: Run, is_free: Callable[[str], bool]) -> Iterator[Run]:
    """Yield what of a run says something by itself, at least `OWN_MIN_CHARACTERS` long.

    A stretch does not if it lies in a window of the least length that is free.
    """
    own = bytearray(b"\x01" * len(run.text))
    last = len(run.text) - RUN_MIN_CHARACTERS
    for start in [*range(0, last, WINDOW_STRIDE_CHARACTERS), last]:
        end = start + RUN_MIN_CHARACTERS
        window = run.text[start:end]
        if is_free(window):
            own[start:end] = bytes(RUN_MIN_CHARACTERS)
    for match in re.finditer(rb"\x01{%d,}" % OWN_MIN_CHARACTERS, own):
        yield Run(place=run.place + match.start(), text=run.text[match.start() : match.end()])


def _steps(text: str) -> int:
    return len({ord(b) - ord(a) for a, b in pairwise(text)})


def _extended(text: str, start: int, reference: str, place: int) -> tuple[Run, int]:
    """Return the run around a block, and where it ends in the text."""
    first, before = start, place
    floor = start - RUN_MAX_CHARACTERS // 2
    while first > max(floor, 0) and before and text[first - 1] == reference[before - 1]:
        first, before = first - 1, before - 1
    end, after = start + BLOCK_CHARACTERS, place + BLOCK_CHARACTERS
    most = min(len(text), first + RUN_MAX_CHARACTERS)
    while end < most and after < len(reference) and text[end] == reference[after]:
        end, after = end + 1, after + 1
    return Run(place=before, text=text[first:end]), end


def _unescaped(match: "re.Match[str]") -> str:
    code = match[1] or match[2]
    if code:
        return chr(int(code, 16))
    return " " if match[3] else match[4]


def _literals(text: str) -> Iterator[str]:
    """Yield a program's literals in order, as far as it is Python."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in _LITERALS:
                yield _literal(token.string)
    except (tokenize.TokenError, SyntaxError):
        return


def _literal(source: str) -> str:
    try:
        value = ast.literal_eval(source)
    except (ValueError, SyntaxError):  # a formatted string: its text as it stands
        return source.lstrip("fFrRbB")
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for member in value.values():
            yield from _leaves(member)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif value is not None:
        yield str(value)
