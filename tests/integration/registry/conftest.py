from collections.abc import Iterator
from pathlib import Path

import pytest

from core.database import Database, make_engine
from tests.fakes.registry import RegistryHouse, create_schema


@pytest.fixture
def house(bare_database: Database, tmp_path: Path) -> RegistryHouse:
    create_schema(bare_database)
    return RegistryHouse(bare_database, tmp_path)


@pytest.fixture
def sqlite_house(tmp_path: Path) -> Iterator[RegistryHouse]:
    """For what does not depend on the database, or on SQLite alone."""
    database = Database(make_engine(f"sqlite:///{tmp_path / 'aem.db'}"))
    create_schema(database)
    yield RegistryHouse(database, tmp_path)
    database.dispose()
