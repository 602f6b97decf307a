"""Databases that live as long as a module's tests, where one for each test would be slow."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Engine, make_url

KINDS = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgres))


@contextmanager
def database_of_module(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give an address for the fixture's parameter, one of `KINDS`; "" asks for SQLite."""
    if request.param == "sqlite":
        yield ""
        return
    server: Engine = request.getfixturevalue("postgres_server")
    template: str = request.getfixturevalue("postgres_template")
    name = f"aem_test_{uuid.uuid4().hex}"
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    url = make_url(str(server.url)).set(password=server.url.password, database=name)
    yield url.render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
