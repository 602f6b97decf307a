import pytest

from gold import GoldService
from tests.fakes.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def gold(clock: FakeClock) -> GoldService:
    return GoldService(clock)
