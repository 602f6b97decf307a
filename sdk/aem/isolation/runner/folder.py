"""The sandbox's one writable folder: the artifact is laid out in it anew for every case.

The functions of ``os`` are used directly: importing pathlib takes longer than a case.
"""
# ruff: noqa: PTH101, PTH103, PTH104, PTH106, PTH108, PTH120, PTH208 - as the docstring says

import os

from aem.isolation.runner.stream import write_all

TEMPORARY_FOLDER = "/tmp"  # noqa: S108 - the sandbox's own, empty file system
ARTIFACT_FOLDER = f"{TEMPORARY_FOLDER}/artifact"

_FILE_MODE = 0o600
_FOLDER_MODE = 0o700


def lay_out(files: dict[str, bytes]) -> None:
    """Write an artifact's files (path to content): no case sees what another did to them."""
    for path, data in files.items():
        target = f"{ARTIFACT_FOLDER}/{path}"
        os.makedirs(os.path.dirname(target), mode=_FOLDER_MODE, exist_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
        try:
            write_all(descriptor, data)
        finally:
            os.close(descriptor)


def clear(folder: str = TEMPORARY_FOLDER) -> None:
    """Remove all that a folder holds, however deep it is nested and whatever its modes.

    Folders are emptied by moving what they hold up to the top, so that no path grows too long.
    """
    moved = 0
    while entries := list(os.scandir(folder)):
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
                continue
            os.chmod(entry.path, _FOLDER_MODE)
            for inner in os.listdir(entry.path):
                moved += 1
                os.rename(f"{entry.path}/{inner}", f"{folder}/.moved-{os.getpid()}-{moved}")
            os.rmdir(entry.path)


def count_files() -> int:
    """Return how many files and folders the temporary file system holds."""
    usage = os.statvfs(TEMPORARY_FOLDER)
    return usage.f_files - usage.f_ffree
