"""Linting a dataset here."""

from pathlib import Path
from typing import Any

from aem.artifact import Bundle
from api import lint_dataset


def lint_folder(folder: Path) -> list[dict[str, Any]]:
    """Return what is wrong with a dataset folder, as JSON values."""
    return lint_dataset(Bundle.from_folder(folder).files)
