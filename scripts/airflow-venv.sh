#!/usr/bin/env bash
# airflow-venv.sh LOCK: installs Airflow as the hosts get it, and pytest, into .cache/airflow-venv,
# for the unit tests of the Python that runs beside Airflow.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/functions.sh

venv=.cache/airflow-venv
say "Installing Airflow into $venv"
make_venv "$venv" "$1"
uv pip install -q --python "$venv" --constraints requirements/controller.txt pytest
touch "$venv/.up-to-date"
