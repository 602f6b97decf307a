"""What changed between two versions, file by file, as people read it."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

FILE_LIMIT_BYTES = 262_144
"""Of a side of a file that is compared by line; comparing takes quadratic time at worst."""

FILE_LIMIT_LINES = 5_000

TOTAL_LIMIT_CHARACTERS = 1_048_576
"""Of all hunks together: more is for a tool of one's own, on a clone of the repository."""


class FileChange(StrEnum):
    """What happened to a file."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, kw_only=True)
class FileDifference:
    """What changed in one file.

    Attributes:
        path: within the version.
        change: what happened to it.
        hunks: unified diff with ``a/`` and ``b/`` paths; "" where `note` says why there is none.
        note: "" or one of "binary", "too large", "left out: the whole is too large".
    """

    path: str
    change: FileChange
    hunks: str
    note: str


def compare_files(
    old: Mapping[str, bytes], new: Mapping[str, bytes]
) -> tuple[FileDifference, ...]:
    """Compare two sets of files; the result's size is bounded, every changed path is named."""
    differences = []
    left_characters = TOTAL_LIMIT_CHARACTERS
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) != new.get(path):
            found = _compare(path, old.get(path), new.get(path), left_characters)
            left_characters -= len(found.hunks)
            differences.append(found)
    return tuple(differences)


def _compare(
    path: str, old: bytes | None, new: bytes | None, left_characters: int
) -> FileDifference:
    if old is None:
        change = FileChange.ADDED
    else:
        change = FileChange.REMOVED if new is None else FileChange.CHANGED
    before, after = _read_lines(old or b""), _read_lines(new or b"")
    if before is None or after is None:
        return FileDifference(path=path, change=change, hunks="", note="binary")
    if max(map(len, (old or b"", new or b""))) > FILE_LIMIT_BYTES:
        return FileDifference(path=path, change=change, hunks="", note="too large")
    if max(len(before), len(after)) > FILE_LIMIT_LINES:
        return FileDifference(path=path, change=change, hunks="", note="too large")
    hunks = _write_hunks(path, None if old is None else before, None if new is None else after)
    if len(hunks) > left_characters:
        note = "left out: the whole is too large"
        return FileDifference(path=path, change=change, hunks="", note=note)
    return FileDifference(path=path, change=change, hunks=hunks, note="")


def _read_lines(content: bytes) -> list[str] | None:
    """Return the lines with their ends, or None if it is no text."""
    if b"\0" in content:
        return None
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    lines = text.split("\n")
    ended = [line + "\n" for line in lines[:-1]]
    return [*ended, lines[-1]] if lines[-1] else ended


def _write_hunks(path: str, old: list[str] | None, new: list[str] | None) -> str:
    lines = difflib.unified_diff(
        old or [],
        new or [],
        fromfile="/dev/null" if old is None else f"a/{path}",
        tofile="/dev/null" if new is None else f"b/{path}",
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for line in lines
    )
