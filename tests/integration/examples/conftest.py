"""The example's scripts stand beside their package, as they do when they are run."""

import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[3] / "examples" / "support-extractor"

sys.path.insert(0, str(EXAMPLE))
