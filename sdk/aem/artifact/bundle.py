"""Bundles: the files of one version, as values."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from aem.artifact import archive, folder
from aem.artifact.errors import EmptyBundleError, TooLargeError, TooManyFilesError
from aem.artifact.limits import MAX_BUNDLE_BYTES, MAX_FILE_BYTES, MAX_FILES
from aem.artifact.manifest import Manifest, read_manifest
from aem.artifact.path import require_no_collisions, require_safe_path
from aem.proof import canonical_json, digest_of


@dataclass(frozen=True)
class Bundle:
    """An immutable set of files.

    Attributes:
        files: relative POSIX path to content, sorted by path.
    """

    files: Mapping[str, bytes]

    def __post_init__(self) -> None:
        """Copy the files and refuse what no bundle may hold.

        Raises:
            ArtifactError: an unsafe or colliding path, or a limit of `aem.artifact.limits`.
        """
        files = dict(sorted(self.files.items()))
        if not files:
            raise EmptyBundleError("there is no file to bundle: is this the right folder?")
        if len(files) > MAX_FILES:
            raise TooManyFilesError(
                f"{len(files)} files are more than the {MAX_FILES} that a bundle may have: remove"
                " what the artifact does not need",
                limit=MAX_FILES,
            )
        for path, content in files.items():
            _require_small(require_safe_path(path), content)
        require_no_collisions(files)
        total_bytes = sum(map(len, files.values()))
        if total_bytes > MAX_BUNDLE_BYTES:
            raise TooLargeError(
                f"the files have {total_bytes} bytes together, and {MAX_BUNDLE_BYTES} is the"
                " limit: remove what the artifact does not need",
                limit_bytes=MAX_BUNDLE_BYTES,
            )
        object.__setattr__(self, "files", MappingProxyType(files))

    @classmethod
    def from_folder(cls, path: Path) -> "Bundle":
        """Read a folder; version control and compiled Python are left out.

        Raises:
            ArtifactError: a link, a special file, an unreadable one, or what `Bundle` refuses.
        """
        return cls(folder.read_folder(path))

    @classmethod
    def from_archive(cls, data: bytes) -> "Bundle":
        """Read a gzip-compressed tar archive from anywhere; never more than the limits in memory.

        Raises:
            ArtifactError: no archive, a truncated one, a bomb, links, special files, unsafe or
                repeated paths, or what `Bundle` refuses.
        """
        return cls(archive.read_archive(data))

    def to_archive(self) -> bytes:
        """Return a gzip-compressed tar archive: plain files, no times, no owners."""
        return archive.write_archive(self.files)

    def write_to(self, path: Path) -> None:
        """Write the files below a folder that is empty or does not exist yet.

        Raises:
            NotAFolderError: the folder holds something, or cannot be made.
        """
        folder.write_folder(path, self.files)

    def replace(self, changes: Mapping[str, bytes]) -> "Bundle":
        """Return a bundle with these files added or changed."""
        return Bundle({**self.files, **changes})

    @cached_property
    def manifest(self) -> Manifest:
        """The parsed ``artifact.toml``.

        Raises:
            ManifestMissingError: there is none.
            ManifestError: a key is wrong, unknown or missing.
            FileMissingError: it names a file that is not in the bundle.
        """
        return read_manifest(self.files)

    @cached_property
    def digest(self) -> str:
        """The version's identity: SHA-256 of the canonical list of kind, paths and contents.

        Raises:
            ArtifactError: the manifest, which tells the kind, is missing or wrong.
        """
        contents = [
            {"path": path, "sha256": hashlib.sha256(content).hexdigest()}
            for path, content in self.files.items()
        ]
        return digest_of(canonical_json({"kind": self.manifest.kind.value, "files": contents}))


def _require_small(path: str, content: bytes) -> None:
    if len(content) > MAX_FILE_BYTES:
        raise TooLargeError(
            f"{path!r} has {len(content)} bytes, and a file may have {MAX_FILE_BYTES}: split or"
            " remove it",
            path=path,
            limit_bytes=MAX_FILE_BYTES,
        )
