"""A service with a budget and a frozen dataset, on a clock that stands still."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.running_service import RunningService, running, settings
from tests.fakes.staged_sandbox import StagedSandbox


@pytest.fixture
def sandbox() -> StagedSandbox:
    return StagedSandbox()


@pytest.fixture
def house(tmp_path: Path, database_url: str, sandbox: StagedSandbox) -> Iterator[RunningService]:
    chosen = settings(tmp_path / "service", database_url)
    with running(chosen, clock=FakeClock(), sandbox=sandbox) as service:
        service.fund()
        yield service


@pytest.fixture
def gold(house: RunningService) -> str:
    return house.freeze()
