#!/usr/bin/env bash
# Installs the tools of `make audit` and `make sbom` into .cache/audit-venv.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/functions.sh

venv=.cache/audit-venv
export UV_SYSTEM_CERTS=true
use_pip_index

say "Installing the tools that look at the locks into $venv"
uv venv -q --clear --python .venv/bin/python "$venv"
uv pip install -q --python "$venv" --require-hashes -r requirements/audit.txt
touch "$venv/.up-to-date"
