#!/usr/bin/env bash
# Prints where the lab's cluster is, where its passwords are and what to try next: the closing screen of `make up`.
set -euo pipefail
cd "$(dirname "$0")/.."

lab="$PWD/.cache/lab/default"
variables="$(.venv/bin/ansible-inventory -i "$lab/hosts.yml" --host control)"

var() { # NAME DEFAULT
    python3 -c 'import json, sys; print(json.load(sys.stdin).get(sys.argv[1], sys.argv[2]))' "$1" "$2" <<<"$variables"
}

cat <<EOF

Airflow    http://localhost:${LAB_UI_PORT:-8080}   user $(var airflow_admin_username admin)
Flower     http://localhost:${LAB_FLOWER_PORT:-5555}   user $(var airflow_flower_username flower)
Passwords  $(var airflow_secrets_file "$lab/secrets.yml")
Inventory  $lab/hosts.yml
Try next   make trigger DAG=example_workers    runs twelve tasks and shows which worker ran each
           make help                           lists more
EOF
