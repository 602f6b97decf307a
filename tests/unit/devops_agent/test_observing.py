"""Refusals that are made, and those that are only noted."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from devops_agent import Deployment, Order, OrderMoney, OrderRequest, OrderState
from devops_agent.errors import BelowThresholdError
from devops_agent.observing import LetPass, with_notes

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
REFUSAL = BelowThresholdError("too little", balance_utok=1)
ORDER = Order(
    id="ord_1",
    request=OrderRequest(
        artifact="acme/x",
        channel="production",
        gold="g",
        max_price_utok=1,
        deployment=Deployment.DEPLOY,
        synthesizer="repair",
    ),
    payer="acme",
    budget="acme",
    principal="key",
    state=OrderState.VALIDATING,
    money=OrderMoney(escrowed_utok=1),
    quote={},
    created_at=NOW,
    updated_at=NOW,
    summary={"checks": {}},
)


def test_a_refusal_is_made_where_money_is_enforced() -> None:
    gate = LetPass(is_observing=False)
    gate.check(None)
    with pytest.raises(BelowThresholdError):
        gate.check(REFUSAL)


def test_a_refusal_is_noted_with_its_figures_where_nothing_is() -> None:
    gate = LetPass(is_observing=True)
    gate.check(None)
    gate.check(REFUSAL)
    assert gate.notes == [
        {
            "stage": "submission",
            "reason": "wallet_below_threshold",
            "message": "too little",
            "balance_utok": 1,
        }
    ]


def test_a_stages_refusals_are_noted_once_each_and_without_figures() -> None:
    order = with_notes(ORDER, "synthesis", ["budget_exhausted"])
    for _ in range(3):
        order = with_notes(order, "validation", ["budget_exhausted", "insufficient_funds"])
    assert order.summary == {
        "checks": {},
        "let_pass": [
            {"stage": "synthesis", "reason": "budget_exhausted"},
            {"stage": "validation", "reason": "budget_exhausted"},
            {"stage": "validation", "reason": "insufficient_funds"},
        ],
    }
    assert replace(order, summary=ORDER.summary) == ORDER


def test_what_was_lent_and_not_given_back_is_owed() -> None:
    money = OrderMoney(
        escrowed_utok=30,
        fee_utok=5,
        metered_utok=4,
        returned_utok=21,
        lent_utok=24,
        repaid_utok=20,
    )
    assert (money.price_utok, money.refunded_utok, money.owed_utok) == (9, 1, 4)
