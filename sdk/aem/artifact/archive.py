"""Archives: gzip-compressed tar, read as something that an enemy may have made."""

import gzip
import io
import tarfile
import zlib
from collections.abc import Mapping

from aem.artifact.errors import (
    DecompressionBombError,
    DuplicatePathError,
    LinkError,
    NotAnArchiveError,
    SpecialFileError,
    TooLargeError,
    TooManyFilesError,
    TruncatedArchiveError,
)
from aem.artifact.limits import (
    MAX_ARCHIVE_BYTES,
    MAX_BUNDLE_BYTES,
    MAX_FILES,
)
from aem.artifact.path import require_safe_path

_HEADER_BYTES_PER_ENTRY = 4 * tarfile.BLOCKSIZE
"""A header, padding, and an extended header with a long name."""

MAX_ENTRIES = 2 * MAX_FILES
"""Files and the folders that hold them."""

MAX_UNPACKED_BYTES = MAX_BUNDLE_BYTES + MAX_ENTRIES * _HEADER_BYTES_PER_ENTRY + tarfile.RECORDSIZE
"""What the largest bundle unpacks to, tar's own blocks included."""

_FILE_MODE = 0o644
_GZIP_WINDOW = 31  # zlib's code for a gzip header and the largest window
_PLAIN_TYPES = (tarfile.REGTYPE, tarfile.AREGTYPE)


def write_archive(files: Mapping[str, bytes]) -> bytes:
    """Pack files: sorted, without times and owners, so that the same files give the same bytes."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(files):
            member = tarfile.TarInfo(path)
            member.size = len(files[path])
            member.mode = _FILE_MODE
            archive.addfile(member, io.BytesIO(files[path]))
    return gzip.compress(packed.getvalue(), mtime=0)


def read_archive(data: bytes) -> dict[str, bytes]:
    """Return path to content of the plain files in an archive; folders are implied by paths.

    Raises:
        TooLargeError, DecompressionBombError, TooManyFilesError: a limit is passed.
        NotAnArchiveError, TruncatedArchiveError: it is no whole gzip-compressed tar archive.
        LinkError, SpecialFileError, UnsafePathError, PathTooLongError, DuplicatePathError: an
            entry is none of a bundle's.
    """
    if len(data) > MAX_ARCHIVE_BYTES:
        raise TooLargeError(
            f"the archive has {len(data)} bytes, and {MAX_ARCHIVE_BYTES} is the limit: remove what"
            " the artifact does not need",
            limit_bytes=MAX_ARCHIVE_BYTES,
        )
    unpacked = _decompress(data)
    try:
        return _read_tar(unpacked)
    except (tarfile.TarError, ValueError, LookupError, EOFError, RecursionError) as error:
        raise NotAnArchiveError(
            f"the archive is no tar archive inside ({error}): pack the folder again"
        ) from error


def _decompress(data: bytes) -> bytes:
    """Decompress one gzip stream, never into more than `MAX_UNPACKED_BYTES`."""
    decompressor = zlib.decompressobj(_GZIP_WINDOW)
    try:
        unpacked = decompressor.decompress(data, MAX_UNPACKED_BYTES + 1)
    except zlib.error as error:
        raise NotAnArchiveError(
            f"the bytes are not gzip-compressed ({error}): send a .tar.gz"
        ) from error
    if len(unpacked) > MAX_UNPACKED_BYTES:
        raise DecompressionBombError(
            f"the archive unpacks to more than {MAX_UNPACKED_BYTES} bytes: remove what the"
            " artifact does not need",
            limit_bytes=MAX_UNPACKED_BYTES,
        )
    if not decompressor.eof:
        raise TruncatedArchiveError("the archive's end is missing: send it again, whole")
    if decompressor.unused_data:
        raise NotAnArchiveError(
            f"{len(decompressor.unused_data)} bytes follow the archive's end: pack it again"
        )
    return unpacked


def _read_tar(unpacked: bytes) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:", encoding="utf-8") as archive:
        for count, member in enumerate(archive, start=1):
            if count > MAX_ENTRIES or len(files) > MAX_FILES:
                raise TooManyFilesError(
                    f"the archive has more than {MAX_FILES} files or {MAX_ENTRIES} entries: remove"
                    " what the artifact does not need",
                    limit=MAX_FILES,
                )
            if _is_top_folder(member):
                continue
            path = require_safe_path(member.name.removeprefix("./"))
            if member.isdir():
                continue
            if path in files:
                raise DuplicatePathError(
                    f"the archive holds {path!r} twice: pack it again", path=path
                )
            _require_plain(member, path)
            files[path] = _content(archive, member, path)
        end = archive.offset
    _require_end(unpacked[end:])
    return files


def _is_top_folder(member: tarfile.TarInfo) -> bool:
    """Whether it is the ``./`` that ``tar -C FOLDER .`` writes first."""
    return member.isdir() and member.name == "."


def _require_plain(member: tarfile.TarInfo, path: str) -> None:
    if member.issym() or member.islnk():
        raise LinkError(
            f"{path!r} is a link to {member.linkname!r}: put the file itself in its place",
            path=path,
        )
    if member.type not in _PLAIN_TYPES or member.issparse():
        raise SpecialFileError(
            f"{path!r} is no plain file (a device, pipe or sparse file): remove it", path=path
        )


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> bytes:
    opened = archive.extractfile(member)
    content = opened.read() if opened else b""
    if len(content) != member.size:
        raise TruncatedArchiveError(
            f"the archive ends inside {path!r}: send it again, whole", path=path
        )
    return content


def _require_end(rest: bytes) -> None:
    """Refuse an archive without its closing zero blocks: entries may have been cut off."""
    if len(rest) < tarfile.BLOCKSIZE or any(rest):
        raise TruncatedArchiveError(
            "the archive does not end as tar archives do: it was cut off or damaged; pack it again"
        )
