"""Breaks the HumanEval tasks and writes an artifact, a gold dataset and traces for each.

python examples/humaneval-repair/build.py --data .aem/data --into .aem/humaneval --seed 1
"""

import argparse
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[1]
# The wheels are read as the other example reads them; the split is the service's own.
sys.path[1:1] = [str(EXAMPLES / "support-extractor"), str(EXAMPLES.parent)]

from breaking.dataset import REPORT, build  # noqa: E402 - the path comes first
from breaking.tasks import read_tasks  # noqa: E402
from corpus.wheels import MissingDataError, WheelCache  # noqa: E402


def main() -> int:
    """Build; 1 when the data is not there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(".aem/data"), metavar="FOLDER")
    parser.add_argument("--into", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tasks", type=int, metavar="N", help="a seeded sample; default all")
    given = parser.parse_args()
    try:
        tasks = read_tasks(WheelCache(given.data))
    except MissingDataError as error:
        print(error, file=sys.stderr)
        return 1
    report = build(tasks, given.into, seed=given.seed, count=given.tasks)
    for entry in report["tasks"]:
        if entry["status"] != "broken":
            print(f"{entry['task']} is left out ({entry['status']}): {entry['reason']}")
    told = ", ".join(f"{count} {status}" for status, count in report["counts"].items())
    print(f"{given.into}: {told}; {given.into / REPORT} has every fault")
    return 0


if __name__ == "__main__":
    sys.exit(main())
