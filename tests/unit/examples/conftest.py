"""The examples' scripts stand beside their packages, as they do when they are run."""

import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[3] / "examples"

sys.path[:0] = [str(EXAMPLES / name) for name in ("support-extractor", "humaneval-repair")]
