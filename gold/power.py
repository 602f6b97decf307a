"""How many conversations a wanted power needs.

A planning figure: conversations are taken as won, lost or equal, and McNemar's test on them
stands for the swap test on F1, which it equals when every differing conversation differs by the
same amount (normal approximation of Connor, Biometrics 43, 1987).
"""

import math
from statistics import NormalDist

from gold.permutation import level_of_try

_STANDARD_NORMAL = NormalDist()


def power(
    *, conversations: int, win_share: float, loss_share: float, try_number: int = 1
) -> float:
    """Return the chance that the test at this try's level accepts.

    Args:
        conversations: in the holdout.
        win_share: share of conversations in which the candidate is better, in truth.
        loss_share: share in which it is worse, in truth.
        try_number: which try on the holdout it is, from 1.

    Raises:
        ValueError: the shares are no shares, or the candidate is not better.
    """
    gain, differing = _gain(win_share, loss_share)
    threshold = -_STANDARD_NORMAL.inv_cdf(level_of_try(try_number)) * math.sqrt(differing)
    distance = gain * math.sqrt(conversations) - threshold
    spread = math.sqrt(differing - gain**2)
    if spread == 0:  # it wins every conversation
        return float(distance >= 0)
    return _STANDARD_NORMAL.cdf(distance / spread)


def conversations_needed(
    *, win_share: float, loss_share: float, wanted_power: float = 0.8, try_number: int = 1
) -> int:
    """Return the fewest conversations with the wanted power; arguments as in `power`.

    Raises:
        ValueError: the shares are no shares, or the candidate is not better.
    """
    gain, differing = _gain(win_share, loss_share)
    level_quantile = -_STANDARD_NORMAL.inv_cdf(level_of_try(try_number))
    power_quantile = _STANDARD_NORMAL.inv_cdf(wanted_power)
    spread = math.sqrt(differing - gain**2)
    root = (level_quantile * math.sqrt(differing) + power_quantile * spread) / gain
    # n wins to none have the p-value 1/2^n: fewer differing conversations can never be enough.
    fewest_differing = math.ceil(-math.log2(level_of_try(try_number)))
    return max(math.ceil(root**2), math.ceil(fewest_differing / differing))


def _gain(win_share: float, loss_share: float) -> tuple[float, float]:
    if min(win_share, loss_share) < 0 or win_share + loss_share > 1:
        raise ValueError(f"{win_share} and {loss_share} are no shares of one whole")
    if win_share <= loss_share:
        raise ValueError("a candidate that is not better needs no test: it fails")
    return win_share - loss_share, win_share + loss_share
