import gzip
import io
import random
import tarfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aem.artifact import (
    MAX_ARCHIVE_BYTES,
    MAX_FILE_BYTES,
    MAX_FILES,
    ArtifactError,
    Bundle,
)
from aem.artifact.archive import MAX_ENTRIES, MAX_UNPACKED_BYTES
from tests.fakes.bundles import echo_bundle, echo_files


def packed(*members: tuple[str, bytes] | tarfile.TarInfo, form: int = tarfile.PAX_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", format=form) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return stream.getvalue()


def entry(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def sparse_archive() -> bytes:
    """A GNU sparse file of one gibibyte made of no data at all."""
    info = tarfile.TarInfo("hole")
    info.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(1024**3)}
    return packed(info)


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "symbolic link": (lambda: packed(entry("a", tarfile.SYMTYPE, "/etc/passwd")), "link"),
    "hard link": (lambda: packed(("b", b"1"), entry("a", tarfile.LNKTYPE, "b")), "link"),
    "character device": (lambda: packed(entry("null", tarfile.CHRTYPE)), "special_file"),
    "block device": (lambda: packed(entry("disk", tarfile.BLKTYPE)), "special_file"),
    "pipe": (lambda: packed(entry("pipe", tarfile.FIFOTYPE)), "special_file"),
    "sparse file": (sparse_archive, "special_file"),
    "unknown type": (lambda: packed(entry("what", b"Z")), "special_file"),
    "absolute": (lambda: packed(("/etc/passwd", b"")), "unsafe_path"),
    "parent": (lambda: packed(("a/../../b", b"")), "unsafe_path"),
    "parent behind dot": (lambda: packed(("./../b", b"")), "unsafe_path"),
    "parent folder": (lambda: packed(entry("..", tarfile.DIRTYPE)), "unsafe_path"),
    "absolute behind dot": (lambda: packed((".//etc", b"")), "unsafe_path"),
    "backslash": (lambda: packed(("a\\b", b"")), "unsafe_path"),
    "control character": (lambda: packed(("a\nb", b"")), "unsafe_path"),
    "no unicode": (lambda: packed(("a\udcff", b""), form=tarfile.GNU_FORMAT), "unsafe_path"),
    "long path": (lambda: packed(("a" * 300, b"")), "path_too_long"),
    "deep path": (lambda: packed(("a/" * 40 + "b", b"")), "path_too_long"),
    "path twice": (lambda: packed(("a", b"1"), ("a", b"2")), "duplicate_path"),
    "path twice behind dot": (lambda: packed(("a", b"1"), ("./a", b"2")), "duplicate_path"),
    "case collision": (lambda: packed(("a", b"1"), ("A", b"2")), "colliding_paths"),
    "file and folder": (lambda: packed(("a", b"1"), ("a/b", b"2")), "colliding_paths"),
    "no file": (packed, "empty_bundle"),
    "only folders": (lambda: packed(entry("a", tarfile.DIRTYPE)), "empty_bundle"),
    "not gzip": (lambda: b"PK\x03\x04 something else", "not_an_archive"),
    "nothing": (lambda: b"", "truncated_archive"),
    "gzip of no tar": (lambda: gzip.compress(b"words " * 200), "not_an_archive"),
    "gzip twice": (lambda: echo_bundle().to_archive() * 2, "not_an_archive"),
    "large file": (lambda: packed(("a", bytes(MAX_FILE_BYTES + 1))), "too_large"),
    "large archive": (lambda: bytes(MAX_ARCHIVE_BYTES + 1), "too_large"),
    "bomb": (lambda: gzip.compress(bytes(MAX_UNPACKED_BYTES + 1), 1), "decompression_bomb"),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_what_an_archive_must_not_hold_is_refused_by_its_own_name(case: str) -> None:
    make, reason = REFUSED[case]
    with pytest.raises(ArtifactError) as caught:
        Bundle.from_archive(make())
    assert caught.value.reason == reason


def test_a_refusal_names_the_path_and_says_what_to_do() -> None:
    with pytest.raises(ArtifactError) as caught:
        Bundle.from_archive(packed(entry("src/a", tarfile.SYMTYPE, "/etc/passwd")))
    assert caught.value.details == {"path": "src/a"}
    assert "'src/a' is a link to '/etc/passwd': put the file itself" in caught.value.message


@pytest.mark.parametrize("path", ["/etc/passwd", "../a"])
def test_a_path_that_leads_out_is_called_that(path: str) -> None:
    with pytest.raises(ArtifactError, match="leads out of the bundle"):
        Bundle.from_archive(packed((path, b"")))


def test_too_many_files_are_refused() -> None:
    with pytest.raises(ArtifactError) as caught:
        Bundle.from_archive(packed(*((f"f{n}", b"") for n in range(MAX_FILES + 1))))
    assert caught.value.reason == "too_many_files"


def test_too_many_folders_are_refused_too() -> None:
    folders = (entry(f"f{n}", tarfile.DIRTYPE) for n in range(MAX_ENTRIES + 1))
    with pytest.raises(ArtifactError) as caught:
        Bundle.from_archive(packed(*folders))
    assert caught.value.reason == "too_many_files"


def test_files_that_are_too_large_together_are_refused() -> None:
    parts = ((f"part{n}", bytes(MAX_FILE_BYTES)) for n in range(4))
    with pytest.raises(ArtifactError) as caught:
        Bundle.from_archive(packed(*parts, ("last", b"1")))
    assert caught.value.reason == "too_large"


def test_an_archive_cut_off_anywhere_is_refused() -> None:
    whole = echo_bundle().to_archive()
    for length in range(len(whole)):
        with pytest.raises(ArtifactError) as caught:
            Bundle.from_archive(whole[:length])
        assert caught.value.reason in ("truncated_archive", "not_an_archive")


def test_a_tar_cut_off_at_an_entry_is_refused_though_the_gzip_stream_is_whole() -> None:
    inner = gzip.decompress(echo_bundle().to_archive())
    for length in range(512, len(inner), 512):
        if any(inner[length:]):
            with pytest.raises(ArtifactError) as caught:
                Bundle.from_archive(gzip.compress(inner[:length], 1))
            assert caught.value.reason in ("truncated_archive", "not_an_archive")


def test_damaged_archives_end_in_no_other_error() -> None:
    generator = random.Random(11)
    inner = gzip.decompress(packed(*echo_files().items(), ("b" * 150, b"x")))
    for _ in range(1_500):
        damaged = bytearray(inner)
        for _ in range(generator.randint(1, 8)):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        try:
            Bundle.from_archive(gzip.compress(bytes(damaged), 1))
        except ArtifactError:
            continue


@given(st.binary(max_size=2_000))
def test_any_bytes_end_in_no_other_error(data: bytes) -> None:
    for attempt in (data, gzip.compress(data, 1)):
        with pytest.raises(ArtifactError):
            Bundle.from_archive(attempt)


def test_chained_long_names_do_not_exhaust_the_stack() -> None:
    link = tarfile.TarInfo("././@LongLink")
    link.type = tarfile.GNUTYPE_LONGNAME
    chain = link.tobuf(tarfile.GNU_FORMAT) * 3_000
    with pytest.raises(ArtifactError):
        Bundle.from_archive(gzip.compress(chain + bytes(1_024)))


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,8}/[a-z]{1,8}\.[a-z]{3}", fullmatch=True),
        st.binary(max_size=600),
        min_size=1,
        max_size=8,
    )
)
def test_a_bundle_comes_back_from_its_archive(files: dict[str, bytes]) -> None:
    assert Bundle.from_archive(Bundle(files).to_archive()) == Bundle(files)


def test_the_same_files_give_the_same_archive() -> None:
    files = echo_files()
    archive = Bundle(files).to_archive()
    assert archive == Bundle(dict(reversed(files.items()))).to_archive()
    assert archive[4:8] == bytes(4)  # gzip's field for the time of packing


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_archives_of_common_tools_are_read(form: int) -> None:
    members = [(f"./{path}", content) for path, content in echo_files().items()]
    folders = [entry("./", tarfile.DIRTYPE), entry("./schema/", tarfile.DIRTYPE)]
    assert Bundle.from_archive(packed(*folders, *members, form=form)) == echo_bundle()


def test_long_and_foreign_paths_survive() -> None:
    files = {"ä/" + "x" * 200 + "/名前.txt": b"1"}
    assert Bundle.from_archive(Bundle(files).to_archive()).files == files
