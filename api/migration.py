"""Brings the database's schema up to date: one set of migrations for SQLite and PostgreSQL."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from core.database import Database

_MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(database: Database, revision: str = "head") -> None:
    """Upgrade the database to a revision, in one transaction."""
    with database.writing_engine.begin() as connection:
        command.upgrade(configuration(connection), revision)


def revert(database: Database, revision: str = "base") -> None:
    """Downgrade the database to a revision, in one transaction."""
    with database.writing_engine.begin() as connection:
        command.downgrade(configuration(connection), revision)


def configuration(connection: Connection) -> Config:
    """Return the migrations' configuration for an open connection."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
