"""What tests of several rooms need: migrated databases, and services that may be missing.

A missing service is a visible skip on a laptop, and a failure in CI.
"""

import functools
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine, make_url

from aem.isolation import bubblewrap_problem
from api.migration import migrate
from core.database import Database, make_engine
from sandbox import DockerSandbox, SandboxUnavailableError

POSTGRES_VARIABLE = "AEM_TEST_POSTGRES_URL"


def missing(what: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"{what}; CI skips nothing")
    pytest.skip(what)


@functools.cache
def docker_problem() -> str | None:
    try:
        DockerSandbox().close()
    except SandboxUnavailableError as error:
        return str(error)
    return None


@pytest.fixture(autouse=True)
def needed_sandboxes(request: pytest.FixtureRequest) -> None:
    for marker, problem in (("docker", docker_problem), ("bubblewrap", bubblewrap_problem)):
        if request.node.get_closest_marker(marker) is not None:
            what = problem()
            if what is not None:
                missing(what)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file that tests copy: much faster than migrating for each."""
    path = tmp_path_factory.mktemp("template") / "aem.db"
    database = Database(make_engine(f"sqlite:///{path}"))
    migrate(database)
    database.dispose()
    return path


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Engine]:
    server = os.environ.get(POSTGRES_VARIABLE)
    if server is None:
        missing(f"no PostgreSQL: set {POSTGRES_VARIABLE}")
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: Engine) -> Iterator[str]:
    name = _create(postgres_server)
    database = Database(make_engine(_address(postgres_server, name)))
    migrate(database)
    database.dispose()
    yield name
    _drop(postgres_server, name)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database with the service's schema, empty, the test's own."""
    yield from _fresh_database(request, tmp_path)


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def module_database_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The same, shared by the tests of a module."""
    yield from _fresh_database(request, tmp_path_factory.mktemp("module"))


def _fresh_database(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    if request.param == "sqlite":
        path = folder / "aem.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    template = request.getfixturevalue("postgres_template")
    server: Engine = request.getfixturevalue("postgres_server")
    name = _create(server, template)
    yield _address(server, name)
    _drop(server, name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(make_engine(database_url))
    yield opened
    opened.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def bare_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without any schema."""
    if request.param == "sqlite":
        opened = Database(make_engine(f"sqlite:///{tmp_path / 'bare.db'}"))
        yield opened
        opened.dispose()
        return
    server: Engine = request.getfixturevalue("postgres_server")
    name = _create(server)
    opened = Database(make_engine(_address(server, name)))
    yield opened
    opened.dispose()
    _drop(server, name)


def _create(server: Engine, template: str = "template1") -> str:
    name = f"aem_test_{uuid.uuid4().hex}"
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    return name


def _drop(server: Engine, name: str) -> None:
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def _address(server: Engine, name: str) -> str:
    url = make_url(str(server.url)).set(password=server.url.password, database=name)
    return url.render_as_string(hide_password=False)
