"""Strict reading of the manifest's tables: every refusal names the key and what it must be."""

from collections.abc import Iterable, Mapping
from typing import Any

from aem.artifact.errors import FileMissingError, ManifestError
from aem.artifact.path import require_safe_path

MANIFEST_PATH = "artifact.toml"


def wrong(key: str, expected: str, value: Any) -> ManifestError:
    """Return the refusal of a key's value."""
    return ManifestError(
        f"{MANIFEST_PATH}: `{key}` must be {expected}, not {value!r:.80}",
        path=MANIFEST_PATH,
        key=key,
        expected=expected,
    )


def missing(key: str, expected: str) -> ManifestError:
    """Return the refusal of a manifest without a key."""
    return ManifestError(
        f"{MANIFEST_PATH}: `{key}` is missing; it must be {expected}",
        path=MANIFEST_PATH,
        key=key,
        expected=expected,
    )


def refuse_unknown(table: Mapping[str, Any], known: Iterable[str], prefix: str) -> None:
    """Refuse a key that nobody reads: it is a slip, or asks for what does not exist.

    Raises:
        ManifestError: there is one.
    """
    unknown = sorted(set(table) - set(known))
    if unknown:
        key = prefix + unknown[0]
        raise ManifestError(
            f"{MANIFEST_PATH}: `{key}` is no known key; known are {', '.join(sorted(known))}",
            path=MANIFEST_PATH,
            key=key,
        )


def read_text(fields: Mapping[str, Any], key: str, expected: str, prefix: str = "") -> str:
    """Return a required text.

    Raises:
        ManifestError: it is missing, or no text.
    """
    if key not in fields:
        raise missing(prefix + key, expected)
    value = fields[key]
    if not isinstance(value, str):
        raise wrong(prefix + key, expected, value)
    return value


def read_table(fields: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return a table, empty where there is none.

    Raises:
        ManifestError: it is no table.
    """
    value = fields.get(key, {})
    if not isinstance(value, dict):
        raise wrong(key, "a table", value)
    return value


def read_count(key: str, value: Any, least: int, most: int) -> int:
    """Return an integer within its bounds; `key` is the whole key, for the message.

    Raises:
        ManifestError: it is none, or out of them.
    """
    expected = f"an integer from {least} to {most}"
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise wrong(key, expected, value)
    return value


def require_file(key: str, path: str, files: Mapping[str, bytes]) -> None:
    """Refuse a path that is not in the bundle.

    Raises:
        UnsafePathError, PathTooLongError: it is no path of a bundle.
        FileMissingError: there is no such file.
    """
    if require_safe_path(path) not in files:
        raise FileMissingError(
            f"{MANIFEST_PATH}: `{key}` names {path!r}, which is not in the folder: add the file or"
            " correct the key",
            path=path,
            key=key,
        )
