"""Linting and loading a dataset: everything that is wrong with it, in one pass."""

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from gold.case_lines import read_cases
from gold.coherence import check_coherence
from gold.dataset import CaseKey, GoldDataset, dataset_digest
from gold.domain import Finding, GoldCase
from gold.entities import JsonPointer, bag_of
from gold.errors import GoldFormatError, JsonTextError
from gold.falsehoods import Falsehood
from gold.findings import FindingLog
from gold.json_schema import OutputSchema, UnusableSchemaError, formats
from gold.json_text import read_json
from gold.limits import (
    MAX_DATASET_BYTES,
    MAX_FILE_BYTES,
    MAX_FILES,
    MAX_SCHEMA_BYTES,
    MAX_SCHEMA_LEVELS,
)
from gold.manifest import MANIFEST_PATH, read_manifest
from gold.rule_file import read_rules
from gold.rules import REFUSAL_VARIABLES, Expression, Rule, UnusableExpressionError
from gold.settings import GoldSettings
from gold.split import holdout_groups

_PATTERNS = ("schema/*.json", "rules/*.yaml", "cases/*.jsonl")
_BESIDES = ("README.md", "NOTICE", "LICENSE")


def lint(files: Mapping[str, bytes]) -> list[Finding]:
    """Return everything that is wrong with a dataset, errors and warnings, in order of reading.

    Args:
        files: bytes by POSIX path relative to the dataset's folder.
    """
    notes = FindingLog()
    _read(files, notes)
    return notes.findings


def load_dataset(files: Mapping[str, bytes]) -> GoldDataset:
    """Parse, check, split and compile a dataset.

    Raises:
        GoldFormatError: it has errors; carries every finding.
    """
    notes = FindingLog()
    dataset = _read(files, notes)
    if dataset is None:
        raise GoldFormatError(notes.findings)
    return dataset


def _read(files: Mapping[str, bytes], notes: FindingLog) -> GoldDataset | None:
    _check_files(files, notes)
    if notes.has_errors():
        return None
    settings = read_manifest(files[MANIFEST_PATH], notes)
    placed = read_cases({path: files[path] for path in files if path.startswith("cases/")}, notes)
    if settings is None:
        return None
    schema = _read_schema(files, settings, notes)
    rules = _read_rules(files, settings, notes)
    refused, answered = _read_refusal(settings, notes)
    if schema is None or notes.has_errors():
        return None
    held = holdout_groups((item.case for item in placed), settings.holdout_share)
    check_coherence(
        settings=settings, schema=schema, rules=rules, placed=placed, held=held, notes=notes
    )
    if notes.has_errors():
        return None
    cases = [item.case for item in placed]
    robustness = settings.context_robustness
    return GoldDataset(
        digest=dataset_digest(files),
        settings=settings,
        schema=schema,
        rules=rules,
        pointer=JsonPointer(robustness.entities) if robustness else None,
        refused=refused,
        answered=answered,
        dev=tuple(case for case in cases if case.group not in held),
        holdout=tuple(case for case in cases if case.group in held),
        keys={case.id: _make_key(case, settings, rules) for case in cases},
    )


def _make_key(case: GoldCase, settings: GoldSettings, rules: Mapping[str, Rule]) -> CaseKey:
    return CaseKey(
        entities=bag_of(case.entities, settings.normalizations),
        falsehoods=tuple(Falsehood(fact) for fact in case.injected),
        rules=tuple(rules[name] for name in case.rules),
    )


def _check_files(files: Mapping[str, bytes], notes: FindingLog) -> None:
    if MANIFEST_PATH not in files:
        notes.refuse(MANIFEST_PATH, None, "file_missing", "the dataset has no gold.toml")
    if len(files) > MAX_FILES:
        notes.refuse(MANIFEST_PATH, None, "too_many_files", f"more than {MAX_FILES} files")
    if sum(map(len, files.values())) > MAX_DATASET_BYTES:
        message = f"the files have more than {MAX_DATASET_BYTES} bytes together"
        notes.refuse(MANIFEST_PATH, None, "too_large", message)
    for path in sorted(files):
        _check_file(path, files[path], notes)
    if not any(path.startswith("cases/") for path in files):
        notes.refuse("cases", None, "file_missing", "the dataset has no cases/*.jsonl")


def _check_file(path: str, data: bytes, notes: FindingLog) -> None:
    if len(data) > MAX_FILE_BYTES:
        notes.refuse(path, None, "too_large", f"more than {MAX_FILE_BYTES} bytes")
    place = PurePosixPath(path)
    if path == MANIFEST_PATH or path in _BESIDES:
        return
    if not any(len(place.parts) == 2 and place.match(pattern) for pattern in _PATTERNS):  # noqa: PLR2004 - folder and file
        notes.refuse(
            path,
            None,
            "file_unexpected",
            f"a dataset holds gold.toml, {', '.join(_PATTERNS)}, and nothing else but"
            f" {', '.join(_BESIDES)}",
        )


def _read_schema(
    files: Mapping[str, bytes], settings: GoldSettings, notes: FindingLog
) -> OutputSchema | None:
    path = settings.output_schema
    data = _find(files, path, "output_schema", notes)
    if data is None:
        return None
    try:
        value: Any = read_json(data, max_bytes=MAX_SCHEMA_BYTES, max_levels=MAX_SCHEMA_LEVELS)
        schema = OutputSchema(value)
    except JsonTextError as error:
        notes.refuse(path, None, error.problem, f"the schema is no JSON: {error.message}")
        return None
    except UnusableSchemaError as error:
        notes.refuse(path, None, "schema_invalid", f"the schema does not compile: {error}")
        return None
    for word in formats(value):
        message = (
            f"'format': {json.dumps(word)} is an annotation in JSON Schema 2020-12 and checks"
        )
        notes.warn(path, None, "format_not_checked", f"{message} nothing; use 'pattern'")
    return schema


def _read_rules(
    files: Mapping[str, bytes], settings: GoldSettings, notes: FindingLog
) -> dict[str, Rule]:
    if settings.business_logic is None:
        return {}
    path = settings.business_logic.rules
    data = _find(files, path, "rules", notes)
    return {} if data is None else read_rules(data, path, notes)


def _read_refusal(
    settings: GoldSettings, notes: FindingLog
) -> tuple[Expression | None, Expression | None]:
    if settings.anti_hallucination is None:
        return None, None
    return (
        _compile("refused", settings.anti_hallucination.refused, notes),
        _compile("answered", settings.anti_hallucination.answered, notes),
    )


def _compile(key: str, source: str, notes: FindingLog) -> Expression | None:
    try:
        return Expression(source, variables=REFUSAL_VARIABLES)
    except UnusableExpressionError as error:
        message = f"[axes.anti_hallucination]: {key!r}: {error}"
        notes.refuse(MANIFEST_PATH, None, "cel_invalid", message)
        return None


def _find(files: Mapping[str, bytes], path: str, key: str, notes: FindingLog) -> bytes | None:
    if path not in files:
        message = f"{key!r} names {path!r}, which is not in the dataset"
        notes.refuse(MANIFEST_PATH, None, "file_missing", message)
    return files.get(path)
