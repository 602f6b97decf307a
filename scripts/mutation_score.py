"""Says how many changes of the money code the tests notice, and which ones they do not.

    .venv/bin/python scripts/mutation_score.py

Reads what `mutmut run` left. A change that no test noticed in time counts as noticed: it made the
code hang.
"""

import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

NOTICED = ("killed", "timeout", "segfault")

listed = subprocess.run(
    [str(Path(sys.executable).parent / "mutmut"), "results", "--all", "true"],
    capture_output=True,
    text=True,
    check=True,
).stdout
results = dict(line.strip().split(": ") for line in listed.splitlines() if ": " in line)
by_module: dict[str, Counter[str]] = defaultdict(Counter)
for name, ended in results.items():
    module = name.rsplit(".", 1)[0]
    by_module[module]["noticed" if ended in NOTICED else "missed"] += 1

total: Counter[str] = Counter()
for module, counts in sorted(by_module.items()):
    total += counts
    print(f"{module:20} {counts['noticed']:5} of {counts.total():5} noticed")
if not total:
    sys.exit("there are no results: run `mutmut run` first")
print(
    f"{'all':20} {total['noticed']:5} of {total.total():5}: {total['noticed'] / total.total():.1%}"
)
for name, ended in sorted(results.items()):
    if ended not in NOTICED:
        print(f"  {ended}: {name}")
