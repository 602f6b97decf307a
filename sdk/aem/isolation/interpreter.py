"""The host's Python interpreter, as a sandbox needs it: its files, and where they go inside.

Inside, everything has neutral paths: no path of the host is seen. Candidates run on the standard
library alone; site-packages stay outside.
"""

import os
import platform
import re
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aem.isolation import runner
from aem.isolation.errors import NotAvailableError

PYTHON_FOLDER = "/opt/python"
SHARED_LIBRARY_FOLDER = f"{PYTHON_FOLDER}/lib"
EXECUTABLE = f"{PYTHON_FOLDER}/bin/python3"
RUNNER_ROOT = "/opt/aem"
RUNNER_FOLDER = f"{RUNNER_ROOT}/aem/isolation/runner"

ENVIRONMENT: Mapping[str, str] = {
    "HOME": "/tmp",  # noqa: S108 - a path inside the sandbox
    "LANG": "C.UTF-8",
    "LD_LIBRARY_PATH": SHARED_LIBRARY_FOLDER,
    "PATH": f"{PYTHON_FOLDER}/bin",
}
"""All of a candidate's environment."""

_START = (
    f"import sys; sys.path.insert(0, {RUNNER_ROOT!r}); "
    "from aem.isolation.runner.server import main; del sys.path[0]; main()"
)

COMMAND = (EXECUTABLE, "-I", "-S", "-B", "-c", _START)
"""Starts the runner, whose settings follow as the last argument. Isolated, without site: neither
the environment nor planted files (sitecustomize, .pth) run code before it."""

LIST_TIMEOUT_S = 60.0

_LIBRARY = re.compile(r"^\t(?:(\S+) => )?(/\S+) \(0x[0-9a-f]+\)$", re.MULTILINE)
_UNNEEDED_EXTENSIONS = re.compile(r"_tkinter|_test|_ctypes_test|xx")


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """Where the host keeps what a Python process opens.

    Attributes:
        version: such as ``3.11.7``.
        executable: the interpreter itself, links resolved.
        standard_library: its folder of modules.
        shared_libraries: name, as the loader looks it up, to file.
        loader: the dynamic loader; its path is written in the executable, so it is kept.
        runner: the folder of `aem.isolation.runner`.
    """

    version: str
    executable: Path
    standard_library: Path
    shared_libraries: Mapping[str, Path]
    loader: Path
    runner: Path

    @property
    def standard_library_inside(self) -> str:
        """Where the interpreter finds its modules, seen from `EXECUTABLE`."""
        name = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return f"{PYTHON_FOLDER}/{sys.platlibdir}/{name}"


def find_interpreter() -> Interpreter:
    """Find the files of the interpreter that runs this.

    Raises:
        NotAvailableError: its shared libraries cannot be listed (no ``ldd``, or no glibc).
    """
    executable = Path(sys.executable).resolve()
    standard_library = Path(sysconfig.get_path("stdlib"))
    extensions = [
        path
        for path in sorted((standard_library / "lib-dynload").glob("*.so"))
        if not _UNNEEDED_EXTENSIONS.match(path.name)
    ]
    listing = _list_libraries([executable, *extensions])
    found = [(name, Path(path)) for name, path in _LIBRARY.findall(listing)]
    loaders = [path for name, path in found if not name]
    if not loaders:
        raise NotAvailableError(f"{executable} is not a program that a glibc loader starts")
    return Interpreter(
        version=platform.python_version(),
        executable=executable,
        standard_library=standard_library,
        shared_libraries={name: path for name, path in sorted(found) if name},
        loader=loaders[0],
        runner=Path(os.fspath(runner.__path__[0])),
    )


def _list_libraries(files: list[Path]) -> str:
    try:
        listed = subprocess.run(
            ["ldd", *map(os.fspath, files)],
            capture_output=True,
            text=True,
            timeout=LIST_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotAvailableError("ldd is needed to list the interpreter's libraries") from error
    return listed.stdout
