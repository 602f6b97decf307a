"""What an operator may set about the market, with defaults that pass the stability guard."""

from dataclasses import dataclass
from fractions import Fraction

from market.domain import SENSITIVITY_MAX, PriceRules, Resource
from market.errors import BadMarketSettingsError
from market.stability import DemandBounds, require_stable

SANDBOX_SECOND = "sandbox-second"
JUDGED_CASE = "judged-case"

DEFAULT_RESOURCES = (
    Resource(
        name=SANDBOX_SECOND,
        unit="second of one sandbox",
        base_price_pusd=100_000_000,  # 0.0001 USD
        capacity=8,
        sensitivity=Fraction(1),
    ),
    Resource(
        name=JUDGED_CASE,
        unit="gold case judged once",
        base_price_pusd=2_000_000,  # 0.000002 USD
        capacity=1_000,
        sensitivity=Fraction(1),
    ),
)
DEFAULT_SMOOTHING = Fraction(3, 10)
DEFAULT_TICK_INTERVAL_S = 60
DEFAULT_BOUNDS = DemandBounds(
    agents_max=100,
    # The odds of choosing a sandbox fall e-fold when its price rises by once its base price.
    response_per_usd=Fraction(10_000),
)


@dataclass(frozen=True, kw_only=True)
class ListingSettings:
    """How validated versions are priced (design, section 4).

    Attributes:
        expected_licences: over how many licences the cost of making a version is spread.
        licences_on_offer: L of equation (2), the operator's cap on licences per window.
        sensitivity: k of equation (2).
    """

    expected_licences: int = 10
    licences_on_offer: int = 100
    sensitivity: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        """Refuse terms under which nothing could be sold.

        Raises:
            BadMarketSettingsError: a field is outside its limits.
        """
        if self.expected_licences <= 0 or self.licences_on_offer <= 0:
            raise BadMarketSettingsError("expected_licences and licences_on_offer start at 1")
        if not 0 < self.sensitivity <= SENSITIVITY_MAX:
            raise BadMarketSettingsError(
                f"the listing sensitivity must be above 0 and at most {SENSITIVITY_MAX}, not"
                f" {self.sensitivity}"
            )


@dataclass(frozen=True, kw_only=True)
class MarketSettings:
    """The market's settings; constructing them runs the stability guard.

    Attributes:
        resources: what is priced.
        smoothing: omega of the paper's section 6.2.
        tick_interval_s: time between two ticks.
        bounds: the most demand that the operator vouches for.
        listing: how versions are priced.
    """

    resources: tuple[Resource, ...] = DEFAULT_RESOURCES
    smoothing: Fraction = DEFAULT_SMOOTHING
    tick_interval_s: int = DEFAULT_TICK_INTERVAL_S
    bounds: DemandBounds = DEFAULT_BOUNDS
    listing: ListingSettings = ListingSettings()

    def __post_init__(self) -> None:
        """Refuse settings that no market can run on.

        Raises:
            BadMarketSettingsError: a value is outside its limits.
            UnstableSettingsError: prices would oscillate within the bounds.
        """
        require_stable(self.rules, self.bounds)

    @property
    def rules(self) -> PriceRules:
        """The part that prices are computed from."""
        return PriceRules(
            resources=self.resources,
            smoothing=self.smoothing,
            tick_interval_s=self.tick_interval_s,
        )
