"""Artifact folders of the support extractor: with some or all of its known faults mended."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
ARTIFACT = ROOT / "examples" / "support-extractor" / "artifact"
_EDITS = ROOT / "tests" / "data" / "support-extractor-reference" / "edits.json"


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One fault of the first version, and the edit that mends it."""

    fault: str
    file: str
    old: str
    new: str


def reference_edits() -> list[Edit]:
    """Return the edits that make the reference version, which is never shipped."""
    return [Edit(**fields) for fields in json.loads(_EDITS.read_text("utf-8"))]


def mended(target: Path, edits: list[Edit]) -> Path:
    """Copy the artifact to `target` with the given faults mended."""
    shutil.copytree(ARTIFACT, target, ignore=shutil.ignore_patterns("__pycache__"))
    for edit in edits:
        path = target / edit.file
        source = path.read_text("utf-8")
        assert source.count(edit.old) == 1, f"{edit.fault}: the edit does not fit {edit.file}"
        path.write_text(source.replace(edit.old, edit.new), encoding="utf-8")
    return target
