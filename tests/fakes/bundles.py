"""Small artifacts for tests."""

import json

from aem.artifact import Bundle

MANIFEST = """\
name = "acme/echo"
kind = "python"
entry = "echo:run"
input_schema = "schema/input.json"
output_schema = "schema/output.json"
requires = []
[limits]
wall_s = 5.0
memory_bytes = 268435456
output_bytes = 65536
[self_test]
cases = "self_test.jsonl"
"""


def echo_files(word: str = "one") -> dict[str, bytes]:
    """The files of an artifact that answers with its input and a word of its version."""
    return {
        "artifact.toml": MANIFEST.encode(),
        "echo.py": (
            b"from phrase import WORD\n\n\n"
            b"def run(value, context):\n"
            b"    return {'word': WORD, 'input': value}\n"
        ),
        "phrase.py": f"WORD = {word!r}\n".encode(),
        "schema/input.json": b'{"type": "object"}',
        "schema/output.json": b'{"type": "object"}',
        "self_test.jsonl": (
            json.dumps({"input": {"n": 1}, "expected": {"word": word, "input": {"n": 1}}}) + "\n"
        ).encode(),
    }


def echo_bundle(word: str = "one") -> Bundle:
    """The artifact whose answers tell which version made them."""
    return Bundle(echo_files(word))
