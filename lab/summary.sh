#!/usr/bin/env bash
# Says where the lab's cluster is and where its passwords are.
set -euo pipefail
cd "$(dirname "$0")/.."

var() {
    .venv/bin/ansible-inventory -i .cache/lab/default/hosts.yml --host control |
        python3 -c 'import json, sys; print(json.load(sys.stdin).get(sys.argv[1], sys.argv[2]))' "$1" "$2"
}

cat <<EOF

Airflow    http://localhost:${LAB_UI_PORT:-8080}   user $(var airflow_admin_username admin)
Flower     http://localhost:${LAB_FLOWER_PORT:-5555}   user $(var airflow_flower_username flower)
Passwords  $(var airflow_secrets_file .cache/lab/default/secrets.yml)
Inventory  $PWD/.cache/lab/default/hosts.yml
EOF
