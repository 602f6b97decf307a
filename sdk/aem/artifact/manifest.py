"""Manifests: ``artifact.toml``, read strictly, with errors that name the key."""

import json
import keyword
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from aem.artifact.errors import FileMissingError, ManifestError, ManifestMissingError
from aem.artifact.path import require_safe_path

MANIFEST_PATH = "artifact.toml"
LOCK_PATH = "requirements.lock"

MAX_WALL_S = 300.0
MAX_MEMORY_BYTES = 4 * 1024**3
MAX_OUTPUT_BYTES = 16 * 1024**2
MIN_MEMORY_BYTES = 16 * 1024**2
"""Below this no interpreter starts."""

MAX_REQUIREMENTS = 200

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,62}")
_KEYS = frozenset(
    {"name", "kind", "entry", "input_schema", "output_schema", "requires", "limits", "self_test"}
)
_LIMIT_KEYS = frozenset({"wall_s", "memory_bytes", "output_bytes"})
_SELF_TEST_KEYS = frozenset({"cases"})


class ArtifactKind(StrEnum):
    """How an artifact is run."""

    PYTHON = "python"
    PROMPT = "prompt"
    POLICY = "policy"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """The function that is called: ``run(input: dict, context) -> dict``.

    Attributes:
        module: identifier; the file ``<module>.py`` at the top of the bundle.
        function: identifier in that module.
    """

    module: str
    function: str

    @property
    def path(self) -> str:
        """The module's file in the bundle."""
        return f"{self.module}.py"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one call may use.

    Attributes:
        wall_s: seconds on the wall clock.
        memory_bytes: resident memory of the process.
        output_bytes: length of the answer as JSON text.
    """

    wall_s: float = 5.0
    memory_bytes: int = 256 * 1024**2
    output_bytes: int = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What ``artifact.toml`` says; every file that it names is in the bundle.

    Attributes:
        name: ``namespace/name``.
        kind: how it is run.
        entry: the function to call; only `python` artifacts have one.
        input_schema: path of the JSON Schema of inputs.
        output_schema: path of the JSON Schema of outputs.
        limits: what one call may use.
        self_test: path of the JSON lines that are run before a version is taken into use.
        requires: names of required packages; pinned with hashes in ``requirements.lock``.
    """

    name: str
    kind: ArtifactKind
    entry: Entry | None
    input_schema: str
    output_schema: str
    limits: Limits
    self_test: str | None
    requires: tuple[str, ...]

    @property
    def namespace(self) -> str:
        """The part of the name before the slash."""
        return self.name.partition("/")[0]


def read_manifest(files: Mapping[str, bytes]) -> Manifest:
    """Read ``artifact.toml`` and check that the files it names are there.

    Raises:
        ManifestMissingError: there is none.
        ManifestError: it is no TOML, or a key is wrong, unknown or missing.
        FileMissingError: it names a file that is not in the bundle.
    """
    fields = _parse(files)
    _refuse_unknown(fields, _KEYS, "")
    kind = _kind(fields)
    return Manifest(
        name=_name(fields),
        kind=kind,
        entry=_entry(fields, files) if kind is ArtifactKind.PYTHON else None,
        input_schema=_schema(fields, "input_schema", files),
        output_schema=_schema(fields, "output_schema", files),
        limits=_limits(_table(fields, "limits")),
        self_test=_self_test(fields, files),
        requires=_requires(fields, files),
    )


def _parse(files: Mapping[str, bytes]) -> dict[str, Any]:
    data = files.get(MANIFEST_PATH)
    if data is None:
        raise ManifestMissingError(
            f"there is no {MANIFEST_PATH} at the top of the folder: write one", path=MANIFEST_PATH
        )
    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{MANIFEST_PATH} is not TOML: {error}", path=MANIFEST_PATH) from error


def _wrong(key: str, expected: str, value: Any) -> ManifestError:
    return ManifestError(
        f"{MANIFEST_PATH}: `{key}` must be {expected}, not {value!r:.80}",
        path=MANIFEST_PATH,
        key=key,
        expected=expected,
    )


def _refuse_unknown(table: Mapping[str, Any], known: Iterable[str], prefix: str) -> None:
    unknown = sorted(set(table) - set(known))
    if unknown:
        key = prefix + unknown[0]
        raise ManifestError(
            f"{MANIFEST_PATH}: `{key}` is no known key; known are {', '.join(sorted(known))}",
            path=MANIFEST_PATH,
            key=key,
        )


def _text(fields: Mapping[str, Any], key: str, expected: str) -> str:
    if key not in fields:
        raise ManifestError(
            f"{MANIFEST_PATH}: `{key}` is missing; it must be {expected}",
            path=MANIFEST_PATH,
            key=key,
            expected=expected,
        )
    value = fields[key]
    if not isinstance(value, str):
        raise _wrong(key, expected, value)
    return value


def _table(fields: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = fields.get(key, {})
    if not isinstance(value, dict):
        raise _wrong(key, "a table", value)
    return value


def _name(fields: Mapping[str, Any]) -> str:
    expected = 'a text "namespace/name", each of at most 63 lower-case letters, digits and hyphens'
    name = _text(fields, "name", expected)
    if not _NAME.fullmatch(name):
        raise _wrong("name", expected, name)
    return name


def _kind(fields: Mapping[str, Any]) -> ArtifactKind:
    expected = " or ".join(f'"{kind}"' for kind in ArtifactKind)
    value = _text(fields, "kind", expected)
    if value not in set(ArtifactKind):
        raise _wrong("kind", expected, value)
    return ArtifactKind(value)


def _entry(fields: Mapping[str, Any], files: Mapping[str, bytes]) -> Entry:
    expected = 'a text "module:function", both Python identifiers'
    value = _text(fields, "entry", expected)
    module, _, function = value.partition(":")
    if not all(part.isidentifier() and not keyword.iskeyword(part) for part in (module, function)):
        raise _wrong("entry", expected, value)
    entry = Entry(module=module, function=function)
    _require_file("entry", entry.path, files)
    return entry


def _require_file(key: str, path: str, files: Mapping[str, bytes]) -> None:
    if require_safe_path(path) not in files:
        raise FileMissingError(
            f"{MANIFEST_PATH}: `{key}` names {path!r}, which is not in the folder: add the file or"
            " correct the key",
            path=path,
            key=key,
        )


def _schema(fields: Mapping[str, Any], key: str, files: Mapping[str, bytes]) -> str:
    path = _text(fields, key, "a text, the path of a JSON Schema file")
    _require_file(key, path, files)
    try:
        schema = json.loads(files[path])
    except (ValueError, RecursionError) as error:
        raise ManifestError(
            f"{path!r}, which `{key}` names, is not JSON: {error}", path=path, key=key
        ) from error
    if not isinstance(schema, dict):
        raise ManifestError(
            f"{path!r}, which `{key}` names, must hold a JSON object", path=path, key=key
        )
    return path


def _limits(table: Mapping[str, Any]) -> Limits:
    _refuse_unknown(table, _LIMIT_KEYS, "limits.")
    default = Limits()
    return Limits(
        wall_s=_wall_s(table.get("wall_s", default.wall_s)),
        memory_bytes=_count(
            "limits.memory_bytes",
            table.get("memory_bytes", default.memory_bytes),
            MIN_MEMORY_BYTES,
            MAX_MEMORY_BYTES,
        ),
        output_bytes=_count(
            "limits.output_bytes",
            table.get("output_bytes", default.output_bytes),
            1,
            MAX_OUTPUT_BYTES,
        ),
    )


def _wall_s(value: Any) -> float:
    expected = f"a number of seconds above 0 and up to {MAX_WALL_S:g}"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not 0 < value <= MAX_WALL_S:
        raise _wrong("limits.wall_s", expected, value)
    return float(value)


def _count(key: str, value: Any, least: int, most: int) -> int:
    expected = f"an integer from {least} to {most}"
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise _wrong(key, expected, value)
    return value


def _self_test(fields: Mapping[str, Any], files: Mapping[str, bytes]) -> str | None:
    if "self_test" not in fields:
        return None
    table = _table(fields, "self_test")
    _refuse_unknown(table, _SELF_TEST_KEYS, "self_test.")
    expected = "a text, the path of a file of JSON lines"
    path = table.get("cases")
    if not isinstance(path, str):
        raise _wrong("self_test.cases", expected, path)
    _require_file("self_test.cases", path, files)
    return path


def _requires(fields: Mapping[str, Any], files: Mapping[str, bytes]) -> tuple[str, ...]:
    expected = f"a list of at most {MAX_REQUIREMENTS} texts"
    value = fields.get("requires", [])
    if not isinstance(value, list) or len(value) > MAX_REQUIREMENTS:
        raise _wrong("requires", expected, value)
    if not all(isinstance(requirement, str) for requirement in value):
        raise _wrong("requires", expected, value)
    if value:
        _require_file("requires", LOCK_PATH, files)
    return tuple(value)
