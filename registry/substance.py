"""What of a bundle is its maker's work, in tokens that survive renaming and reformatting.

Left out is what artifacts share without copying: the manifest, the files that it names (schemas,
self-test, lock) and licence texts. Python is cut into definitions, other text into paragraphs, so
that moving them about changes nothing.
"""

import builtins
import io
import keyword
import re
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from aem.artifact import MANIFEST_PATH, Bundle
from core.text import nfkc
from registry.errors import TooMuchTextError

MAX_TOKENS = 200_000
"""Of one bundle: about 25,000 lines of code. Ten seconds of comparing, at the very most."""

MARKS_FACTOR = 5
"""Comments, layout, parentheses and commas are not counted as tokens, but must be read: so many
for each token that there may be."""

MAX_PROSE_BYTES = 64 * 1024
"""Text files above are data, not prose: no model reads a longer prompt for each call."""

_LOCK_PATH = "requirements.lock"
_LICENCE = re.compile(r"(licen[cs]e|notice|copying)(\W|$)", re.IGNORECASE)
_STRING = re.compile(r"[a-zA-Z]{0,3}(\"\"\"|'''|\"|')(.*)\1", re.DOTALL)

_PUNCTUATION = frozenset("(),:;")
"""Formatters add and remove these."""

_SILENT = frozenset(
    {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.ENCODING,
        tokenize.ENDMARKER,
    }
)
_LAYOUT = frozenset({tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT})

_GIVEN_NAMES = frozenset(
    {*keyword.kwlist, *dir(builtins)}.union(
        *(dir(kind) for kind in (str, bytes, list, dict, set, int, float, re.Pattern, re.Match))
    )
)
"""Names that a copyist cannot change."""

_ANY_NAME = "n"
_DEFINITIONS = frozenset({"def", "class", "async"})


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A definition of a program, or a paragraph of a text.

    Attributes:
        path: its file.
        tokens: normalized.
        lines: the line of each token, from 1.
    """

    path: str
    tokens: tuple[str, ...]
    lines: tuple[int, ...]


@dataclass(frozen=True)
class Substance:
    """The pieces of a bundle."""

    pieces: tuple[Piece, ...]

    @classmethod
    def of(cls, bundle: Bundle) -> "Substance":
        """Read a bundle whose manifest is sound.

        Raises:
            ArtifactError: the manifest is not.
            TooMuchTextError: there are more than `MAX_TOKENS` tokens.
        """
        pieces: list[Piece] = []
        room = _Room()
        for path, text in _texts(bundle):
            read = _python_pieces if path.endswith(".py") else _prose_pieces
            pieces += read(path, text, room)
        return cls(tuple(pieces))

    @cached_property
    def size_tokens(self) -> int:
        """How many tokens there are in all."""
        return sum(len(piece.tokens) for piece in self.pieces)


class _Room:
    """What a bundle may still have: it ends while a file is read, not after."""

    def __init__(self) -> None:
        self._left_tokens = MAX_TOKENS
        self._left_marks = MARKS_FACTOR * MAX_TOKENS

    def take(self, tokens: int, marks: int) -> None:
        """Count tokens that are compared, and all marks that they are read from.

        Raises:
            TooMuchTextError: there are too many of either.
        """
        self._left_tokens -= tokens
        self._left_marks -= marks
        if min(self._left_tokens, self._left_marks) < 0:
            raise TooMuchTextError(
                f"the artifact has more than {MAX_TOKENS} tokens of code and text, which"
                " nobody could compare with other artifacts: move data to data files",
                limit_tokens=MAX_TOKENS,
            )


def _texts(bundle: Bundle) -> Iterator[tuple[str, str]]:
    manifest = bundle.manifest
    named = {
        MANIFEST_PATH,
        _LOCK_PATH,
        manifest.input_schema,
        manifest.output_schema,
        manifest.self_test,
    }
    for path, content in _ordered(bundle.files):
        is_prose = not path.endswith(".py")
        if path in named or (is_prose and len(content) > MAX_PROSE_BYTES):
            continue
        if is_prose and _LICENCE.match(path.rpartition("/")[2]):
            continue
        try:
            yield path, content.decode("utf-8-sig")
        except UnicodeDecodeError:
            if not is_prose:  # another declared encoding; what it says is ASCII all the same
                yield path, content.decode("latin-1")


def _ordered(files: Mapping[str, bytes]) -> list[tuple[str, bytes]]:
    return sorted(files.items())


def _prose_pieces(path: str, text: str, room: _Room) -> Iterator[Piece]:
    tokens: list[str] = []
    lines: list[int] = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = re.findall(r"\w+", nfkc(line).casefold())
        room.take(len(words), len(words) + 1)
        if tokens and not line.strip():
            yield Piece(path=path, tokens=tuple(tokens), lines=tuple(lines))
            tokens, lines = [], []
        tokens += words
        lines += [number] * len(words)
    if tokens:
        yield Piece(path=path, tokens=tuple(tokens), lines=tuple(lines))


def _python_pieces(path: str, text: str, room: _Room) -> Iterator[Piece]:
    tokens: list[str] = []
    lines: list[int] = []
    definition_depth: int | None = None
    for statement in _statements(text, room):
        first = statement.tokens[0].string
        ends = definition_depth is not None and statement.depth <= definition_depth
        if first in _DEFINITIONS or ends:
            if tokens:
                yield Piece(path=path, tokens=tuple(tokens), lines=tuple(lines))
            tokens, lines = [], []
            definition_depth = statement.depth if first in _DEFINITIONS else None
        for token in statement.tokens:
            normalized = _normalized(token)
            if normalized is not None:
                room.take(1, 0)
                tokens.append(normalized)
                lines.append(token.start[0])
    if tokens:
        yield Piece(path=path, tokens=tuple(tokens), lines=tuple(lines))


@dataclass(frozen=True, kw_only=True)
class _Statement:
    """A logical line: its tokens, and how deep it is indented."""

    depth: int
    tokens: list[tokenize.TokenInfo]


def _statements(text: str, room: _Room) -> Iterator[_Statement]:
    """Yield logical lines without docstrings; a file that is no Python ends where that shows."""
    depth = 0
    waiting: list[tokenize.TokenInfo] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            room.take(0, 1)
            if token.type in _SILENT:
                continue
            if token.type not in _LAYOUT:
                waiting.append(token)
                continue
            if waiting and not all(part.type == tokenize.STRING for part in waiting):
                yield _Statement(depth=depth, tokens=waiting)
            waiting = []
            depth += (token.type == tokenize.INDENT) - (token.type == tokenize.DEDENT)
    except (tokenize.TokenError, SyntaxError):  # IndentationError is one too
        pass
    if waiting:
        yield _Statement(depth=depth, tokens=waiting)


def _normalized(token: tokenize.TokenInfo) -> str | None:
    if token.type == tokenize.NAME:
        return token.string if token.string in _GIVEN_NAMES else _ANY_NAME
    if token.type == tokenize.STRING:
        match = _STRING.fullmatch(token.string)
        return f"'{match[2] if match else token.string}"
    return None if token.string in _PUNCTUATION else token.string
