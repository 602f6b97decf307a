"""Writes the example's gold dataset and traces.

python examples/chat-extractor-prompt/build.py --into .aem/chat-extractor
"""

import argparse
from pathlib import Path

from smalltalk.dataset import CHATS_PER_GROUP, SEED, build_dataset, build_traces


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--into", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--chats-per-group", type=int, default=CHATS_PER_GROUP)
    chosen = parser.parse_args()
    cases = build_dataset(
        chosen.into / "gold", chats_per_group=chosen.chats_per_group, seed=chosen.seed
    )
    traces = build_traces(chosen.into / "traces.jsonl", seed=chosen.seed)
    print(f"{cases} cases in {chosen.into / 'gold'}, {traces} traces beside it")


if __name__ == "__main__":
    main()
