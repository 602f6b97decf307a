"""Builds the support extractor's gold dataset out of the downloaded wheels.

python examples/support-extractor/build_gold.py --data .aem/data --into .aem/gold --seed 1
"""

import argparse
import sys
from pathlib import Path

from corpus.dataset import build_dataset
from corpus.wheels import MissingDataError, WheelCache


def main() -> int:
    """Build; 1 when the data is not there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(".aem/data"), metavar="FOLDER")
    parser.add_argument("--into", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    try:
        counts = build_dataset(WheelCache(arguments.data), arguments.into, seed=arguments.seed)
    except MissingDataError as error:
        print(error, file=sys.stderr)
        return 1
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    print(f"{arguments.into}: {told}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
