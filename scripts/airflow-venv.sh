#!/usr/bin/env bash
# airflow-venv.sh LOCK: installs Airflow as the hosts get it, and pytest, into .cache/airflow-venv,
# for the unit tests of the Python that runs beside Airflow.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/functions.sh

venv=.cache/airflow-venv
export UV_SYSTEM_CERTS=true
use_pip_index

say "Installing Airflow into $venv"
uv venv -q --clear --python .venv/bin/python "$venv"
uv pip install -q --python "$venv" --require-hashes -r "$1"
uv pip install -q --python "$venv" --constraints requirements/controller.txt pytest
touch "$venv/.up-to-date"
