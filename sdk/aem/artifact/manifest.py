"""Manifests: ``artifact.toml``, read strictly, with errors that name the key."""

import keyword
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from aem.artifact.errors import ManifestError, ManifestMissingError
from aem.artifact.prompt_settings import (
    PROMPT_TABLES,
    PromptSettings,
    read_prompt_settings,
    read_schema,
)
from aem.artifact.tables import (
    MANIFEST_PATH,
    read_count,
    read_table,
    read_text,
    refuse_unknown,
    require_file,
    wrong,
)

LOCK_PATH = "requirements.lock"

MAX_WALL_S = 300.0
MAX_MEMORY_BYTES = 4 * 1024**3
MAX_OUTPUT_BYTES = 16 * 1024**2
MIN_MEMORY_BYTES = 16 * 1024**2
"""Below this no interpreter starts."""

MAX_REQUIREMENTS = 200

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,62}")
_KEYS = frozenset({"name", "kind", "input_schema", "output_schema", "limits", "self_test"})
_CODE_KEYS = frozenset({"entry", "requires"})
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
        prompt: messages, model and reply; only `prompt` artifacts have them.
    """

    name: str
    kind: ArtifactKind
    entry: Entry | None
    input_schema: str
    output_schema: str
    limits: Limits
    self_test: str | None
    requires: tuple[str, ...]
    prompt: PromptSettings | None = None

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
    kind = _kind(fields)
    is_prompt = kind is ArtifactKind.PROMPT
    refuse_unknown(fields, _KEYS | (PROMPT_TABLES if is_prompt else _CODE_KEYS), "")
    output_schema = read_schema(fields, "output_schema", files)
    return Manifest(
        name=_name(fields),
        kind=kind,
        entry=_entry(fields, files) if kind is ArtifactKind.PYTHON else None,
        input_schema=read_schema(fields, "input_schema", files),
        output_schema=output_schema,
        limits=_limits(read_table(fields, "limits")),
        self_test=_self_test(fields, files),
        requires=_requires(fields, files),
        prompt=(
            read_prompt_settings(fields, files, output_schema=output_schema) if is_prompt else None
        ),
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


def _name(fields: Mapping[str, Any]) -> str:
    expected = 'a text "namespace/name", each of at most 63 lower-case letters, digits and hyphens'
    name = read_text(fields, "name", expected)
    if not _NAME.fullmatch(name):
        raise wrong("name", expected, name)
    return name


def _kind(fields: Mapping[str, Any]) -> ArtifactKind:
    expected = " or ".join(f'"{kind}"' for kind in ArtifactKind)
    value = read_text(fields, "kind", expected)
    if value not in set(ArtifactKind):
        raise wrong("kind", expected, value)
    return ArtifactKind(value)


def _entry(fields: Mapping[str, Any], files: Mapping[str, bytes]) -> Entry:
    expected = 'a text "module:function", both Python identifiers'
    value = read_text(fields, "entry", expected)
    module, _, function = value.partition(":")
    if not all(part.isidentifier() and not keyword.iskeyword(part) for part in (module, function)):
        raise wrong("entry", expected, value)
    entry = Entry(module=module, function=function)
    require_file("entry", entry.path, files)
    return entry


def _limits(table: Mapping[str, Any]) -> Limits:
    refuse_unknown(table, _LIMIT_KEYS, "limits.")
    default = Limits()
    return Limits(
        wall_s=_wall_s(table.get("wall_s", default.wall_s)),
        memory_bytes=read_count(
            "limits.memory_bytes",
            table.get("memory_bytes", default.memory_bytes),
            MIN_MEMORY_BYTES,
            MAX_MEMORY_BYTES,
        ),
        output_bytes=read_count(
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
        raise wrong("limits.wall_s", expected, value)
    return float(value)


def _self_test(fields: Mapping[str, Any], files: Mapping[str, bytes]) -> str | None:
    if "self_test" not in fields:
        return None
    table = read_table(fields, "self_test")
    refuse_unknown(table, _SELF_TEST_KEYS, "self_test.")
    expected = "a text, the path of a file of JSON lines"
    path = table.get("cases")
    if not isinstance(path, str):
        raise wrong("self_test.cases", expected, path)
    require_file("self_test.cases", path, files)
    return path


def _requires(fields: Mapping[str, Any], files: Mapping[str, bytes]) -> tuple[str, ...]:
    expected = f"a list of at most {MAX_REQUIREMENTS} texts"
    value = fields.get("requires", [])
    if not isinstance(value, list) or len(value) > MAX_REQUIREMENTS:
        raise wrong("requires", expected, value)
    if not all(isinstance(requirement, str) for requirement in value):
        raise wrong("requires", expected, value)
    if value:
        require_file("requires", LOCK_PATH, files)
    return tuple(value)
