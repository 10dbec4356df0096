#!/bin/sh
# Renew the lock that hosts install Airflow from: every Python a supported Debian has, hashes, no index address.
set -eu
cd "$(dirname "$0")/.."
version=$(sed -n 's/^apache-airflow\[.*\]==//p' requirements/airflow.in)
compile() {
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate "$@"
}
compile requirements/airflow.in --output-file "roles/airflow/files/locks/$version.txt"
compile requirements/uv.in --output-file roles/airflow/files/locks/uv.txt
