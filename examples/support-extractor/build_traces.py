"""Runs an artifact on chats of its own and writes traces of it, as a running agent would have.

python examples/support-extractor/build_traces.py --data .aem/data --into .aem/traces.jsonl
"""

import argparse
import sys
from pathlib import Path

from corpus.dataset import ARTIFACT
from corpus.traces import build_traces
from corpus.wheels import MissingDataError, WheelCache

from aem.artifact import Bundle


def main() -> int:
    """Build; 1 when the data is not there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(".aem/data"), metavar="FOLDER")
    parser.add_argument("--into", type=Path, required=True, metavar="FILE")
    parser.add_argument("--artifact", type=Path, default=ARTIFACT, metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=2)
    given = parser.parse_args()
    version = Bundle.from_folder(given.artifact).digest
    try:
        count = build_traces(
            WheelCache(given.data), given.artifact, given.into, version=version, seed=given.seed
        )
    except MissingDataError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{given.into}: {count} traces of {version}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
