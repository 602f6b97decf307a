"""The image of every container, made without a registry: the host's interpreter, packed.

It holds the interpreter with its standard library and shared libraries, and the runner: no shell,
no package manager, no tool. It is named by the digest of what goes in, so it is made once per
interpreter and runner.
"""

import hashlib
import importlib.util
import io
import marshal
import os
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from aem.isolation import (
    EXECUTABLE,
    RUNNER_FOLDER,
    SHARED_LIBRARY_FOLDER,
    Interpreter,
)

REPOSITORY = "aem-sandbox"
LABEL_CONTENT = "aem.sandbox.content"

_FORMAT = b"aem sandbox image 1\n"  # to be changed with how files are laid out and compiled
_TAG_CHARACTERS = 32
_EXECUTABLE_MODE = 0o755
_FILE_MODE = 0o644
_FOLDER_MODE = 0o755
_EMPTY_FOLDERS = ("dev", "etc", "proc", "sys", "tmp")
_FOLDER_MODES = {"tmp": 0o1777}  # an engine gives a tmpfs the mode of the folder that it covers
_UNCHECKED_HASH = (1).to_bytes(4, "little")  # PEP 552: trust the .pyc, never write one
_UNNEEDED = re.compile(
    r"__pycache__|config-.+|distutils|ensurepip|idlelib|lib2to3|pydoc_data|site-packages"
    r"|dist-packages|test|tests|tkinter|turtledemo|venv|_tkinter.*|_test.*|.+\.a"
)
"""Names of files and folders that no artifact runs: tests, screens, packaging, static archives."""


@dataclass(frozen=True, kw_only=True)
class ImageContent:
    """What an image is made of.

    Attributes:
        files: absolute path inside to file of the host.
        digest: SHA-256 over paths and contents, as ``sha256:<hex>``.
    """

    files: Mapping[str, Path]
    digest: str

    @property
    def tag(self) -> str:
        """The image's name, which says what is in it."""
        return f"{REPOSITORY}:{self.digest.partition(':')[2][:_TAG_CHARACTERS]}"


def image_content(interpreter: Interpreter) -> ImageContent:
    """Collect an interpreter's files and digest them (about a third of a second)."""
    files = {
        EXECUTABLE: interpreter.executable,
        str(interpreter.loader): interpreter.loader,
        **_folder_files(interpreter.standard_library, interpreter.standard_library_inside),
        **_folder_files(interpreter.runner, RUNNER_FOLDER),
    }
    for name, path in interpreter.shared_libraries.items():
        files[f"{SHARED_LIBRARY_FOLDER}/{name}"] = path
    digest = hashlib.sha256(_FORMAT + interpreter.version.encode())
    for inside, path in sorted(files.items()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{inside}\0{content}\n".encode())
    return ImageContent(files=files, digest=f"sha256:{digest.hexdigest()}")


def _folder_files(folder: Path, inside: str) -> dict[str, Path]:
    found = {}
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _UNNEEDED.fullmatch(name)]  # not entered
        for name in names:
            if not _UNNEEDED.fullmatch(name):
                path = Path(place, name)
                found[f"{inside}/{path.relative_to(folder).as_posix()}"] = path
    return found


def write_image(content: ImageContent, target: io.BufferedIOBase) -> None:
    """Write the image's file system as a tar: sorted, without times and owners (some seconds).

    Modules are compiled into ``.pyc`` files that are never checked against their source, since
    the root is read-only and the check would cost a look at every file.
    """
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for folder in sorted({*_EMPTY_FOLDERS, *_parents(content.files)}):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, _FOLDER_MODES.get(folder, _FOLDER_MODE)
            tar.addfile(entry)
        for inside, path in sorted(content.files.items()):
            data = path.read_bytes()
            is_program = inside == EXECUTABLE or ".so" in PurePath(inside).name
            _add_file(tar, inside, data, _EXECUTABLE_MODE if is_program else _FILE_MODE)
            if inside.endswith(".py"):
                _add_file(tar, _compiled_path(inside), _compiled(data, inside), _FILE_MODE)


def _parents(files: Mapping[str, Path]) -> Iterator[str]:
    for inside in files:
        cache = [PurePosixPath(_compiled_path(inside))] if inside.endswith(".py") else []
        for path in (PurePosixPath(inside), *cache):
            yield from (str(parent).lstrip("/") for parent in path.parents if parent.name)


def _add_file(tar: tarfile.TarFile, inside: str, data: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(inside.lstrip("/"))
    entry.size, entry.mode = len(data), mode
    tar.addfile(entry, io.BytesIO(data))


def _compiled_path(inside: str) -> str:
    return importlib.util.cache_from_source(inside, optimization="")


def _compiled(source: bytes, inside: str) -> bytes:
    code = compile(source, inside, "exec", dont_inherit=True, optimize=0)
    digest = importlib.util.source_hash(source)
    return importlib.util.MAGIC_NUMBER + _UNCHECKED_HASH + digest + marshal.dumps(code)
