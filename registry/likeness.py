"""How alike two artifacts are, and the fingerprints by which likely ones are found.

A piece counts as found in the other artifact by its best partner there (rapidfuzz, insertions and
deletions of tokens), or by its runs of tokens that stand there too, whichever is more: the first
sees through small edits everywhere, the second through cutting up and joining.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz import process
from rapidfuzz.distance import Indel

from registry.substance import Piece, Substance

RUN_TOKENS = 12
"""Tokens of one fingerprinted run: one or two statements, after normalization."""

WINDOW_RUNS = 8
"""One of so many neighbouring runs is kept (winnowing, Schleimer et al. 2003), so every shared
run of RUN_TOKENS + WINDOW_RUNS - 1 tokens leaves a common fingerprint."""

MAX_FINGERPRINTS = 4_000
"""Of one artifact; the smallest, so that two artifacts keep the same ones."""

PIECE_MIN_TOKENS = 10
"""Shorter pieces are alike by chance: only equal ones count."""

PARTNER_MIN_SIMILARITY = 0.8
"""Partners less alike than this are alike as any two functions are."""

MAX_PARTNERS = 20
"""Pieces of the other artifact that one piece may be paired with: its most alike ones."""

ROWS = 64
"""Pieces that are compared with all others at once; the whole table could outgrow memory."""

USE_SHARE = 0.25
"""Whoever has less than this from another artifact uses a part of it, and is no copy."""

MAX_MATCHES = 20
"""Line ranges in the evidence."""

_MODULUS = (1 << 61) - 1
_BASE = 1_000_003


@dataclass(frozen=True, kw_only=True)
class Match:
    """A range of lines of one's own artifact that the other has too."""

    path: str
    first_line: int
    last_line: int
    similarity: float


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """How much of the smaller of two artifacts is in the other.

    Attributes:
        similarity: 0 to 1.
        matches: where in one's own artifact, the largest first, at most `MAX_MATCHES`.
    """

    similarity: float
    matches: tuple[Match, ...]


def fingerprints(substance: Substance) -> frozenset[int]:
    """Return the artifact's fingerprints: at most `MAX_FINGERPRINTS` integers of 61 bits."""
    found = {kept for piece in substance.pieces for kept in _winnow(_runs(piece))}
    return frozenset(sorted(found)[:MAX_FINGERPRINTS])


def compare(own: Substance, other: Substance) -> Likeness:
    """Say how much of the smaller artifact is in the other one."""
    partners = _partners(own.pieces, other.pieces)
    own_found = _found(own.pieces, other.pieces, {i: s for i, _, s in partners})
    other_found = _found(other.pieces, own.pieces, {j: s for _, j, s in partners})
    own_share = sum(own_found) / max(1, own.size_tokens)
    other_share = sum(other_found) / max(1, other.size_tokens)
    similarity = max(own_share, other_share if own_share >= USE_SHARE else 0.0)
    return Likeness(similarity=similarity, matches=_matches(own.pieces, own_found))


def _partners(own: Sequence[Piece], others: Sequence[Piece]) -> list[tuple[int, int, float]]:
    """Pair pieces one to one, the most alike tokens first: (own, other, similarity)."""
    letters: dict[str, str] = {}

    def spell(piece: Piece) -> str:
        return "".join(letters.setdefault(token, chr(len(letters))) for token in piece.tokens)

    mine, theirs = [spell(piece) for piece in own], [spell(piece) for piece in others]
    partners = _equal(mine, theirs)
    taken_own, taken_other = ({pair[side] for pair in partners} for side in range(2))
    alike = _alike(
        {i: text for i, text in enumerate(mine) if i not in taken_own},
        {j: text for j, text in enumerate(theirs) if j not in taken_other},
    )
    for i, j, similarity in sorted(alike, key=lambda pair: -pair[2] * len(mine[pair[0]])):
        if i not in taken_own and j not in taken_other:
            taken_own.add(i)
            taken_other.add(j)
            partners.append((i, j, similarity))
    return partners


def _equal(mine: Sequence[str], theirs: Sequence[str]) -> list[tuple[int, int, float]]:
    waiting: dict[str, list[int]] = {}
    for j, text in enumerate(theirs):
        waiting.setdefault(text, []).append(j)
    return [(i, waiting[text].pop(), 1.0) for i, text in enumerate(mine) if waiting.get(text)]


def _alike(mine: dict[int, str], theirs: dict[int, str]) -> list[tuple[int, int, float]]:
    """Compare the pieces that are long enough, some rows of the table at a time."""
    rows, columns = (
        [(number, text) for number, text in side.items() if len(text) >= PIECE_MIN_TOKENS]
        for side in (mine, theirs)
    )
    alike = []
    texts = [text for _, text in columns]
    for start in range(0, len(rows) if columns else 0, ROWS):
        block = rows[start : start + ROWS]
        table = process.cdist(
            [text for _, text in block],
            texts,
            scorer=Indel.normalized_similarity,
            score_cutoff=PARTNER_MIN_SIMILARITY,
        )
        for (i, _), row in zip(block, table, strict=True):
            best = (
                row.argpartition(-MAX_PARTNERS)[-MAX_PARTNERS:]
                if len(row) > MAX_PARTNERS
                else range(len(row))
            )
            alike += [(i, columns[k][0], float(row[k])) for k in best if row[k]]
    return alike


def _found(
    pieces: Sequence[Piece], others: Sequence[Piece], similarity: dict[int, float]
) -> list[float]:
    """Return how many of each piece's tokens are found in the others."""
    known = {run for other in others for run in _runs(other)}
    return [
        max(similarity.get(index, 0.0) * len(piece.tokens), _covered(piece, known))
        for index, piece in enumerate(pieces)
    ]


def _covered(piece: Piece, known: set[int]) -> int:
    """Count the tokens that lie in a run which the other artifact has."""
    covered = end = 0
    for start, run in enumerate(_runs(piece)):
        if run in known:
            covered += start + RUN_TOKENS - max(start, end)
            end = start + RUN_TOKENS
    return covered


def _matches(pieces: Sequence[Piece], found: Sequence[float]) -> tuple[Match, ...]:
    order = sorted(range(len(pieces)), key=lambda index: (-found[index], index))
    return tuple(
        Match(
            path=pieces[index].path,
            first_line=pieces[index].lines[0],
            last_line=pieces[index].lines[-1],
            similarity=round(found[index] / len(pieces[index].tokens), 3),
        )
        for index in order[:MAX_MATCHES]
        if found[index]
    )


def _runs(piece: Piece) -> Iterator[int]:
    """Yield the hash of each run of `RUN_TOKENS` tokens: a rolling polynomial."""
    leaving = pow(_BASE, RUN_TOKENS, _MODULUS)
    values = [_token_hash(token) for token in piece.tokens]
    current = 0
    for index, value in enumerate(values):
        current = (current * _BASE + value) % _MODULUS
        if index >= RUN_TOKENS:
            current = (current - leaving * values[index - RUN_TOKENS]) % _MODULUS
        if index >= RUN_TOKENS - 1:
            yield current


def _winnow(runs: Iterator[int]) -> Iterator[int]:
    """Yield the smallest run of every window, without repeats in a row."""
    hashes = list(runs)
    last = None
    for start in range(max(1, len(hashes) - WINDOW_RUNS + 1)):
        window = hashes[start : start + WINDOW_RUNS]
        if window and (smallest := min(window)) != last:
            last = smallest
            yield smallest


@lru_cache(maxsize=100_000)
def _token_hash(token: str) -> int:
    digest = hashlib.blake2b(token.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest) % _MODULUS
