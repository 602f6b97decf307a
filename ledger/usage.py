"""What attempts used and what that costs: the paper's ledger row (section 3.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from core.ids import dated_id
from core.money import MAX_AMOUNT, PUSD_PER_NUSD, ceil_div
from ledger.attempts import Attempt
from ledger.errors import UsageError

MAX_LINES = 100
"""Usage lines of one attempt."""


@dataclass(frozen=True, kw_only=True)
class UsageLine:
    """One resource that an attempt used.

    Attributes:
        resource: r in the paper's ledger row; priced by the market.
        quantity: in whole units of `unit`.
        base_price_pusd: fiat cost of one unit (P_base): what the provider bills.
        unit_price_pusd: market price of one unit (P), never below its base.
        price_tick: number of the ticker's tick that the price was taken from, if there is one.
        quality: Q, in 0..1, if it was evaluated.
        latency_ms: L, if it was measured.
        status: what became of the work: ``answered``, ``timeout``.
    """

    resource: str
    quantity: int
    unit: str
    base_price_pusd: int
    unit_price_pusd: int
    price_tick: int | None = None
    quality: float | None = None
    latency_ms: int | None = None
    status: str = "answered"

    def __post_init__(self) -> None:
        """Refuse what would make the market pay the buyer, or sell below cost."""
        if self.quantity < 0 or not 0 <= self.base_price_pusd <= self.unit_price_pusd:
            raise UsageError(
                f"usage of {self.resource} needs a quantity of 0 or more and a price of at least"
                f" its base: got {self.quantity} at {self.unit_price_pusd} pusd, base"
                f" {self.base_price_pusd} pusd"
            )
        if self.quantity * self.unit_price_pusd > MAX_AMOUNT:
            raise UsageError(f"usage of {self.resource} costs more than an account can hold")
        if self.quality is not None and not 0 <= self.quality <= 1:
            raise UsageError(f"quality is within 0..1, not {self.quality}")


@dataclass(frozen=True, kw_only=True)
class UsageRecord:
    """The paper's L = (t, i, r, qty, cost, Q, L, status), sealed in the log.

    Costs of an attempt's records add up to the attempt's; `transfers` are those that paid for it.
    """

    id: str
    attempt_id: str
    at: datetime
    owner: str
    resource: str
    provider: str
    quantity: int
    unit: str
    base_price_pusd: int
    unit_price_pusd: int
    price_tick: int | None
    utok_per_usd: int
    cost_nusd: int
    burn_utok: int
    charge_utok: int
    shortfall_utok: int
    quality: float | None
    latency_ms: int | None
    status: str
    budget: str
    payer: str
    reference: str
    transfers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Charge:
    """What a number of usage lines cost together.

    Attributes:
        cost_nusd: fiat, rounded up once.
        burn_utok: ceil(kappa x cost), where the cost counts up to the bound.
        charge_utok: what the payer pays: at least the burn, at most its bound.
    """

    cost_nusd: int
    burn_utok: int
    charge_utok: int

    def less(self, other: "Charge") -> "Charge":
        """Return the difference to a smaller charge."""
        return Charge(
            cost_nusd=self.cost_nusd - other.cost_nusd,
            burn_utok=self.burn_utok - other.burn_utok,
            charge_utok=self.charge_utok - other.charge_utok,
        )


def charge_of(attempt: Attempt, lines: Sequence[UsageLine]) -> Charge:
    """Return what the lines cost together under the attempt's rate and bounds."""
    cost_nusd = ceil_div(
        sum(line.quantity * line.base_price_pusd for line in lines), PUSD_PER_NUSD
    )
    price_nusd = ceil_div(
        sum(line.quantity * line.unit_price_pusd for line in lines), PUSD_PER_NUSD
    )
    return Charge(
        cost_nusd=cost_nusd,
        burn_utok=attempt.rate.utok_ceil(min(cost_nusd, attempt.bound_nusd)),
        charge_utok=min(attempt.rate.utok_ceil(price_nusd), attempt.bound_utok),
    )


def line_charges(attempt: Attempt, lines: Sequence[UsageLine]) -> list[Charge]:
    """Split the whole charge over its lines, to the smallest unit.

    Each line bears what the charge grows by with it, so the parts add up to the whole.
    """
    grown = [charge_of(attempt, lines[:count]) for count in range(len(lines) + 1)]
    return [after.less(before) for before, after in pairwise(grown)]


def records_of(
    attempt: Attempt, lines: Sequence[UsageLine], *, transfers: tuple[str, ...], at: datetime
) -> list[UsageRecord]:
    """Return the usage records of a settled attempt, one for each line."""
    return [
        UsageRecord(
            id=usage_id(attempt.id, number, at=at),
            attempt_id=attempt.id,
            at=at,
            owner=attempt.owner,
            provider=attempt.provider,
            utok_per_usd=attempt.utok_per_usd,
            **vars(charge),
            **vars(line),
            shortfall_utok=0,
            budget=attempt.budget,
            payer=attempt.payer,
            reference=attempt.reference,
            transfers=transfers,
        )
        for number, (line, charge) in enumerate(
            zip(lines, line_charges(attempt, lines), strict=True)
        )
    ]


def record_of_loss(attempt: Attempt, *, transfers: tuple[str, ...]) -> UsageRecord:
    """Return the usage record of a lost attempt: its bound stands for its cost."""
    at = attempt.ended_at or attempt.admitted_at
    return UsageRecord(
        id=usage_id(attempt.id, 0, at=at),
        attempt_id=attempt.id,
        at=at,
        owner=attempt.owner,
        resource=attempt.resource,
        provider=attempt.provider,
        quantity=0,
        unit="unknown",
        base_price_pusd=0,
        unit_price_pusd=0,
        price_tick=None,
        utok_per_usd=attempt.utok_per_usd,
        cost_nusd=attempt.cost_nusd,
        burn_utok=attempt.burn_utok,
        charge_utok=0,
        shortfall_utok=attempt.shortfall_utok,
        quality=None,
        latency_ms=None,
        status="unknown",
        budget=attempt.budget,
        payer=attempt.payer,
        reference=attempt.reference,
        transfers=transfers,
    )


def usage_id(attempt_id: str, number: int, *, at: datetime) -> str:
    """Return the identifier of a usage record: of an attempt that ended then, numbered from 0."""
    return dated_id("use", at, attempt_id, str(number))
