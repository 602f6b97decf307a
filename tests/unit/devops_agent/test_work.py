from hypothesis import given
from hypothesis import strategies as st

from devops_agent.domain import OrderMoney, WorkKey
from devops_agent.uses import Use
from devops_agent.work import UseMeter, largest_affordable

LIMITS = st.integers(0, 10_000)


@given(upper=LIMITS, lower=LIMITS, limit=LIMITS)
def test_the_largest_affordable_amount_is_found(upper: int, lower: int, limit: int) -> None:
    found = largest_affordable(upper, lower, lambda amount: amount <= limit)
    expected = min(upper, limit)
    assert found == (expected if lower <= expected else None)


def test_the_price_is_asked_for_few_times() -> None:
    asked = []

    def affordable(amount: int) -> bool:
        asked.append(amount)
        return amount <= 123_456

    assert largest_affordable(10**9, 1, affordable) == 123_456
    assert len(asked) <= 32


def test_a_meter_adds_up() -> None:
    meter = UseMeter()
    meter.add_sandbox(20)
    meter.add_sandbox(22)
    meter.add_charge(Use(sandbox_ms=8, judged_cases=5))
    assert meter.use == Use(sandbox_ms=50, judged_cases=5)


def test_an_attempt_has_one_name_after_every_restart() -> None:
    key = WorkKey(order_id="ord_1", stage="validation", round=2, attempt=3)
    assert key.attempt_id == "ord_1:validation:2:3"


def test_price_and_refund_are_the_whole_escrow() -> None:
    money = OrderMoney(
        escrowed_utok=100,
        fee_utok=0,
        metered_utok=30,
        returned_utok=70,
        compensated_utok=20,
    )
    assert (money.price_utok, money.refunded_utok) == (10, 90)
