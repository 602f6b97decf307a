#!/usr/bin/env bash
# Rewrites the lock files: every package with its hashes, no address of any host.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=.venv/bin/uv
options=(--quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url
    --no-emit-find-links --no-emit-package aem-sdk --no-header --no-annotate)
"$uv" pip compile "${options[@]}" --extra server --extra dev pyproject.toml sdk/pyproject.toml \
    --output-file requirements/dev.lock
"$uv" pip compile "${options[@]}" --extra server pyproject.toml sdk/pyproject.toml \
    --constraint requirements/dev.lock --output-file requirements/server.lock
printf 'uv\n' | "$uv" pip compile "${options[@]}" - --output-file requirements/bootstrap.lock
