"""The ledger against a model of it in plain dictionaries, step by random step (Hypothesis)."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from core.database import Database
from tests.fakes.bank import Bank
from tests.fakes.ledger_machine import LedgerMachine

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("examples", "steps"),
    [
        pytest.param(15, 40, id="some"),
        pytest.param(400, 80, id="many", marks=[pytest.mark.soak, pytest.mark.timeout(7_200)]),
    ],
)
def test_the_ledger_does_what_the_model_says(
    database: Database, tmp_path: Path, examples: int, steps: int
) -> None:
    bank = Bank.open(database, tmp_path / "keys")
    run_state_machine_as_test(
        lambda: LedgerMachine(bank),  # type: ignore[arg-type]
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
