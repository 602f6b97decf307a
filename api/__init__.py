"""The composition root and the HTTP surface."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any


def lint_dataset(files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """Return what is wrong with a gold dataset's files, as JSON values; nothing is stored."""
    from gold import lint  # noqa: PLC0415 - the package itself imports quickly

    return [asdict(finding) for finding in lint(files)]
