"""Macroeconomic figures of the ledger (paper, section 3.2: "volatility, concentration")."""

from collections.abc import Sequence
from fractions import Fraction


def gini(balances: Sequence[int]) -> float | None:
    """Return the Gini coefficient of balances that are zero or more.

    G = sum over all pairs |x_i - x_j| / (2 n^2 mean), the mean absolute difference relative to
    twice the mean: 0 where all have the same, (n - 1) / n where one has all. Computed exactly from
    the sorted balances as G = 2 sum(i x_i) / (n sum(x)) - (n + 1) / n. It is the concentration
    that the paper's section 3.2 wants of the ledger, and a signal of monetary policy (section
    4.3). None where there is nothing to share.
    """
    total, count = sum(balances), len(balances)
    if not total:
        return None
    ranked = sum(rank * balance for rank, balance in enumerate(sorted(balances), start=1))
    return float(Fraction(2 * ranked, count * total) - Fraction(count + 1, count))


def velocity(spent_utok: int, mean_money_utok: Fraction) -> float | None:
    """Return how often a token changed hands for something in a window: V = T / M.

    Fisher's equation of exchange, M V = P T: T is what wallets paid out in the window, and M the
    mean of all tokens outside the contra accounts over it (the monetary mass of the paper's
    section 4.3). None where there was no money.
    """
    return float(spent_utok / mean_money_utok) if mean_money_utok else None
