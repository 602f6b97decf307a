"""The contract of a ledger: the real one keeps it, and each broken one fails the right check."""

import pytest

from tests.fakes.bank import Bank
from tests.fakes.canaries import CANARIES, Canary
from tests.fakes.ledger_contract import CHECKS, Subject, failed_checks

pytestmark = pytest.mark.slow


def test_the_ledger_keeps_its_contract(funded: Bank, subtests: pytest.Subtests) -> None:
    for name, check in CHECKS.items():
        with subtests.test(name):
            check(Subject(bank=funded))
    assert funded.verify().verified


@pytest.mark.parametrize("canary", CANARIES, ids=lambda canary: canary.made.__name__)
def test_a_broken_ledger_is_caught_by_its_check(funded: Bank, canary: Canary) -> None:
    assert failed_checks(canary.made(funded)) == {canary.caught_by.__name__}


def test_every_check_catches_something() -> None:
    assert {canary.caught_by.__name__ for canary in CANARIES} == CHECKS.keys()
