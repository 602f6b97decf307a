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
    if not mine or not theirs:
        return []
    table = process.cdist(
        mine, theirs, scorer=Indel.normalized_similarity, score_cutoff=PARTNER_MIN_SIMILARITY
    )
    alike = sorted(
        (-float(table[i][j]) * len(mine[i]), int(i), int(j))
        for i, j in zip(*table.nonzero(), strict=True)
        if len(mine[i]) >= PIECE_MIN_TOKENS or mine[i] == theirs[j]
    )
    partners, taken_own, taken_other = [], set(), set()
    for _, i, j in alike:
        if i not in taken_own and j not in taken_other:
            taken_own.add(i)
            taken_other.add(j)
            partners.append((i, j, float(table[i][j])))
    return partners


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
