"""What attempts post, to the last field: fiat and tokens part here."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.money import MAX_AMOUNT, ExchangeRate
from ledger import (
    AttemptRequest,
    AttemptStatus,
    Budget,
    Hold,
    IssuanceDecision,
    Move,
    PostHold,
    UnboundedCostError,
    VoidHold,
)
from ledger.attempts import (
    Attempt,
    Billing,
    Lack,
    admission,
    admitted,
    check_bounds,
    giving_back,
    lent_premium_utok,
    loss,
    release,
    settlement,
)

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
DAY = "2026-01-05"
FIAT = f"fiat-budget:acme:{DAY}"
REQUEST = AttemptRequest(
    attempt_id="try",
    budget="acme.bot",
    owner="acme.bot",
    payer="escrow:o",
    provider="openai",
    resource="llm-token",
    bound_nusd=1_000,
    bound_utok=2_000,
    reference="order",
)
ATTEMPT = Attempt(
    id="try",
    budget="acme.bot",
    budget_path="acme/acme.bot",
    day=DAY,
    fiat_account=FIAT,
    owner="acme.bot",
    payer="escrow:o",
    provider="openai",
    resource="llm-token",
    reference="order",
    bound_nusd=1_000,
    bound_utok=2_000,
    utok_per_usd=1_500_000_000,
    fiat_hold_id="fiat-hold",
    token_hold_id="token-hold",
    status=AttemptStatus.ADMITTED,
    liability_nusd=1_000,
    admitted_at=NOW,
)


LENT = replace(
    ATTEMPT,
    overdraft_utok=4,
    overrun_nusd=3,
    let_pass=("budget_exhausted", "insufficient_funds"),
)


def moved(debit: str, credit: str, amount: int, kind: str) -> Move:
    return Move(debit=debit, credit=credit, amount=amount, kind=kind, reference="try")


def test_admission_holds_fiat_first_and_then_tokens() -> None:
    batch = admission(REQUEST, FIAT)
    assert (batch.key, batch.is_atomic) == ("try:admit", True)
    assert batch.commands == (
        Hold(
            debit=FIAT,
            credit="fiat-spent:openai",
            amount=1_000,
            kind="metered_cost",
            reference="try",
        ),
        Hold(debit="escrow:o", credit="burn", amount=2_000, kind="metered_burn", reference="try"),
    )


def test_an_admitted_attempt_remembers_its_day_its_rate_and_its_holds() -> None:
    budget = Budget(name="acme.bot", parent="acme", path="acme/acme.bot", time_zone="UTC", at=NOW)
    decision = IssuanceDecision(
        id=f"acme:{DAY}",
        budget="acme",
        day=DAY,
        daily_limit_nusd=5,
        utok_per_usd=1_500_000_000,
        circulating_utok=0,
        issued_utok=7,
        reserve_utok=0,
        transfers=(),
        at=NOW,
    )
    found = admitted(
        REQUEST,
        budget=budget,
        decision=decision,
        hold_ids=("fiat-hold", "token-hold"),
        lack=Lack(),
        at=NOW,
    )
    assert found == ATTEMPT
    lacking = admitted(
        REQUEST,
        budget=budget,
        decision=decision,
        hold_ids=("fiat-hold", "token-hold"),
        lack=Lack(limits=("acme.bot",), overrun_nusd=3, overdraft_utok=4),
        at=NOW,
    )
    assert lacking == LENT
    assert found.rate == ExchangeRate(utok_per_usd=1_500_000_000) == decision.rate


def test_settlement_posts_the_cost_burns_it_and_passes_the_premium_on() -> None:
    commands = settlement(ATTEMPT, Billing(posted_nusd=600), burn_utok=900, premium_utok=90)
    assert commands == (
        PostHold(hold_id="fiat-hold", amount=600),
        PostHold(hold_id="token-hold", amount=900),
        moved("escrow:o", "treasury:acme.bot", 90, "premium"),
    )


def test_what_was_not_used_is_freed_and_nothing_moves() -> None:
    assert settlement(ATTEMPT, Billing(posted_nusd=0), burn_utok=0, premium_utok=0) == (
        VoidHold(hold_id="fiat-hold"),
        VoidHold(hold_id="token-hold"),
    )
    assert release(ATTEMPT) == (VoidHold(hold_id="fiat-hold"), VoidHold(hold_id="token-hold"))


def test_overbilling_is_the_operators_loss_and_lowers_the_day() -> None:
    billing = Billing(posted_nusd=1_000, overbilled_nusd=50, recovered_nusd=20)
    assert settlement(ATTEMPT, billing, burn_utok=1, premium_utok=0) == (
        PostHold(hold_id="fiat-hold", amount=1_000),
        PostHold(hold_id="token-hold", amount=1),
        moved("operator-loss", "fiat-spent:openai", 50, "overbilled"),
        moved(FIAT, "operator-loss", 20, "overbilled_recovery"),
    )


def test_an_unknown_outcome_goes_to_suspense_and_the_reserve_burns() -> None:
    freed = (VoidHold(hold_id="fiat-hold"), VoidHold(hold_id="token-hold"))
    suspended = moved(FIAT, "suspense:openai", 1_000, "suspense")
    assert loss(ATTEMPT, reserve="reserve:acme", burn_utok=1_500) == (
        *freed,
        suspended,
        moved("reserve:acme", "burn", 1_500, "burn_by_reserve"),
    )
    assert loss(ATTEMPT, reserve="reserve:acme", burn_utok=0) == (*freed, suspended)


def test_what_is_lent_comes_before_the_holds() -> None:
    loan = moved("overdraft:acme.bot", "escrow:o", 5, "loan")
    assert REQUEST.cause.lend("overdraft:acme.bot", "escrow:o", 5) == (loan,)
    assert REQUEST.cause.lend("overdraft:acme.bot", "escrow:o", 0) == ()
    assert admission(REQUEST, FIAT, (loan,)).commands == (loan, *admission(REQUEST, FIAT).commands)


@pytest.mark.parametrize(
    ("lack", "reasons"),
    [
        (Lack(), ()),
        (Lack(limits=("acme.bot",)), ("budget_exhausted",)),
        (Lack(overrun_nusd=1), ("budget_exhausted",)),
        (Lack(limits=("acme.bot",), overrun_nusd=1), ("budget_exhausted",)),
        (Lack(overdraft_utok=1), ("insufficient_funds",)),
        (Lack(overrun_nusd=1, overdraft_utok=1), ("budget_exhausted", "insufficient_funds")),
    ],
)
def test_a_lack_tells_what_enforcement_would_have_refused(
    lack: Lack, reasons: tuple[str, ...]
) -> None:
    assert lack.reasons == reasons


@pytest.mark.parametrize(
    ("freed_nusd", "freed_utok", "owed_nusd", "returned"),
    [
        (0, 0, 9, (0, 0)),
        (2, 3, 9, (2, 3)),
        (5, 9, 3, (3, 4)),
        (5, 4, 0, (0, 4)),
    ],
)
def test_a_day_gives_back_what_is_freed_and_a_payer_what_was_lent_for_this(
    freed_nusd: int, freed_utok: int, owed_nusd: int, returned: tuple[int, int]
) -> None:
    commands = giving_back(LENT, freed_nusd=freed_nusd, freed_utok=freed_utok, owed_nusd=owed_nusd)
    nusd, utok = returned
    expected = [
        moved("escrow:o", "overdraft:acme.bot", utok, "loan_return"),
        moved(FIAT, f"fiat-overrun:acme:{DAY}", nusd, "loan_return"),
    ]
    assert list(commands) == [move for move in expected if move.amount]


@pytest.mark.parametrize(
    ("burn_utok", "charge_utok", "lent_utok"),
    [
        pytest.param(300, 500, 0, id="less than the payer's own"),
        pytest.param(700, 1_000, 0, id="just the payer's own"),
        pytest.param(900, 1_200, 200, id="the last part of the premium"),
        pytest.param(1_500, 1_900, 400, id="the whole premium"),
        pytest.param(1_900, 1_900, 0, id="no premium"),
    ],
)
def test_a_premium_is_lent_as_far_as_the_payers_own_tokens_end_before_it(
    burn_utok: int, charge_utok: int, lent_utok: int
) -> None:
    attempt = replace(ATTEMPT, bound_utok=2_000, overdraft_utok=1_000)
    found = lent_premium_utok(attempt, burn_utok=burn_utok, charge_utok=charge_utok)
    assert found == lent_utok


@pytest.mark.parametrize(
    ("bound_nusd", "bound_utok"), [(1, 2), (1_000, 1_500), (1_000, MAX_AMOUNT), (666, 999)]
)
def test_bounds_that_cover_the_burn_are_taken(bound_nusd: int, bound_utok: int) -> None:
    request = replace(REQUEST, bound_nusd=bound_nusd, bound_utok=bound_utok)
    check_bounds(request, ATTEMPT.rate)


@pytest.mark.parametrize("bound_nusd", [0, -1, MAX_AMOUNT + 1])
def test_a_cost_without_a_bound_is_refused(bound_nusd: int) -> None:
    request = replace(REQUEST, bound_nusd=bound_nusd, bound_utok=MAX_AMOUNT)
    with pytest.raises(UnboundedCostError, match=f"try needs .* not {bound_nusd} nusd"):
        check_bounds(request, ATTEMPT.rate)


@pytest.mark.parametrize("bound_utok", [0, 1_499, MAX_AMOUNT + 1])
def test_tokens_that_do_not_cover_the_burn_are_refused_with_figures(bound_utok: int) -> None:
    request = replace(REQUEST, bound_utok=bound_utok)
    with pytest.raises(UnboundedCostError, match="try burns up to 1500 utok") as refused:
        check_bounds(request, ATTEMPT.rate)
    assert refused.value.details == {"burn_utok": 1_500, "bound_utok": bound_utok}


def test_the_largest_cost_is_taken() -> None:
    request = replace(REQUEST, bound_nusd=MAX_AMOUNT, bound_utok=MAX_AMOUNT)
    check_bounds(request, ExchangeRate(utok_per_usd=1))
