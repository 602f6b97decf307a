"""One service for all tests of a module that leave it as they found it; a new one for others."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.running_service import RunningService, running, settings


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running(settings(tmp_path_factory.mktemp("service"))) as service:
        service.fund()
        yield service


@pytest.fixture
def service(tmp_path: Path, database_url: str) -> Iterator[RunningService]:
    with running(settings(tmp_path / "service", database_url)) as service:
        service.fund()
        yield service
