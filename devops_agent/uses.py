"""What work uses, and what that costs: sandbox time, judged cases, tokens of a model."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from core.money import PUSD_PER_NUSD, ExchangeRate, ceil_div
from devops_agent.domain import OrderTerms
from ledger import UsageLine
from market import JUDGED_CASE, SANDBOX_SECOND, PriceVector, input_resource, output_resource

MS_PER_S = 1000

SEARCH_MIN_MS = 5_000
"""A shorter sandbox session would end before a search could find anything."""

JUDGED_ARTIFACTS = 2
"""Finalist and incumbent; where there is no incumbent, the price is the same."""


@dataclass(frozen=True, kw_only=True)
class Use:
    """What a piece of work uses: milliseconds of one sandbox, cases judged, tokens of a model."""

    sandbox_ms: int = 0
    judged_cases: int = 0
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0

    def to_json(self) -> dict[str, int]:
        """Write for the record."""
        return asdict(self)


NOTHING = Use()


def judging_charge(terms: OrderTerms, *, holdout_cases: int) -> Use:
    """Return what judging finalist and incumbent is billed at: known before anything runs.

    What it took in truth is no one's business: a candidate that sleeps for as long as a secret
    says would tell it by the bill. The machines are the house's own, which bears the difference.
    """
    runs = JUDGED_ARTIFACTS * holdout_cases
    return Use(sandbox_ms=runs * terms.judged_case_ms, judged_cases=runs)


def judging_reserve(terms: OrderTerms, *, holdout_cases: int) -> Use:
    """Return what an escrow keeps aside for judging until the search has ended.

    Prices follow use, and may have doubled by then (k = 1, from an idle market to a full one).
    """
    charge = judging_charge(terms, holdout_cases=holdout_cases)
    return Use(sandbox_ms=2 * charge.sandbox_ms, judged_cases=2 * charge.judged_cases)


def usage_lines(vector: PriceVector, use: Use) -> list[UsageLine]:
    """Price a use by its smallest metered units: a millisecond, a case, a token."""
    amounts = (
        (SANDBOX_SECOND, use.sandbox_ms, "millisecond", MS_PER_S),
        (JUDGED_CASE, use.judged_cases, "case", 1),
        (input_resource(use.model), use.input_tokens, "token", 1),
        (output_resource(use.model), use.output_tokens, "token", 1),
    )
    return [
        UsageLine(
            resource=resource,
            quantity=quantity,
            unit=unit,
            base_price_pusd=ceil_div(vector.price(resource).base_price_pusd, units_per_unit),
            unit_price_pusd=ceil_div(vector.price(resource).price_pusd, units_per_unit),
            price_tick=vector.sequence,
        )
        for resource, quantity, unit, units_per_unit in amounts
        if quantity
    ]


def cost_nusd(lines: Sequence[UsageLine]) -> int:
    """Return what metered lines cost the operator, in nusd: their base prices, rounded up."""
    return ceil_div(sum(line.quantity * line.base_price_pusd for line in lines), PUSD_PER_NUSD)


def price_utok(lines: Sequence[UsageLine], rate: ExchangeRate) -> int:
    """Return what metered lines cost the buyer, in utok: their market prices, rounded up."""
    total = sum(line.quantity * line.unit_price_pusd for line in lines)
    return rate.utok_ceil(ceil_div(total, PUSD_PER_NUSD))
