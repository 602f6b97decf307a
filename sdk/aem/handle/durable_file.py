"""Files that are whole or absent, also after a crash."""

import os
import tempfile
from pathlib import Path

from aem.handle.errors import CacheCorruptedError, CacheNotWritableError

_FOLDER_MODE = 0o700


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file at once; its folders are made for the owner alone.

    Raises:
        CacheNotWritableError: the operating system does not let us.
    """
    try:
        path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise CacheNotWritableError(
            f"{path} cannot be written: {error.strerror}; make room, or give the agent another"
            " home",
            path=str(path),
        ) from error


def read_whole(path: Path) -> bytes | None:
    """Return a file's content; None when there is no such file.

    Raises:
        CacheCorruptedError: the operating system does not let us read it.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CacheCorruptedError(
            f"{path} cannot be read: {error.strerror}", path=str(path)
        ) from error


def _sync_folder(folder: Path) -> None:
    """Make the new name of a file survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
