"""A sandbox that isolates nothing: bundles run in this process, on a meter that is fixed.

For code that trusts nobody, use the real ones; this one is for tests of what stands above them.
It honours answers, exceptions, endless Python loops (by a step limit), output limits, line
tracing, several variants and deadlines (in cases). It cannot honour what ends a process.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import CodeType, FrameType, ModuleType, TracebackType
from typing import Any, Self

from aem.artifact import ArtifactError, Bundle
from sandbox import (
    CaseRun,
    LoadOutcome,
    SandboxLimits,
    SandboxUsage,
    SessionExpiredError,
    VariantNotLoadedError,
)

STEP_LIMIT = 50_000
ISOLATION = {
    "engine": "fake",
    "engine_version": "1",
    "profile": f"sha256:{'0' * 64}",
    "image": None,
    "python": "3.11",
    "degraded": True,
    "notice": "nothing is isolated",
}


class StepLimitError(BaseException):
    pass


class FakeSandbox:
    """Implements `Sandbox`. Every case takes the same time and memory on its meter."""

    name = "fake"

    def __init__(
        self, *, case_wall_ms: int = 10, case_cpu_ms: int = 5, memory_peak_bytes: int = 20_000_000
    ) -> None:
        self.case_wall_ms = case_wall_ms
        self.case_cpu_ms = case_cpu_ms
        self.memory_peak_bytes = memory_peak_bytes
        self.sessions: list[FakeSession] = []
        self.is_closed = False
        self._faults: list[Exception] = []

    def fail_next(self, *errors: Exception) -> None:
        """Let the next calls of `open`, `load` or `run` raise these, one each."""
        self._faults.extend(errors)

    def isolation(self) -> Mapping[str, Any]:
        return ISOLATION

    def open(self, *, limits: SandboxLimits, label: str) -> "FakeSession":
        self.raise_fault()
        session = FakeSession(self, limits, label)
        self.sessions.append(session)
        return session

    def close(self) -> None:
        self.is_closed = True

    def raise_fault(self) -> None:
        if self._faults:
            raise self._faults.pop(0)


class FakeSession:
    """Implements `SandboxSession`; its deadline passes when its cases' fixed time has added up."""

    def __init__(self, sandbox: FakeSandbox, limits: SandboxLimits, label: str) -> None:
        self.limits = limits
        self.label = label
        self.is_closed = False
        self._sandbox = sandbox
        self._variants: dict[str, _Loaded] = {}
        self._cases = 0
        self._output_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def load(self, variant: str, bundle: Bundle) -> LoadOutcome:
        self._require_open()
        loaded = self._variants[variant] = _Loaded(bundle)
        return loaded.outcome

    def run(
        self,
        variant: str,
        case_id: str,
        input: Any,  # noqa: A002 - the port's name
        *,
        trace_lines: bool = False,
    ) -> CaseRun:
        self._require_open()
        if variant not in self._variants:
            raise VariantNotLoadedError(f"load {variant!r} first")
        self._cases += 1
        run = self._variants[variant].run(
            case_id,
            json.loads(json.dumps(input)),
            output_bytes=self.limits.output_bytes,
            wall_ms=self._sandbox.case_wall_ms,
            trace_lines=trace_lines,
        )
        self._output_bytes += len(run.output_text or b"")
        return run

    def drop(self, variant: str) -> None:
        self._require_open()
        self._variants.pop(variant, None)

    def usage(self) -> SandboxUsage:
        return SandboxUsage(
            wall_ms=self._cases * self._sandbox.case_wall_ms,
            cpu_ms=self._cases * self._sandbox.case_cpu_ms,
            memory_peak_bytes=self._sandbox.memory_peak_bytes,
            output_bytes=self._output_bytes,
            cases=self._cases,
        )

    def close(self) -> None:
        self.is_closed = True

    def _require_open(self) -> None:
        self._sandbox.raise_fault()
        if self.is_closed or self.usage().wall_ms >= self.limits.session_s * 1000:
            raise SessionExpiredError(f"the session {self.label} is over")


class _Loaded:
    def __init__(self, bundle: Bundle) -> None:
        self._modules = _BundleModules(bundle)
        self._function: Any = None
        try:
            entry = bundle.manifest.entry
            with self._modules.importable():
                module = importlib.import_module(entry.module)
                self._function = getattr(module, entry.function)
            self.outcome = LoadOutcome(status="loaded")
        except ArtifactError as error:
            self.outcome = LoadOutcome(status="error", error=str(error))
        except Exception as error:  # noqa: BLE001 - whatever an import raises is its result
            self.outcome = LoadOutcome(status="error", error=self._modules.describe(error))

    def run(
        self, case_id: str, value: Any, *, output_bytes: int, wall_ms: int, trace_lines: bool
    ) -> CaseRun:
        if not self.outcome.is_loaded:
            status, error = self.outcome.status, self.outcome.error
            return CaseRun(case_id=case_id, status=status, error=error, wall_ms=0)
        tracer = _StepTracer(self._modules.paths)
        output, error = b"", None
        try:
            with self._modules.importable(), tracer.tracing():
                result = self._function(value, None)
            output = json.dumps(result).encode()
            status = "output_too_large" if len(output) > output_bytes else "answered"
        except StepLimitError:
            status = "timeout"
        except MemoryError:
            status = "out_of_memory"
        except (Exception, SystemExit) as raised:  # noqa: BLE001 - whatever it raises is the result
            status, error = "error", self._modules.describe(raised)
        answered = status == "answered"
        return CaseRun(
            case_id=case_id,
            status=status,
            output_text=output if answered else None,
            error=None if answered else error or status,
            wall_ms=wall_ms,
            lines=tracer.lines() if trace_lines else None,
        )


class _StepTracer:
    def __init__(self, paths: Sequence[str]) -> None:
        self._executed: dict[str, set[int]] = {}
        self._paths = frozenset(paths)
        self._steps = 0

    @contextmanager
    def tracing(self) -> Iterator[None]:
        before = sys.gettrace()  # a coverage run has one
        sys.settrace(self._on_call)
        try:
            yield
        finally:
            sys.settrace(before)

    def lines(self) -> Mapping[str, list[int]]:
        return {path: sorted(lines) for path, lines in self._executed.items()}

    def _on_call(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        return self._on_line if frame.f_code.co_filename in self._paths else None

    def _on_line(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "line":
            self._executed.setdefault(frame.f_code.co_filename, set()).add(frame.f_lineno)
            self._steps += 1
            if self._steps > STEP_LIMIT:
                raise StepLimitError
        return self._on_line


class _BundleModules(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports a bundle's modules from memory, and only while it is told to."""

    def __init__(self, bundle: Bundle) -> None:
        self._sources = {
            path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): path
            for path in bundle.files
            if path.endswith(".py")
        }
        self._bundle = bundle
        self._imported: dict[str, ModuleType] = {}

    @property
    def paths(self) -> Sequence[str]:
        return list(self._sources.values())

    @contextmanager
    def importable(self) -> Iterator[None]:
        hidden = {name: sys.modules.pop(name) for name in self._sources if name in sys.modules}
        sys.modules.update(self._imported)
        sys.meta_path.insert(0, self)
        try:
            yield
        finally:
            sys.meta_path.remove(self)
            for name in self._sources:
                if name in sys.modules:
                    self._imported[name] = sys.modules.pop(name)
            sys.modules.update(hidden)

    def find_spec(
        self, name: str, path: Any = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in self._sources:
            return None
        is_package = self._sources[name].endswith("/__init__.py")
        return importlib.util.spec_from_loader(name, self, is_package=is_package)

    def is_package(self, name: str) -> bool:
        return self._sources[name].endswith("/__init__.py")

    def get_source(self, name: str) -> str:
        return self._bundle.files[self._sources[name]].decode()

    def get_code(self, name: str) -> CodeType:
        return compile(self.get_source(name), self._sources[name], "exec", dont_inherit=True)

    def describe(self, error: BaseException) -> str:
        """Name the bundle's files and lines, as the real sandboxes do."""
        told = []
        trace = error.__traceback__
        while trace is not None:
            code = trace.tb_frame.f_code
            if code.co_filename in self._bundle.files:
                told.append(f"  {code.co_filename}:{trace.tb_lineno} in {code.co_name}")
            trace = trace.tb_next
        if isinstance(error, SyntaxError):
            told.append(f"  {error.filename}:{error.lineno}")
        return "\n".join([*told[-20:], f"{type(error).__name__}: {error}"])
