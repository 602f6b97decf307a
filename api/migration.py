"""Brings the database's schema up to date: one set of migrations for SQLite and PostgreSQL."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from core.database import Database

_MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(database: Database, revision: str = "head") -> None:
    """Upgrade the database to a revision, in one transaction."""
    with database.writing_engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def revert(database: Database, revision: str = "base") -> None:
    """Downgrade the database to a revision, in one transaction."""
    with database.writing_engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config
