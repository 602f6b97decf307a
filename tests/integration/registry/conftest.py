import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.database import Database, make_engine
from tests.fakes.registry import RegistryHouse


@pytest.fixture
def house(database: Database, tmp_path: Path) -> RegistryHouse:
    return RegistryHouse(database, tmp_path)


@pytest.fixture
def sqlite_house(sqlite_template: Path, tmp_path: Path) -> Iterator[RegistryHouse]:
    """For what does not depend on the database, or on SQLite alone."""
    path = tmp_path / "aem.db"
    shutil.copy(sqlite_template, path)
    database = Database(make_engine(f"sqlite:///{path}"))
    yield RegistryHouse(database, tmp_path)
    database.dispose()
