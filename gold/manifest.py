"""Reading ``gold.toml``."""

import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from gold.domain import Axis
from gold.entities import JsonPointer, Normalization
from gold.findings import FindingLog, TableReader, did_you_mean
from gold.settings import (
    AntiHallucinationSettings,
    BusinessLogicSettings,
    ContextRobustnessSettings,
    GoldSettings,
)

MANIFEST_PATH = "gold.toml"

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,62}")
_AXES_WITH_TABLES = (
    Axis.STRICT_STRUCTURE,
    Axis.BUSINESS_LOGIC,
    Axis.CONTEXT_ROBUSTNESS,
    Axis.ANTI_HALLUCINATION,
)
_DEFAULT_HOLDOUT_SHARE = Decimal("0.6")
_DEFAULT_TYPE_TOLERANCE = Decimal("0.02")
_CEILING_WORDS = ("reject", "hold")


def read_manifest(data: bytes, notes: FindingLog) -> GoldSettings | None:
    """Read the declarations; None when they cannot be used, with the findings in the notes."""
    document = _parse(data, notes)
    if document is None:
        return None
    errors_before = notes.errors
    top = TableReader(notes, MANIFEST_PATH, None, MANIFEST_PATH, document)
    top.refuse_unknown(("name", "description", "axes", "split", "waived"))
    axes = _Tables(notes, top.table("axes"), "axes")
    axes.reader.refuse_unknown([axis.value for axis in _AXES_WITH_TABLES])
    waived = _read_waived(notes, top)
    settings = GoldSettings(
        name=_read_name(top),
        description=top.text("description", default="-"),
        output_schema=_read_schema_path(axes),
        business_logic=_read_business_logic(axes, waived),
        context_robustness=_read_context_robustness(axes, waived),
        anti_hallucination=_read_anti_hallucination(axes, waived),
        holdout_share=_read_holdout_share(notes, top),
        waived=waived,
    )
    return settings if notes.errors == errors_before else None


class _Tables:
    """The tables below one key."""

    def __init__(self, notes: FindingLog, tables: Mapping[str, Any], title: str) -> None:
        self._notes = notes
        self._tables = tables
        self._title = title
        self.reader = TableReader(notes, MANIFEST_PATH, None, f"[{title}]", tables)

    def find(self, axis: Axis, waived: Mapping[Axis, str]) -> TableReader | None:
        """Return an axis' table; None where it has none, which only a waiver allows."""
        if axis.value not in self._tables:
            if axis not in waived:
                self.reader.refuse(
                    "axis_missing",
                    f"the axis {axis.value!r} has no table; declare it, or waive it with a reason"
                    " under [waived]",
                )
            return None
        title = f"[{self._title}.{axis.value}]"
        return TableReader(self._notes, MANIFEST_PATH, None, title, self.reader.table(axis.value))


def _parse(data: bytes, notes: FindingLog) -> Mapping[str, Any] | None:
    try:
        return tomllib.loads(data.decode("utf-8"), parse_float=Decimal)
    except UnicodeDecodeError as error:
        notes.refuse(MANIFEST_PATH, None, "not_utf8", f"byte {error.start} is no UTF-8")
    except (ValueError, RecursionError) as error:
        found = re.search(r"line (\d+)", str(error))
        line = int(found.group(1)) if found else None
        notes.refuse(MANIFEST_PATH, line, "toml_invalid", f"it is no TOML: {error}")
    return None


def _read_name(top: TableReader) -> str:
    name = top.text("name")
    if name and not _NAME.fullmatch(name):
        top.refuse("name_invalid", f"{name!r} is no name: namespace/name, of a-z, 0-9 and '-'")
    return name


def _read_waived(notes: FindingLog, top: TableReader) -> dict[Axis, str]:
    given = top.table("waived")
    table = TableReader(notes, MANIFEST_PATH, None, "[waived]", given)
    table.refuse_unknown([axis.value for axis in Axis])
    return {axis: table.text(axis.value) for axis in Axis if axis.value in given}


def _read_schema_path(axes: _Tables) -> str:
    table = axes.find(Axis.STRICT_STRUCTURE, {})  # every output has a structure: never waived
    if table is None:
        return ""
    table.refuse_unknown(("output_schema",))
    return table.text("output_schema")


def _read_business_logic(
    axes: _Tables, waived: Mapping[Axis, str]
) -> BusinessLogicSettings | None:
    table = axes.find(Axis.BUSINESS_LOGIC, waived)
    if table is None:
        return None
    table.refuse_unknown(("rules", "floor"))
    return BusinessLogicSettings(rules=table.text("rules"), floor=_share(table, "floor", None))


def _read_context_robustness(
    axes: _Tables, waived: Mapping[Axis, str]
) -> ContextRobustnessSettings | None:
    table = axes.find(Axis.CONTEXT_ROBUSTNESS, waived)
    if table is None:
        return None
    table.refuse_unknown(("entities", "floor_f1", "type_tolerance", "at_ceiling", "normalize"))
    _refuse_unmeasured_ceiling(table)
    return ContextRobustnessSettings(
        entities=_read_pointer(table),
        floor_f1=_share(table, "floor_f1", None),
        type_tolerance=_share(table, "type_tolerance", _DEFAULT_TYPE_TOLERANCE),
        normalize=_read_normalizations(table),
    )


def _refuse_unmeasured_ceiling(table: TableReader) -> None:
    word = table.text("at_ceiling", default="reject")
    if word == "hold":
        table.refuse(
            "objective_not_measured",
            "at_ceiling = 'hold' needs another objective (cost or latency) that this release does"
            " not measure yet; use 'reject'",
        )
    elif word and word not in _CEILING_WORDS:
        table.refuse("value_unknown", f"at_ceiling {word!r}{did_you_mean(word, _CEILING_WORDS)}")


def _read_pointer(table: TableReader) -> str:
    text = table.text("entities")
    try:
        JsonPointer(text)
    except ValueError as error:
        table.refuse("pointer_invalid", str(error))
    return text


def _read_normalizations(table: TableReader) -> dict[str, Normalization]:
    known = [how.value for how in Normalization]
    normalizations = {}
    for name, word in table.table("normalize").items():
        if word in known:
            normalizations[name] = Normalization(word)
        else:
            hint = did_you_mean(str(word), known)
            table.refuse("value_unknown", f"unknown normalization {word!r} of {name!r}{hint}")
    return normalizations


def _read_anti_hallucination(
    axes: _Tables, waived: Mapping[Axis, str]
) -> AntiHallucinationSettings | None:
    table = axes.find(Axis.ANTI_HALLUCINATION, waived)
    if table is None:
        return None
    table.refuse_unknown(("refused", "answered"))
    return AntiHallucinationSettings(
        refused=table.text("refused"), answered=table.text("answered")
    )


def _read_holdout_share(notes: FindingLog, top: TableReader) -> Fraction:
    table = TableReader(notes, MANIFEST_PATH, None, "[split]", top.table("split"))
    table.refuse_unknown(("holdout_share",))
    share = _share(table, "holdout_share", _DEFAULT_HOLDOUT_SHARE)
    if share in (0, 1):
        table.refuse("value_out_of_range", "'holdout_share' leaves one part of the split empty")
    return share


def _share(table: TableReader, key: str, default: Decimal | None) -> Fraction:
    value = table.number(key, default=default)
    if value is None:
        return Fraction(0)
    if not 0 <= value <= 1:
        table.refuse("value_out_of_range", f"{key!r} is a share from 0 to 1, not {value}")
    return value
