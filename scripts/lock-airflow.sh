#!/bin/sh
# Regenerates the lock files that hosts install Airflow and uv from: for each Python of a supported Debian release,
# with hashes, without the address of an index.
set -eu
cd "$(dirname "$0")/.."
locks=roles/airflow_runtime/files/locks
version=$(sed -n 's/^apache-airflow\[.*\]==//p' requirements/airflow.in)
compile() {
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate "$@"
}
compile requirements/airflow.in --output-file "$locks/$version.txt"
compile requirements/uv.in --output-file "$locks/uv.txt"
# The version before, for upgrades: with the packages of the newest wherever it takes them, for uv prefers what the file has.
# During an upgrade both speak with one broker and one result database.
before=$(sed -n 's/^# before: //p' requirements/airflow.in)
cp "$locks/$version.txt" "$locks/$before.txt"
sed "s/==$version\$/==$before/" requirements/airflow.in | compile - --output-file "$locks/$before.txt"
