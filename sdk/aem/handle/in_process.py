"""Running a version inside the agent's own process, for namespaces that its owner trusts.

Each version gets modules of its own: a private package in ``sys.modules`` that no other version
shares, though both may have modules of the same names. Inside it, ``import phrase`` finds the
version's own ``phrase``, also when it runs in the middle of a call. Files are written to a private
folder, so that code may read its own data; modules are compiled from the verified bytes.

The manifest's limits are not enforced here, and an answer is what the function returns.
"""

import builtins
import importlib
import importlib.abc
import importlib.machinery
import itertools
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

from aem.artifact import Bundle
from aem.handle.errors import CallFailedError, LoadFailedError
from aem.handle.runtime import require_entry

_numbers = itertools.count(1)
"""Tells loads of one process apart, also of the same version twice."""


class Context:
    """What an entry is given beside its input: brokered calls, of which none yet."""

    def __getattr__(self, name: str) -> Any:
        """Say that nothing is brokered here."""
        raise AttributeError(f"context.{name} is not offered: this handle brokers no calls")


class InProcessRuntime:
    """A version loaded into this process."""

    def __init__(self, bundle: Bundle) -> None:
        """Import the version's entry.

        Raises:
            UnsupportedKindError: it is no Python artifact.
            LoadFailedError: the import raised, or the entry is no function.
        """
        entry = require_entry(bundle)
        self._digest = bundle.digest
        self._context = Context()
        self._modules = VersionModules(bundle)
        try:
            self._function = self._modules.load(entry.module, entry.function)
        except (Exception, SystemExit) as error:
            self._modules.unload()
            raise LoadFailedError(
                f"{entry.module}:{entry.function} of {self._digest} cannot be imported:"
                f" {type(error).__name__}: {error}",
                digest=self._digest,
            ) from error

    def call(self, value: Any) -> Any:
        """Return the artifact's answer (`Runtime.call`)."""
        try:
            return self._function(value, self._context)
        except (Exception, SystemExit) as error:
            raise CallFailedError(
                f"{self._digest} raised {type(error).__name__}: {error}",
                status="error",
                digest=self._digest,
            ) from error

    def close(self) -> None:
        """Forget the version's modules and remove its files."""
        self._modules.unload()


class VersionModules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and loads the modules of one version under a package name of its own."""

    def __init__(self, bundle: Bundle) -> None:
        """Serve the modules of a bundle; nothing is imported yet."""
        self._bundle = bundle
        self._package = f"aem_version_{next(_numbers)}"
        self._sources = _sources(bundle.files)
        self._top_level = {
            PurePosixPath(path).parts[0].removesuffix(".py") for path in self._sources
        }
        self._builtins = {**vars(builtins), "__import__": self._import}
        self._unpacked: tempfile.TemporaryDirectory[str] | None = None
        self._folder = Path()

    def load(self, module_name: str, function_name: str) -> Callable[[Any, Any], Any]:
        """Import a module of the version and return a function of it; raises what that raises."""
        self._unpacked = tempfile.TemporaryDirectory(prefix="aem-version-")
        self._folder = Path(self._unpacked.name)
        self._bundle.write_to(self._folder)
        package = ModuleType(self._package, "Modules of one version of an artifact.")
        package.__path__ = [str(self._folder)]
        sys.modules[self._package] = package
        sys.meta_path.insert(0, self)
        module = importlib.import_module(f"{self._package}.{module_name}")
        function = getattr(module, function_name)
        if not callable(function):
            raise TypeError(f"{function_name} is not callable")
        return function  # type: ignore[no-any-return]

    def unload(self) -> None:
        """Forget all modules of the version and remove its files."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        prefix = f"{self._package}."
        for name in list(sys.modules):
            if name == self._package or name.startswith(prefix):
                del sys.modules[name]
        if self._unpacked is not None:
            self._unpacked.cleanup()

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the import system's signature
        target: ModuleType | None = None,  # noqa: ARG002 - the import system's signature
    ) -> ModuleSpec | None:
        """Find a module among the version's files."""
        package, _, rest = fullname.partition(".")
        if package != self._package:
            return None
        stem = rest.replace(".", "/")
        for source, is_package in ((f"{stem}/__init__.py", True), (f"{stem}.py", False)):
            if source in self._sources:
                spec = ModuleSpec(
                    fullname, self, origin=str(self._folder / source), is_package=is_package
                )
                spec.has_location = True
                if is_package:
                    spec.submodule_search_locations = [str(self._folder / stem)]
                return spec
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Run a module's source with imports that look at the version's own modules first."""
        origin = str(module.__file__)
        source = self._sources[Path(origin).relative_to(self._folder).as_posix()]
        vars(module)["__builtins__"] = self._builtins
        exec(compile(source, origin, "exec", dont_inherit=True), vars(module))  # noqa: S102 - running the artifact is the purpose

    def _import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,  # noqa: A002 - the import system's signature
        locals: Mapping[str, object] | None = None,  # noqa: A002 - the import system's signature
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """Import as ``__import__`` does, the version's own top-level modules first."""
        top_level = name.partition(".")[0]
        if level != 0 or top_level not in self._top_level:
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        own_name = f"{self._package}.{name}"
        if fromlist:
            return builtins.__import__(own_name, globals, locals, fromlist, 0)
        importlib.import_module(own_name)
        return sys.modules[f"{self._package}.{top_level}"]


def _sources(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the modules' sources; folders without ``__init__.py`` are packages all the same."""
    sources = {path: content for path, content in files.items() if path.endswith(".py")}
    for path in list(sources):
        for folder in PurePosixPath(path).parents:
            if folder.name:
                sources.setdefault(f"{folder}/__init__.py", b"")
    return sources
