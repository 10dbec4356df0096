#!/usr/bin/env bash
# airflow-venv.sh VENV LOCK: installs Airflow as the hosts get it, and pytest, into VENV, for the unit tests of the Python that
# runs beside Airflow.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/functions.sh

say "Installing Airflow into $1"
make_venv "$1" "$2"
uv pip install -q --python "$1" --constraints requirements/controller.txt pytest
touch "$1/.up-to-date"
