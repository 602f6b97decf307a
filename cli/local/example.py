"""The shipped example, built on this machine from public data by its own scripts."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import click

from aem.artifact import Bundle

_ROOT = Path(__file__).parents[2]
_FOLDER = _ROOT / "examples" / "support-extractor"
_DATA = _ROOT / ".aem" / "data"


@dataclass(frozen=True, kw_only=True)
class Example:
    """An artifact, its gold dataset, its traces, and chats to call it with.

    Attributes:
        artifact: as its engineer first wrote it.
        gold: the dataset's files.
        traces: JSON Lines.
        inputs: of the traces.
        summary: what the dataset holds, in words.
    """

    artifact: Bundle
    gold: Bundle
    traces: bytes
    inputs: list[Any]
    summary: str
    folder: Path

    @classmethod
    def build(cls, folder: Path) -> Self:
        """Fetch the data if need be and build dataset and traces.

        Raises:
            click.ClickException: a script failed; shows what it said.
        """
        if not _FOLDER.is_dir():
            raise click.ClickException(
                f"the example is not here ({_FOLDER}): run the demo from a clone of the repository"
            )
        folder.mkdir(parents=True)
        _run(_ROOT / "scripts" / "fetch_data.py", "--into", str(_DATA))
        gold, traces = folder / "gold", folder / "traces.jsonl"
        said = _run(_FOLDER / "build_gold.py", "--data", str(_DATA), "--into", str(gold))
        _run(_FOLDER / "build_traces.py", "--data", str(_DATA), "--into", str(traces))
        content = traces.read_bytes()
        return cls(
            artifact=Bundle.from_folder(_FOLDER / "artifact"),
            gold=Bundle.from_folder(gold),
            traces=content,
            inputs=[json.loads(line)["input"] for line in content.splitlines()],
            summary=said.strip().rpartition(": ")[2] + " cases",
            folder=folder,
        )

    def hallucinating(self, improved: Bundle) -> Bundle:
        """Return a candidate that finds what `improved` finds and believes one falsehood."""
        source, target = self.folder / "improved", self.folder / "hallucinating"
        improved.write_to(source)
        _run(_FOLDER / "make_hallucinating.py", str(source), str(target))
        return Bundle.from_folder(target)


def _run(script: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(script), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise click.ClickException(f"{script.name} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
