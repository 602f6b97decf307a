#!/usr/bin/env bash
# Makes the environment in .venv from the lock files, and sees to it that a sandbox is there.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

"$python" - <<'PY' || exit 1
import sys
if sys.version_info < (3, 11):
    sys.exit(f"AEM needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}. "
             "Name another one: make setup PYTHON=/path/to/python3.11")
PY
echo "Setting up: Python packages into .venv"
"$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
    --requirement requirements/bootstrap.lock
.venv/bin/uv pip install --quiet --python .venv/bin/python --require-hashes \
    --requirement requirements/dev.lock
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation \
    --editable sdk --editable .
bash scripts/setup_sandbox.sh
touch .venv/ready
