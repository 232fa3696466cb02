#!/bin/sh
# Rewrites both locks from pyproject.toml. Hashed requirements, never a uv.lock: that one names registry hosts.
set -eu
cd "$(dirname "$0")/.."
common="--quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --python-version 3.11"
# shellcheck disable=SC2086
uv pip compile $common "$@" pyproject.toml -o requirements/runtime.txt
# shellcheck disable=SC2086
uv pip compile $common "$@" --extra dev -c requirements/runtime.txt pyproject.toml -o requirements/dev.txt
