"""The composition root and the HTTP surface."""

from collections.abc import Mapping
from typing import Any


def lint_dataset(files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """Return what is wrong with a gold dataset's files, as JSON values; nothing is stored."""
    from api.views import to_json  # noqa: PLC0415 - the package itself imports quickly
    from gold import lint  # noqa: PLC0415

    return [to_json(finding) for finding in lint(files)]
