import itertools
import math
import random
from collections.abc import Sequence

import pytest

from gold import Counts, conversations_needed, level_of_try, power
from gold.permutation import EXACT_PAIRS, MIN_PERMUTATIONS, PermutationResult, swap_test

ENTITIES = 4


def counts(hits: int, wrong: int = 0) -> Counts:
    return Counts(true_positives=hits, false_positives=wrong, false_negatives=ENTITIES - hits)


def run(old: Sequence[Counts], new: Sequence[Counts], seed: int = 0) -> PermutationResult:
    return swap_test(old, new, level=level_of_try(1), seed=seed)


def brute_force_p_value(old: Sequence[Counts], new: Sequence[Counts]) -> float:
    """List every swap in exact fractions."""

    def gain(pairs: Sequence[tuple[Counts, Counts]]) -> object:
        after = sum((pair[1] for pair in pairs), Counts()).f1.fraction
        return after - sum((pair[0] for pair in pairs), Counts()).f1.fraction

    pairs = list(zip(old, new, strict=True))
    observed = gain(pairs)
    choices = itertools.product([False, True], repeat=len(pairs))
    gains = [
        gain([pair[::-1] if swap else pair for pair, swap in zip(pairs, choice, strict=True)])
        for choice in choices
    ]
    return sum(value >= observed for value in gains) / len(gains)  # type: ignore[operator]


@pytest.mark.parametrize(("wins", "p_value"), [(4, 0.0625), (5, 0.03125), (6, 0.015625)])
def test_wins_to_none_have_mcnemars_p_value(wins: int, p_value: float) -> None:
    ties = [counts(3)] * 7
    result = run([*[counts(2)] * wins, *ties], [*[counts(3)] * wins, *ties])
    assert result == PermutationResult(
        p_value=p_value, permutations=2**wins, exact=True, differing=wins
    )


def test_the_exact_test_equals_listing_every_swap() -> None:
    chance = random.Random(5)
    for _ in range(10):
        old = [counts(chance.randint(0, 4), chance.randint(0, 2)) for _ in range(7)]
        new = [counts(chance.randint(0, 4), chance.randint(0, 2)) for _ in range(7)]
        assert run(old, new).p_value == brute_force_p_value(old, new)


def test_sampling_agrees_with_the_binomial_tail() -> None:
    """Gains and losses of one entity each: the swap test is then the sign test."""
    wins, losses = 13, 6
    new = [counts(3)] * wins + [counts(1)] * losses
    sampled = run([counts(2)] * len(new), new)
    tail = sum(math.comb(len(new), k) for k in range(wins, len(new) + 1)) / 2 ** len(new)
    assert len(new) > EXACT_PAIRS
    assert not sampled.exact
    assert sampled.permutations == MIN_PERMUTATIONS
    assert sampled.p_value == pytest.approx(tail, abs=0.01)


def test_sampling_has_the_plus_one_correction_and_a_seed() -> None:
    old, new = [counts(0)] * 60, [counts(4)] * 60
    first = run(old, new, seed=1)
    assert first.p_value == 1 / (MIN_PERMUTATIONS + 1)
    chance = random.Random(2)
    mixed = [counts(chance.randint(0, 4)) for _ in range(60)]
    assert run(mixed, new[:30] + old[30:], 1) == run(mixed, new[:30] + old[30:], 1)


def test_a_later_try_samples_more_swaps() -> None:
    old, new = [counts(1)] * 40, [counts(2)] * 40
    late = swap_test(old, new, level=level_of_try(12), seed=1)
    assert late.permutations > MIN_PERMUTATIONS
    assert late.p_value <= level_of_try(12)


def test_no_difference_is_no_evidence() -> None:
    assert run([counts(2)] * 9, [counts(2)] * 9).p_value == 1.0
    assert run([], []).p_value == 1.0


def test_conversations_must_be_paired() -> None:
    with pytest.raises(ValueError, match="argument"):
        run([counts(1)] * 3, [counts(1)] * 2)


def test_levels_sum_to_the_family_level() -> None:
    assert level_of_try(1) == pytest.approx(0.05 * 6 / math.pi**2)
    assert level_of_try(4) == pytest.approx(level_of_try(1) / 16)
    assert sum(level_of_try(number) for number in range(1, 20_000)) < 0.05
    with pytest.raises(ValueError, match="from 1"):
        level_of_try(0)


def simulate(conversations: int, win: float, loss: float, trials: int, seed: int) -> float:
    """Return how often the test accepts; every win and loss is one entity of four."""
    chance = random.Random(seed)
    accepted = 0
    for _ in range(trials):
        draws = [chance.random() for _ in range(conversations)]
        new = [counts(3 if draw < win else 1 if draw < win + loss else 2) for draw in draws]
        old = [counts(2)] * conversations
        accepted += run(old, new, seed=chance.getrandbits(32)).p_value <= level_of_try(1)
    return accepted / trials


def test_the_test_keeps_its_level_when_nothing_improved() -> None:
    trials = 400
    rate = simulate(conversations=13, win=0.3, loss=0.3, trials=trials, seed=11)
    level = level_of_try(1)
    assert rate <= level + 3 * math.sqrt(level / trials)


def test_power_is_as_computed() -> None:
    needed = conversations_needed(win_share=0.35, loss_share=0.1)
    rate = simulate(conversations=needed, win=0.35, loss=0.1, trials=60, seed=4)
    assert power(conversations=needed, win_share=0.35, loss_share=0.1) == pytest.approx(
        0.8, abs=0.01
    )
    assert rate == pytest.approx(0.8, abs=0.15)


def test_later_tries_and_smaller_gains_need_more_conversations() -> None:
    plain = conversations_needed(win_share=0.2, loss_share=0.05)
    assert conversations_needed(win_share=0.2, loss_share=0.05, try_number=5) > plain
    assert conversations_needed(win_share=0.15, loss_share=0.05) > plain
    assert conversations_needed(win_share=0.2, loss_share=0.05, wanted_power=0.95) > plain


def test_all_wins_still_need_enough_of_them() -> None:
    assert conversations_needed(win_share=1.0, loss_share=0.0) == 6
    assert power(conversations=200, win_share=1.0, loss_share=0.0) == 1.0


@pytest.mark.parametrize(("win", "loss"), [(0.1, 0.1), (0.1, 0.2), (-0.1, 0.0), (0.8, 0.3)])
def test_shares_without_a_gain_are_refused(win: float, loss: float) -> None:
    with pytest.raises(ValueError, match=r"shares|better"):
        conversations_needed(win_share=win, loss_share=loss)
