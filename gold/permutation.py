"""The paired swap-permutation test on micro-F1, and the level that each try is tested at."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gold.domain import Counts

FAMILY_LEVEL = 0.05
"""Chance of ever accepting a candidate that is no better, over all tries on one holdout."""

EXACT_PAIRS = 14
"""Up to so many differing conversations all swaps are listed (16,384) instead of sampled."""

MIN_PERMUTATIONS = 20_000
MAX_PERMUTATIONS = 1_000_000
_PERMUTATIONS_PER_LEVEL = 100
"""Sampled swaps per unit of 1/level: the p-value near the level is then known to a tenth of it."""

_CHUNK_SWAPS = 4_000_000
_TIE = 1e-12
"""Differences this close count as equal, which can only raise the p-value."""


@dataclass(frozen=True, kw_only=True)
class PermutationResult:
    """What the test says.

    Attributes:
        p_value: one-sided: chance of a gain at least this large if old and new were exchangeable.
        permutations: swaps that were looked at.
        exact: whether these were all of them.
        differing: conversations in which old and new counts differ; only these can be swapped.
    """

    p_value: float
    permutations: int
    exact: bool
    differing: int


def level_of_try(try_number: int) -> float:
    """Return the level of the i-th try: 0.05 x 6 / (pi^2 i^2), which sums to 0.05 over all tries.

    Raises:
        ValueError: tries are counted from 1.
    """
    if try_number < 1:
        raise ValueError(f"tries are counted from 1, not {try_number}")
    return FAMILY_LEVEL * 6 / (math.pi**2 * try_number**2)


def swap_test(
    old: Sequence[Counts], new: Sequence[Counts], *, level: float, seed: int
) -> PermutationResult:
    """Test whether the new micro-F1 is higher, swapping old and new within conversations.

    Args:
        old: counts by conversation.
        new: counts of the same conversations in the same order.
        level: that the p-value will be held against; decides how many swaps are sampled.
        seed: of the sampling (PCG64); the same seed gives the same p-value.
    """
    pairs = np.array(
        [[_sums(before), _sums(after)] for before, after in zip(old, new, strict=True)]
    )
    differing = pairs[(pairs[:, 0] != pairs[:, 1]).any(axis=1)] if len(pairs) else pairs
    if len(differing) == 0:
        return PermutationResult(p_value=1.0, permutations=1, exact=True, differing=0)
    totals = pairs.sum(axis=0)
    observed = _gain(totals[1], totals[0])
    # Swapping conversation j moves (new - old) of it from the new sum to the old one.
    moves = differing[:, 1] - differing[:, 0]
    if len(differing) <= EXACT_PAIRS:
        swaps = _all_swaps(len(differing))
        extreme = _count_extreme(swaps, moves, totals, observed)
        return PermutationResult(
            p_value=extreme / len(swaps),
            permutations=len(swaps),
            exact=True,
            differing=len(differing),
        )
    wanted = math.ceil(_PERMUTATIONS_PER_LEVEL / level)
    permutations = min(max(wanted, MIN_PERMUTATIONS), MAX_PERMUTATIONS)
    extreme = _sample_extreme(moves, totals, observed, permutations, seed)
    return PermutationResult(
        p_value=(extreme + 1) / (permutations + 1),
        permutations=permutations,
        exact=False,
        differing=len(differing),
    )


def _sums(counts: Counts) -> tuple[int, int]:
    """Return what F1 needs, additive over conversations: 2 TP, and 2 TP + FP + FN."""
    hits = 2 * counts.true_positives
    return hits, hits + counts.false_positives + counts.false_negatives


def _gain(new: NDArray[np.int64], old: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return F1(new) - F1(old) of sums in the last axis; 0/0 counts as 1."""
    return _f1(new) - _f1(old)


def _f1(sums: NDArray[np.int64]) -> NDArray[np.float64]:
    whole = sums[..., 1]
    return np.where(whole == 0, 1.0, sums[..., 0] / np.maximum(whole, 1))


def _all_swaps(count: int) -> NDArray[np.int64]:
    numbers = np.arange(2**count, dtype=np.int64)
    return (numbers[:, None] >> np.arange(count)) & 1


def _count_extreme(
    swaps: NDArray[np.int64],
    moves: NDArray[np.int64],
    totals: NDArray[np.int64],
    observed: NDArray[np.float64],
) -> int:
    moved = swaps @ moves
    gains = _gain(totals[1] - moved, totals[0] + moved)
    return int(np.count_nonzero(gains >= observed - _TIE))


def _sample_extreme(
    moves: NDArray[np.int64],
    totals: NDArray[np.int64],
    observed: NDArray[np.float64],
    permutations: int,
    seed: int,
) -> int:
    generator = np.random.Generator(np.random.PCG64(seed))
    rows = max(_CHUNK_SWAPS // len(moves), 1)
    extreme = 0
    for start in range(0, permutations, rows):
        shape = (min(rows, permutations - start), len(moves))
        swaps = generator.integers(0, 2, size=shape, dtype=np.int64)
        extreme += _count_extreme(swaps, moves, totals, observed)
    return extreme
