"""Databases for every storage test: SQLite in a folder, PostgreSQL in a database of its own."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from core.database import Database, make_engine

POSTGRES_VARIABLE = "AEM_TEST_POSTGRES_URL"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'aem.db'}"
        return
    server = os.environ.get(POSTGRES_VARIABLE)
    if server is None:
        if os.environ.get("CI"):
            pytest.fail(f"{POSTGRES_VARIABLE} is not set, and CI skips nothing")
        pytest.skip(f"no PostgreSQL: set {POSTGRES_VARIABLE}")
    name = f"aem_test_{uuid.uuid4().hex}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def empty_database(database_url: str) -> Iterator[Database]:
    database = Database(make_engine(database_url))
    yield database
    database.dispose()
