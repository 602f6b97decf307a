"""Writes a migration from the difference between the schema in code and the migrated one.

    .venv/bin/python scripts/new_migration.py "what changes"

Guards (`core.guards`) are not seen by the comparison: add them by hand.
"""

import sys
import tempfile
from pathlib import Path

from alembic import command

import api.composition  # noqa: F401 - registers the tables of every room
from api.migration import configuration, migrate
from core.database import Database, make_engine

with tempfile.TemporaryDirectory() as folder:
    database = Database(make_engine(f"sqlite:///{Path(folder) / 'aem.db'}"))
    migrate(database)
    with database.writing_engine.begin() as connection:
        config = configuration(connection)
        command.revision(config, message=sys.argv[1], autogenerate=True)
