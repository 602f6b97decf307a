"""Files that commands write: refused before anything is fetched, and written whole."""

import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import click

force_option = click.option(
    "--force", "is_forced", is_flag=True, is_eager=True, help="Replace a file that is there."
)
"""Eager: the file's own check, which comes before anything is fetched, looks at it."""


class OutputFile(click.Path):
    """A file to write, in a folder that can take it; a command that has one has `force_option`."""

    def __init__(self) -> None:
        """Accept what is no folder, and if it is there, may be written."""
        super().__init__(dir_okay=False, writable=True, path_type=Path)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Refuse a path without a folder to write it in, and a file that is there."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not path.parent.is_dir():
            self.fail(f"{path} cannot be written: {path.parent} is no folder", param, ctx)
        if not path.exists() and not os.access(path.parent, os.W_OK):
            self.fail(f"{path} cannot be written: {path.parent} may not be", param, ctx)
        if path.is_file() and not ctx.params["is_forced"]:
            self.fail(f"{path} is there already: --force replaces it", param, ctx)
        return path


def save(file: Path, pieces: Iterable[bytes], *, is_forced: bool) -> int:
    """Write a file whole or not at all; return its size.

    It is written beside itself, under a name of its own, and renamed at the end; of a link, what
    it leads to. What is there and no file, such as a device, is written as it stands.

    Raises:
        click.ClickException: it cannot be written, or is there by now and must not be replaced.
    """
    with _told(file):
        if file.exists() and not file.is_file():
            with file.open("wb") as target:
                return _write(target, pieces)
        place = file.resolve()
        partial = place.with_name(f"{secrets.token_hex(8)}.part")  # fits where the name does
        try:
            with partial.open("xb") as target:
                if place.exists():
                    os.fchmod(target.fileno(), stat.S_IMODE(place.stat().st_mode))
                size_bytes = _write(target, pieces)
            if place.exists() and not is_forced:
                raise click.ClickException(f"{file} came to be meanwhile: --force replaces it")
            partial.replace(place)
        finally:
            partial.unlink(missing_ok=True)
    return size_bytes


def _write(target: BinaryIO, pieces: Iterable[bytes]) -> int:
    return sum(target.write(piece) for piece in pieces)


@contextmanager
def _told(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}") from error
    except RuntimeError as error:  # what Python 3.11 says of links in a ring
        raise click.ClickException(f"{file} cannot be written: it is a link to itself") from error
