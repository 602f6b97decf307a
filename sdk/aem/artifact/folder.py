"""Folders: reading files without following links, and writing them to a fresh place."""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from aem.artifact.errors import (
    LinkError,
    NotAFolderError,
    PathTooLongError,
    SpecialFileError,
    TooLargeError,
    TooManyFilesError,
    UnreadableFileError,
)
from aem.artifact.limits import MAX_BUNDLE_BYTES, MAX_FILE_BYTES, MAX_FILES
from aem.artifact.path import MAX_PATH_DEPTH

_LEFT_OUT_NAMES = frozenset({".git", "__pycache__"})
_LEFT_OUT_SUFFIX = ".pyc"


def read_folder(top: Path) -> dict[str, bytes]:
    """Return relative POSIX path to content of every file below a folder.

    Raises:
        NotAFolderError: there is no such folder.
        LinkError, SpecialFileError, UnreadableFileError: something below is no readable file.
        TooManyFilesError, TooLargeError, PathTooLongError: a limit is passed; reading stops there.
    """
    if not top.is_dir():
        raise NotAFolderError(f"{top} is no folder: check the path", path=str(top))
    files: dict[str, bytes] = {}
    total_bytes = 0
    for entry, path in _walk(top, ""):
        if len(files) == MAX_FILES:
            raise TooManyFilesError(
                f"{top} has more than {MAX_FILES} files: remove what the artifact does not need",
                limit=MAX_FILES,
            )
        files[path] = _read_file(entry, path)
        total_bytes += len(files[path])
        if total_bytes > MAX_BUNDLE_BYTES:
            raise TooLargeError(
                f"the files of {top} have more than {MAX_BUNDLE_BYTES} bytes together: remove"
                " what the artifact does not need",
                limit_bytes=MAX_BUNDLE_BYTES,
            )
    return files


def write_folder(top: Path, files: Mapping[str, bytes]) -> None:
    """Write files, whose paths were checked, below a folder that is empty or not there yet.

    Raises:
        NotAFolderError: the folder holds something, or cannot be made.
    """
    try:
        top.mkdir(parents=True, exist_ok=True)
        if any(top.iterdir()):
            raise NotAFolderError(f"{top} is not empty: name a new folder", path=str(top))
        for path, content in files.items():
            target = top / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    except OSError as error:
        raise NotAFolderError(
            f"{top} cannot be written: {error.strerror}", path=str(top)
        ) from error


def _walk(folder: Path, prefix: str) -> Iterator[tuple[Path, str]]:
    """Yield every regular file with its relative path, in the order of the names."""
    if prefix.count("/") >= MAX_PATH_DEPTH:
        raise PathTooLongError(
            f"{prefix!r} is more than {MAX_PATH_DEPTH} levels deep: shorten it", path=prefix
        )
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        raise UnreadableFileError(
            f"the folder {folder} cannot be read: {error.strerror}", path=prefix
        ) from error
    for entry in entries:
        if entry.name in _LEFT_OUT_NAMES or entry.name.endswith(_LEFT_OUT_SUFFIX):
            continue
        path = prefix + entry.name
        if entry.is_symlink():
            raise LinkError(
                f"{path!r} is a symbolic link: put the file itself in its place", path=path
            )
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), f"{path}/")
        elif entry.is_file(follow_symlinks=False):
            yield Path(entry.path), path
        else:
            raise SpecialFileError(
                f"{path!r} is no regular file (a pipe, socket or device): remove it", path=path
            )


def _read_file(file: Path, path: str) -> bytes:
    """Read a file that may have been exchanged for a link since it was listed."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise UnreadableFileError(
            f"{path!r} cannot be read: {error.strerror}", path=path
        ) from error
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SpecialFileError(f"{path!r} is no regular file: remove it", path=path)
        content = opened.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise TooLargeError(
            f"{path!r} has more than the {MAX_FILE_BYTES} bytes that a file may have: split or"
            " remove it",
            path=path,
            limit_bytes=MAX_FILE_BYTES,
        )
    return content
