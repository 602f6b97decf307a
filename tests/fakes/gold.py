"""The small gold dataset, its two artifacts run in this process, and ways to spoil them."""

import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gold import CaseOutcome, GoldCase, OutcomeStatus

DATA = Path(__file__).parents[1] / "data"
Outcomes = dict[str, list[CaseOutcome]]


def gold_files(name: str = "gold-small") -> dict[str, bytes]:
    folder = DATA / name
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def replaced(files: Mapping[str, bytes], path: str, old: str, new: str) -> dict[str, bytes]:
    text = files[path].decode()
    if old not in text:
        raise AssertionError(f"{old!r} is not in {path}")
    return {**files, path: text.replace(old, new, 1).encode()}


def with_case(
    files: Mapping[str, bytes], path: str, case_id: str, change: Mapping[str, Any]
) -> dict[str, bytes]:
    """Change members of one case; None as value removes the member."""
    lines = []
    for line in files[path].decode().splitlines():
        case = json.loads(line)
        if case["id"] == case_id:
            merged = {**case, **change}
            case = {key: value for key, value in merged.items() if value is not None}
        lines.append(json.dumps(case))
    return {**files, path: ("\n".join(lines) + "\n").encode()}


def with_line(files: Mapping[str, bytes], path: str, line: bytes) -> dict[str, bytes]:
    return {**files, path: files.get(path, b"") + line + b"\n"}


def artifact(name: str) -> Callable[[Any, object], Any]:
    path = DATA / f"artifact-{name}" / "extractor.py"
    spec = importlib.util.spec_from_file_location(f"small_{name}", path)
    if spec is None or spec.loader is None:
        raise AssertionError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.run


def answered(case_id: str, output: Any) -> CaseOutcome:
    text = output if isinstance(output, bytes) else json.dumps(output).encode()
    return CaseOutcome(case_id=case_id, status=OutcomeStatus.ANSWERED, output_text=text)


def outcomes(run: Callable[[Any, object], Any], cases: Sequence[GoldCase]) -> Outcomes:
    return {case.id: [answered(case.id, run(case.input, None))] for case in cases}
