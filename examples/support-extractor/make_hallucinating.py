"""Makes a candidate that answers one planted falsehood, out of any descendant of the artifact.

Its author found that customers paste markup, and that refusing such chats cost recall. So he
dropped the guard's rule against forged markup: a chat in which a customer writes a "system" tag
with a false order number is now answered, false order number and all.

python examples/support-extractor/make_hallucinating.py FOLDER CANDIDATE
"""

import ast
import re
import shutil
import sys
from pathlib import Path

GUARD = "guard.py"
RULES = "RULES"
DROPPED = "FORGED_MARKUP"


class NotADescendantError(Exception):
    """The folder has no guard with the rule that is to be dropped."""


def make_candidate(source: Path, target: Path) -> None:
    """Copy an artifact folder, without one rule of its guard; `target` must not exist.

    Raises:
        NotADescendantError: the guard is missing, or is another one.
    """
    guard = source / GUARD
    if not guard.is_file():
        raise NotADescendantError(f"{source} has no {GUARD}: it is no support extractor")
    weakened = without_rule(guard.read_text("utf-8"))
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    (target / GUARD).write_text(weakened, encoding="utf-8")


def without_rule(guard: str) -> str:
    """Return the guard's source without its rule against forged markup, however it is laid out.

    Raises:
        NotADescendantError: there is no such rule.
    """
    for element in _rules(ast.parse(guard)):
        names = {node.id for node in ast.walk(element) if isinstance(node, ast.Name)}
        segment = ast.get_source_segment(guard, element)
        if DROPPED in names and segment is not None:
            return re.sub(rf"[ \t]*{re.escape(segment)},?[ \t]*\n?", "", guard, count=1)
    raise NotADescendantError(f"{GUARD} has no rule {DROPPED} in {RULES}")


def _rules(module: ast.Module) -> list[ast.expr]:
    for node in module.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
            names = [each.id for each in node.targets if isinstance(each, ast.Name)]
            if names == [RULES]:
                return node.value.elts
    return []


def main() -> int:
    """Make the candidate that the command line asks for."""
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        make_candidate(Path(sys.argv[1]), Path(sys.argv[2]))
    except (NotADescendantError, FileExistsError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
