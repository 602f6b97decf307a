"""Folders for `aem bulk`: small adders, each with a fault and a dataset of its own."""

import json
from pathlib import Path

ARTIFACT_TOML = """\
name = "{name}"
kind = "python"
entry = "adder:run"
input_schema = "any.json"
output_schema = "any.json"
"""

GOLD_TOML = """\
name = "{name}-gold"
[axes.strict_structure]
output_schema = "schema/any.json"
[waived]
business_logic = "an adder has no business rules"
context_robustness = "an adder reads no conversations"
anti_hallucination = "an adder cannot be told falsehoods"
"""

FORGETS_THE_FIRST = "sum(input['prices'][1:])"
HOPELESS = "f'{__name__:>{2**9}}'"
"""Nothing that is near it adds."""


def adder(folder: Path, name: str, body: str = FORGETS_THE_FIRST) -> Path:
    """Write one item; return its folder."""
    program = f"def run(input, context):\n    return {{'total': {body}}}\n"
    cases = [
        {"id": f"s{n}", "type": "structure", "group": f"s{n}", "input": {"prices": [n]}}
        for n in range(2)
    ]
    for number, prices in enumerate(([3, 4], [5], [1, 2, 3], [9, 1], [2, 2], [7, 0, 1])):
        case = {"id": f"i{number}", "type": "invariant", "group": f"i{number}"}
        cases.append(case | {"input": {"prices": prices}, "expected": {"total": sum(prices)}})
    files = {
        "artifact/artifact.toml": ARTIFACT_TOML.format(name=name),
        "artifact/any.json": "{}",
        "artifact/adder.py": program,
        "gold/gold.toml": GOLD_TOML.format(name=name),
        "gold/schema/any.json": "{}",
        "gold/cases/all.jsonl": "".join(json.dumps(case) + "\n" for case in cases),
    }
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)
    return folder
