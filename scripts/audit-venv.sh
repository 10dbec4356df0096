#!/usr/bin/env bash
# Installs the tools of `make audit` and `make sbom` into .cache/audit-venv.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/functions.sh

venv=.cache/audit-venv
say "Installing the tools that look at the locks into $venv"
make_venv "$venv" requirements/audit.txt
touch "$venv/.up-to-date"
