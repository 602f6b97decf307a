"""``make mutation`` runs in a copy of the tree, which must have all that the tests import."""

import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["tool"]


def test_every_room_is_in_the_copy() -> None:
    rooms = set(PROJECT["importlinter"]["root_packages"]) - {"aem"} | {"sdk", "tests"}
    copied = PROJECT["mutmut"]["source_paths"] + PROJECT["mutmut"]["also_copy"]
    assert set(copied) == rooms
