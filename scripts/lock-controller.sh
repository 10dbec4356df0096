#!/bin/sh
# lock-controller.sh [--upgrade]: regenerates the locks of requirements/, with --upgrade for newer versions.
set -eu
cd "$(dirname "$0")/.."
[ -x .venv/bin/uv ] || scripts/venv.sh
for name in controller audit; do
    .venv/bin/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 "$@" \
        "requirements/$name.in" --output-file "requirements/$name.txt"
done
