#!/bin/sh
# lock-controller.sh [--upgrade]: regenerates requirements/controller.txt, with --upgrade for newer versions.
set -eu
cd "$(dirname "$0")/.."
[ -x .venv/bin/uv ] || scripts/venv.sh
exec .venv/bin/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 "$@" \
    requirements/controller.in --output-file requirements/controller.txt
