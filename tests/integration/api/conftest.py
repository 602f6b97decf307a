"""One service for all tests of a module: on SQLite, or on each database.

A module takes one of the two: a process runs one service at a time.
"""

from collections.abc import Iterator

import pytest

from tests.fakes.databases import KINDS, database_of_module
from tests.fakes.running_service import RunningService, running, settings


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running(settings(tmp_path_factory.mktemp("service"))) as service:
        service.fund()
        yield service


@pytest.fixture(scope="module", params=KINDS)
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("service")
    with database_of_module(request) as url, running(settings(folder, url)) as service:
        service.fund()
        yield service
