#!/usr/bin/env bash
# login.sh [HOST [SCENARIO]]: opens a shell on a host of a lab.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/functions.sh

host="${1:-control}"
lab=".cache/lab/${2:-default}"
[ -r "$lab/id_ed25519" ] || die "There is no lab. Create one with: make up"
address="$(.venv/bin/ansible-inventory -i "$lab/hosts.yml" --host "$host" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["ansible_host"])')"
exec ssh -t -i "$lab/id_ed25519" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
    "deploy@$address"
