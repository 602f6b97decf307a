"""Wrong settings and catalogues are told before anything is made, and before the slow imports."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.output import ExitCode

ENTRY = """
[[models]]
name = "small"
provider = "example"
base_url = "https://api.example.com/v1"
input_usd_per_million = "0.15"
output_usd_per_million = "0.60"
context_tokens = 8000
reply_tokens_max = 1000
"""
SLOW_PACKAGES = {"fastapi", "dbos", "docker", "git", "numpy", "alembic", "uvicorn"}
LIST_MODULES = """
import json, sys
from cli.main import main
sys.argv = ["aem", *sys.argv[1:]]
try:
    main()
finally:
    print("\\n" + json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A start that was refused."""

    code: int
    told: str
    imported: set[str]


def refused(folder: Path, command: str, catalogue: str | None, **settings: str) -> Refusal:
    environment = {name: v for name, v in os.environ.items() if not name.startswith("AEM_")}
    if catalogue is not None:
        (folder / "models.toml").write_text(catalogue)
        settings["models"] = str(folder / "models.toml")
    chosen = {f"AEM_{name.upper()}": value for name, value in settings.items()}
    ended = subprocess.run(
        [sys.executable, "-c", LIST_MODULES, command],
        env=environment | chosen | {"AEM_DATA_FOLDER": str(folder / "data")},
        check=False,
        capture_output=True,
        text=True,
    )
    assert not (folder / "data").exists()
    imported = set(json.loads(ended.stdout.splitlines()[-1]))
    return Refusal(code=ended.returncode, told=ended.stderr, imported=imported)


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_a_model_for_synthesis_that_is_not_listed_is_named(tmp_path: Path, command: str) -> None:
    found = refused(tmp_path, command, ENTRY, synthesis_model="smal")
    assert found.code == ExitCode.USAGE
    assert "AEM_SYNTHESIS_MODEL" in found.told
    assert "'smal'" in found.told
    assert "it has small" in found.told
    assert not found.imported & SLOW_PACKAGES


def test_a_webhook_without_a_secret_names_both_settings(tmp_path: Path) -> None:
    found = refused(tmp_path, "serve", None, alert_webhook="https://example.com/alerts")
    assert found.code == ExitCode.USAGE
    assert found.told.startswith("aem: AEM_ALERT_WEBHOOK needs AEM_ALERT_SECRET, ")


def test_a_model_for_synthesis_needs_a_catalogue(tmp_path: Path) -> None:
    found = refused(tmp_path, "serve", None, synthesis_model="small")
    assert found.code == ExitCode.USAGE
    assert "AEM_MODELS" in found.told


@pytest.mark.parametrize(
    ("catalogue", "words"),
    [
        ("", ["lists no model", "AEM_MODELS"]),
        (ENTRY + ENTRY, ["'small'", "2 times"]),
        (ENTRY + "temprature = 1\n", ["'small'", "'temprature'", "concurrency"]),
        (ENTRY.replace("[[models]]", "[[model]]"), ["'model'", "[[models]]"]),
        (ENTRY.replace('name = "small"', 'nmae = "small"'), ["'number 1'", "'nmae'"]),
        (ENTRY + 'api_key_env = "A"\napi_key_file = "b"\n', ["'small'", "both"]),
    ],
    ids=["empty", "twice", "misspelt key", "misspelt table", "without a name", "two keys"],
)
def test_a_wrong_catalogue_is_told_of(tmp_path: Path, catalogue: str, words: list[str]) -> None:
    found = refused(tmp_path, "serve", catalogue)
    assert found.code == ExitCode.USAGE
    told = " ".join(found.told.split())
    assert all(word in told for word in words), told
    assert not found.imported & SLOW_PACKAGES
