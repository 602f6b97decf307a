"""Files that commands write: refused before anything is fetched, and written whole."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click


class OutputFile(click.Path):
    """A file to write, in a folder that can take it."""

    def __init__(self) -> None:
        """Accept what is no folder, and if it is there, may be written."""
        super().__init__(dir_okay=False, writable=True, path_type=Path)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Refuse a path without a folder to write it in."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not path.parent.is_dir():
            self.fail(f"{path} cannot be written: {path.parent} is no folder", param, ctx)
        if not path.exists() and not os.access(path.parent, os.W_OK):
            self.fail(f"{path} cannot be written: {path.parent} may not be", param, ctx)
        return path


def save(file: Path, pieces: Iterable[bytes]) -> int:
    """Write a file whole or not at all; return its size.

    Raises:
        click.ClickException: it cannot be written.
    """
    partial = file.with_name(f"{file.name}.part")
    try:
        with _told(file), partial.open("wb") as target:
            size_bytes = sum(target.write(piece) for piece in pieces)
        with _told(file):
            partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return size_bytes


def overwrite(file: Path, data: bytes) -> None:
    """Write to a file as it stands: it may be a device.

    Raises:
        click.ClickException: it cannot be written.
    """
    with _told(file):
        file.write_bytes(data)


@contextmanager
def _told(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}") from error
