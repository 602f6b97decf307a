"""Worlds to crash in: prepared once for each database, copied for every run."""

import multiprocessing
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

from tests.acceptance.orders.order_process import World, prepare
from tests.acceptance.orders.processes import run_process

Copier = Callable[..., World]
"""Copies a world that no process uses: the prepared one, unless another is given."""


@pytest.fixture(scope="session")
def processes() -> ForkServerContext:
    """Forks processes off one that has imported everything: they start in no time."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.acceptance.orders.order_process"])
    return context


@pytest.fixture(
    scope="session", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def copy_world(
    request: pytest.FixtureRequest,
    processes: ForkServerContext,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Copier]:
    """Return a function that copies worlds; in the prepared one nothing was ordered yet."""
    folder = tmp_path_factory.mktemp(f"worlds-{request.param}")
    if request.param == "sqlite":
        maker: _Worlds = _SqliteWorlds(folder)
    else:
        maker = _PostgresWorlds(folder, request.getfixturevalue("postgres_server"))
    prepared = maker.make()
    run_process(processes, prepare, prepared).require_success()
    yield lambda world=prepared: maker.copy(world)
    maker.remove()


class _Worlds:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def make(self) -> World:
        folder = self._folder / uuid.uuid4().hex
        return World(folder=folder, database_url=f"sqlite:///{folder / 'aem.db'}")

    def copy(self, world: World) -> World:
        copied = self.make()
        shutil.copytree(world.folder, copied.folder)
        return copied

    def remove(self) -> None:
        shutil.rmtree(self._folder)


class _SqliteWorlds(_Worlds):
    pass


class _PostgresWorlds(_Worlds):
    def __init__(self, folder: Path, server: Engine) -> None:
        super().__init__(folder)
        self._server = server
        self._names: list[str] = []

    def make(self, template: str = "template1") -> World:
        name = f"aem_test_{uuid.uuid4().hex}"
        with self._server.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        self._names.append(name)
        url = make_url(str(self._server.url)).set(
            password=self._server.url.password, database=name
        )
        return replace(super().make(), database_url=url.render_as_string(hide_password=False))

    def copy(self, world: World) -> World:
        copied = self.make(str(make_url(world.database_url).database))
        shutil.copytree(world.folder, copied.folder)
        return copied

    def remove(self) -> None:
        for name in self._names:
            with self._server.connect() as connection:
                connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        super().remove()
