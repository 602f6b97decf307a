"""Orders: what an agent buys when it pays for an improvement (design, section 8).

submitted -> escrowed -> ingested -> synthesizing -> validating -> published -> deployed -> settled
                                         `-> rejected -> settled
             before publication, when the service itself fails:   failed -> refunded
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class OrderState(StrEnum):
    """Where an order is. `submitted` is over when the order is first seen: escrow takes it on."""

    ESCROWED = "escrowed"
    INGESTED = "ingested"
    SYNTHESIZING = "synthesizing"
    VALIDATING = "validating"
    PUBLISHED = "published"
    DEPLOYED = "deployed"
    REJECTED = "rejected"
    FAILED = "failed"
    SETTLED = "settled"
    REFUNDED = "refunded"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to the order."""
        return self in (OrderState.SETTLED, OrderState.REFUNDED)


class Outcome(StrEnum):
    """How an order ended."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FAILED = "failed"


class Deployment(StrEnum):
    """What happens to a version that passed."""

    DEPLOY = "deploy"  # promoted in the order's channel
    PROPOSE = "propose"  # published and listed only


class FileRole(StrEnum):
    """What a file that is kept with an order is to it."""

    ARTIFACT = "artifact"  # as the buyer runs it
    TRACES = "traces"
    CANDIDATE = "candidate"  # made elsewhere
    FINALIST = "finalist"  # what is judged


@dataclass(frozen=True, kw_only=True)
class OrderRequest:
    """What a buyer asks for, past the parsing of its parts.

    Attributes:
        artifact: ``namespace/name``.
        channel: whose head is the incumbent, and which moves when the candidate passes.
        gold: digest of the frozen dataset that judges.
        max_price_utok: what the order may cost at most, fee included.
        deployment: whether a version that passes is promoted.
        synthesizer: name of a registered synthesizer, or ``candidate`` for one made elsewhere.
        metrics: named numbers that the buyer adds to those computed from the traces.
        model: the catalogue's name of the model that the synthesizer asks, "" for none.
    """

    artifact: str
    channel: str
    gold: str
    max_price_utok: int
    deployment: Deployment
    synthesizer: str
    metrics: dict[str, float] = field(default_factory=dict)
    model: str = ""


@dataclass(frozen=True, kw_only=True)
class OrderMoney:
    """What became of the escrow, in micro-tokens.

    ``escrowed = fee + metered + returned``; ``refunded`` is what the buyer got back in all:
    `returned` from escrow and, after a failure of the service, `metered` from the reserve, less
    what is `repaid` of what observe-only mode had `lent` for the escrow; never below zero, since
    what lent tokens would pay of a fee or premium is repaid too.
    """

    escrowed_utok: int
    fee_utok: int = 0
    metered_utok: int = 0
    returned_utok: int = 0
    compensated_utok: int = 0
    lent_utok: int = 0
    repaid_utok: int = 0

    @property
    def price_utok(self) -> int:
        """What the order cost, whoever paid it."""
        return self.fee_utok + self.metered_utok - self.compensated_utok

    @property
    def refunded_utok(self) -> int:
        """What the buyer got back."""
        return max(0, self.returned_utok + self.compensated_utok - self.repaid_utok)

    @property
    def owed_utok(self) -> int:
        """What was lent and not given back: with it, observe-only mode paid for the buyer."""
        return self.lent_utok - self.repaid_utok


@dataclass(frozen=True, kw_only=True)
class Order:
    """An order as the record has it.

    Attributes:
        payer: owner of the wallet that paid.
        budget: whose treasury takes the fee and whose root bears the fiat.
        outcome: how it ended; None while it runs.
        reason: why it was rejected or failed; "" otherwise.
        version: digest and number of what was published.
        listing_utok: what the version is listed at.
        summary: what each stage found out, by stage; never anything of the holdout's cases.
    """

    id: str
    request: OrderRequest
    payer: str
    budget: str
    principal: str
    state: OrderState
    money: OrderMoney
    quote: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    outcome: Outcome | None = None
    reason: str = ""
    version_digest: str | None = None
    version_number: int | None = None
    listing_utok: int | None = None
    summary: dict[str, Any] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        """The namespace that owns the artifact."""
        return self.request.artifact.partition("/")[0]


@dataclass(frozen=True, kw_only=True)
class OrderTerms:
    """The house's settings for orders.

    Attributes:
        threshold_utok: C_dev of the paper's section 7.1.
        fee_utok: what an accepted order pays beyond what was metered.
        synthesis_session_s: how long a synthesizer may hold a sandbox, at most.
        validation_session_s: how long each of finalist and incumbent may, on the holdout.
        judged_case_ms: what sandbox time a judged case is billed at, however long it takes.
        synthesis_case_runs: how many dev-case runs a search may spend: it bounds the search, so
            that the same order gives the same result on a faster or slower machine.
        duplicate_threshold: how alike another owner's version may not be, 0 to 1.
        refuses_duplicates: whether a submission that is so alike is refused; else the order only
            records it.
        attempts: how often a piece of work is tried when the service itself fails at it.
        model_call_s: how long one call of a language model may take.
        model_tokens: most tokens, sent and received, that one attempt at a piece of work may use.
        model_tries: how often a call is made that the provider refused without a bill.
        synthesis_model: the model that a synthesizer asks where the buyer names none.
    """

    threshold_utok: int = 100_000_000
    fee_utok: int = 5_000_000
    synthesis_session_s: int = 300
    validation_session_s: int = 60
    judged_case_ms: int = 20
    synthesis_case_runs: int = 12_000
    duplicate_threshold: float = 0.8
    refuses_duplicates: bool = True
    attempts: int = 3
    model_call_s: float = 60.0
    model_tokens: int = 1_000_000
    model_tries: int = 3
    synthesis_model: str = ""


@dataclass(frozen=True, kw_only=True)
class WorkKey:
    """Names one attempt at one piece of an order's work, the same after every restart."""

    order_id: str
    stage: str
    round: int
    attempt: int

    @property
    def attempt_id(self) -> str:
        """Identifier of the attempt in the ledger and in the record of work."""
        return f"{self.order_id}:{self.stage}:{self.round}:{self.attempt}"
