"""Paths inside a bundle: relative, POSIX, and the same file on every file system."""

import unicodedata
from collections.abc import Iterable

from aem.artifact.errors import CollidingPathsError, PathTooLongError, UnsafePathError

MAX_PATH_CHARACTERS = 240
"""Leaves room for the folder that a bundle is unpacked to, on systems that allow 255 a path."""

MAX_PATH_DEPTH = 16
"""Folders and file name in one path: deeper trees are mistakes."""


def require_safe_path(path: str) -> str:
    """Return the path if it stays inside the bundle and means the same everywhere.

    Raises:
        UnsafePathError: it is absolute, has empty, ``.`` or ``..`` parts, backslashes, control
            characters, or is not Unicode.
        PathTooLongError: it is past `MAX_PATH_CHARACTERS` or `MAX_PATH_DEPTH`.
    """
    shown = path.encode("utf-8", "backslashreplace").decode()
    parts = path.split("/")
    if path.startswith("/") or ".." in parts:
        raise UnsafePathError(
            f"the path {shown!r} leads out of the bundle: use paths relative to its top folder",
            path=shown,
        )
    if not all(parts) or "." in parts or "\\" in path or not _is_plain_text(path):
        raise UnsafePathError(
            f"the path {shown!r} is no plain relative path: rename the file", path=shown
        )
    if len(path) > MAX_PATH_CHARACTERS or len(parts) > MAX_PATH_DEPTH:
        raise PathTooLongError(
            f"the path {shown[:MAX_PATH_CHARACTERS]!r} is longer than {MAX_PATH_CHARACTERS}"
            f" characters or {MAX_PATH_DEPTH} levels: shorten it",
            path=shown[:MAX_PATH_CHARACTERS],
        )
    return path


def require_no_collisions(paths: Iterable[str]) -> None:
    """Refuse paths that a case-insensitive file system, or any, could not hold side by side.

    Raises:
        CollidingPathsError: two paths differ only in case or Unicode form, or one is a file
            where the other needs a folder.
    """
    seen: dict[str, str] = {}
    for path in paths:
        other = seen.setdefault(_folded(path), path)
        if other != path:
            raise CollidingPathsError(
                f"the paths {other!r} and {path!r} are one file on some systems: rename one",
                path=path,
                other=other,
            )
    for folded, path in seen.items():
        parents = folded.split("/")[:-1]
        for depth in range(1, len(parents) + 1):
            other = seen.get("/".join(parents[:depth]), "")
            if other:
                raise CollidingPathsError(
                    f"{other!r} is a file, and {path!r} needs a folder of that name: rename one",
                    path=path,
                    other=other,
                )


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", path.casefold())


def _is_plain_text(path: str) -> bool:
    """Whether no character is a control character or a lone surrogate."""
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in path)
