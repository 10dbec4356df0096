#!/bin/sh
# Regenerates the lock files that hosts install Airflow and uv from: for each Python of a supported Debian release,
# with hashes, without the address of an index.
set -eu
cd "$(dirname "$0")/.."
version=$(sed -n 's/^apache-airflow\[.*\]==//p' requirements/airflow.in)
compile() {
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate "$@"
}
compile requirements/airflow.in --output-file "roles/airflow_runtime/files/locks/$version.txt"
compile requirements/uv.in --output-file roles/airflow_runtime/files/locks/uv.txt
