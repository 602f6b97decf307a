"""The stability guard: refuses settings under which prices and demand would chase each other.

Agents answer prices by a logit rule with slope tau, prices answer demand by equation (2) smoothed
with omega. With g_r = k * P_base,r / L_r, g = g_A + g_B and S = tau * g * N * x * (1 - x), where x
is the share of agents on one resource, the coupled map of two resources has the slope
1 - omega * (1 + S) at its equilibrium, and is locally stable iff

    omega * (1 + S) < 2        (exact; S is largest, tau * g * N / 4, at x = 1/2)

The paper's equation (7), omega * tau * g * N / 4 < 1, is sufficient for it, as omega < 1. With
more resources, g is that of the two steepest. One resource competes with staying away, whose
price does not move: g is its own. All of it is exact arithmetic.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from core.money import NUSD_PER_USD, PUSD_PER_NUSD
from market.domain import PriceRules, Resource
from market.errors import BadMarketSettingsError, UnstableSettingsError

EXACT_LIMIT = Fraction(2)
EQUATION_7_LIMIT = Fraction(1)
EVEN_SHARE = Fraction(1, 2)
"""Where demand answers prices most: half of the agents on either side."""

_PUSD_PER_USD = PUSD_PER_NUSD * NUSD_PER_USD


class StabilityCondition(StrEnum):
    """Which form of the law decides."""

    ONE_RESOURCE = "one_resource"
    TWO_RESOURCES = "two_resources"
    MANY_RESOURCES = "many_resources"


@dataclass(frozen=True, kw_only=True)
class DemandBounds:
    """The most demand that an operator vouches for.

    Attributes:
        agents_max: N, agents that choose between resources at once.
        response_per_usd: tau, by how much the logarithm of the odds of choosing a resource falls
            for each US dollar that its unit costs more.
    """

    agents_max: int
    response_per_usd: Fraction

    def __post_init__(self) -> None:
        """Refuse bounds that bound nothing.

        Raises:
            BadMarketSettingsError: one of them is not positive.
        """
        if self.agents_max <= 0 or self.response_per_usd <= 0:
            raise BadMarketSettingsError("demand bounds (agents and response) must be positive")


@dataclass(frozen=True, kw_only=True)
class StabilityVerdict:
    """What the guard found.

    Attributes:
        condition: which form of the law decided.
        gain: S at the worst share.
        load: omega * (1 + S), the law's left side.
        smoothing_below: the omega from which on these resources would oscillate.
        meets_equation_7: whether the paper's sufficient condition holds too.
    """

    condition: StabilityCondition
    gain: Fraction
    load: Fraction
    smoothing_below: Fraction
    meets_equation_7: bool

    @property
    def stable(self) -> bool:
        """Whether the law holds."""
        return self.load < EXACT_LIMIT


def congestion_slope_usd(resource: Resource) -> Fraction:
    """Return g_r: by how many US dollars one more active unit raises the price of a unit."""
    base_usd = Fraction(resource.base_price_pusd, _PUSD_PER_USD)
    return resource.sensitivity * base_usd / resource.capacity


def demand_gain(
    slopes_usd: Sequence[Fraction], bounds: DemandBounds, *, share: Fraction = EVEN_SHARE
) -> Fraction:
    """Return S of the two steepest slopes when `share` of the agents use one of the two."""
    slope_usd = sum(sorted(slopes_usd)[-2:], Fraction(0))
    return bounds.response_per_usd * slope_usd * bounds.agents_max * share * (1 - share)


def exact_load(smoothing: Fraction, gain: Fraction) -> Fraction:
    """Return omega * (1 + S): stable iff below `EXACT_LIMIT`."""
    return smoothing * (1 + gain)


def equation_7_load(smoothing: Fraction, worst_gain: Fraction) -> Fraction:
    """Return the left side of the paper's (7): below `EQUATION_7_LIMIT` is sufficient."""
    return smoothing * worst_gain


def judge_stability(rules: PriceRules, bounds: DemandBounds) -> StabilityVerdict:
    """Apply the law at the worst share of agents that the bounds allow."""
    gain = demand_gain([congestion_slope_usd(resource) for resource in rules.resources], bounds)
    return StabilityVerdict(
        condition=_condition(len(rules.resources)),
        gain=gain,
        load=exact_load(rules.smoothing, gain),
        smoothing_below=EXACT_LIMIT / (1 + gain),
        meets_equation_7=equation_7_load(rules.smoothing, gain) < EQUATION_7_LIMIT,
    )


def require_stable(rules: PriceRules, bounds: DemandBounds) -> None:
    """Let only rules pass that cannot oscillate within the bounds.

    Raises:
        UnstableSettingsError: says which condition fails, by how much, and what would do.
    """
    verdict = judge_stability(rules, bounds)
    if verdict.stable:
        return
    excess = verdict.load - EXACT_LIMIT
    raise UnstableSettingsError(
        f"prices would oscillate: omega (1 + tau N g / 4) is {_decimal(verdict.load)}, which must"
        f" be below {EXACT_LIMIT} ({verdict.condition.value}, tau ="
        f" {_decimal(bounds.response_per_usd)} per USD, N = {bounds.agents_max}); lower smoothing"
        f" from {_decimal(rules.smoothing)} to below {_decimal(verdict.smoothing_below)}, lower"
        " the sensitivity, or raise the capacity",
        condition=verdict.condition.value,
        load=_decimal(verdict.load),
        limit=_decimal(EXACT_LIMIT),
        excess=_decimal(excess),
        smoothing_below=_decimal(verdict.smoothing_below),
    )


def _condition(resources: int) -> StabilityCondition:
    if resources == 1:
        return StabilityCondition.ONE_RESOURCE
    if resources == 2:  # noqa: PLR2004 - two is what the law is named after
        return StabilityCondition.TWO_RESOURCES
    return StabilityCondition.MANY_RESOURCES


def _decimal(value: Fraction) -> str:
    return f"{float(value):.6g}"
