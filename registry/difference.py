"""What changed between two versions, file by file, as people read it."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

FILE_LIMIT_BYTES = 262_144
"""Of a side of a file that is compared by line; comparing takes quadratic time at worst."""

FILE_LIMIT_LINES = 5_000

TOTAL_LIMIT_BYTES = 2_097_152
"""Of all files that are compared by line, both sides; the hunks are at most twice as long. More is
for a tool of one's own, on a clone of the repository."""


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
    """Compare two sets of files; the work is bounded, and every changed path is named."""
    differences = []
    left_bytes = TOTAL_LIMIT_BYTES
    for path in sorted(old.keys() | new.keys()):
        before, after = old.get(path), new.get(path)
        if before == after:
            continue
        found = _compare(path, before, after, left_bytes)
        if not found.note:
            left_bytes -= len(before or b"") + len(after or b"")
        differences.append(found)
    return tuple(differences)


def _compare(path: str, old: bytes | None, new: bytes | None, left_bytes: int) -> FileDifference:
    if old is None:
        change = FileChange.ADDED
    else:
        change = FileChange.REMOVED if new is None else FileChange.CHANGED
    sides = (old or b"", new or b"")
    note = _note(sides, left_bytes)
    hunks = "" if note else _write_hunks(path, old, new)
    return FileDifference(path=path, change=change, hunks=hunks, note=note)


def _note(sides: tuple[bytes, bytes], left_bytes: int) -> str:
    """Return why the sides are not compared by line, or nothing."""
    if any(map(_is_binary, sides)):
        return "binary"
    if max(map(len, sides)) > FILE_LIMIT_BYTES:
        return "too large"
    if max(side.count(b"\n") for side in sides) > FILE_LIMIT_LINES:
        return "too large"
    return "left out: the whole is too large" if sum(map(len, sides)) > left_bytes else ""


def _is_binary(content: bytes) -> bool:
    try:
        return "\0" in content.decode()
    except UnicodeDecodeError:
        return True


def _read_lines(content: bytes) -> list[str]:
    """Return the lines with their ends; only a line feed ends a line."""
    lines = content.decode().split("\n")
    ended = [line + "\n" for line in lines[:-1]]
    return [*ended, lines[-1]] if lines[-1] else ended


def _write_hunks(path: str, old: bytes | None, new: bytes | None) -> str:
    lines = difflib.unified_diff(
        _read_lines(old or b""),
        _read_lines(new or b""),
        fromfile="/dev/null" if old is None else f"a/{path}",
        tofile="/dev/null" if new is None else f"b/{path}",
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for line in lines
    )
