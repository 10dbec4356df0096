#!/usr/bin/env bash
# Checks that Galaxy can take the collection: antsibull-changelog, antsibull-docs, galaxy-importer and ansible-test sanity.
# They want it below a directory ansible_collections, so they get a copy of what git knows.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/functions.sh

export PATH="$PWD/.venv/bin:$PATH"
# ansible-test keeps its virtual environments below HOME.
sanity_home="$PWD/.cache/sanity"
temporary="$(mktemp -d)"
trap 'rm -rf "$temporary"' EXIT
copy="$temporary/ansible_collections/lakehouse/airflow"
mkdir -p "$copy" "$sanity_home/.ansible/test/cache" "$sanity_home/.config/pip"

# Without collections/: its links to the root let a clone find itself, and ansible-test forbids links to directories.
git ls-files -z --cached --others --exclude-standard -- . ':!collections' |
    while IFS= read -r -d '' path; do [ ! -e "$path" ] || printf '%s\0' "$path"; done |
    tar --create --null --files-from=- | tar --extract --directory="$copy"

# ansible-test fetches get-pip.py from its own server, unless this file exists. Python brings pip along.
# The name is that of ansible-core 2.19; ansible-test says which one it misses.
printf 'import ensurepip\n\nensurepip.bootstrap()\n' >"$sanity_home/.ansible/test/cache/get_pip_24_2.py"
# It passes no variables on to pip, so the settings of pip have to be in a file.
use_pip_index
bundle="${PIP_CERT:-/etc/ssl/certs/ca-certificates.crt}"
{
    printf '[global]\nquiet = 1\n'
    [ ! -r "$bundle" ] || echo "cert = $bundle"
    [ -z "${UV_DEFAULT_INDEX:-}" ] || echo "index-url = $UV_DEFAULT_INDEX"
} >"$sanity_home/.config/pip/pip.conf"

failed=()
cd "$copy"
say "antsibull-changelog"
cp CHANGELOG.md "$temporary"
{ antsibull-changelog lint && antsibull-changelog generate && diff "$temporary/CHANGELOG.md" CHANGELOG.md; } ||
    failed+=(antsibull-changelog)
rm -f changelogs/.plugin-cache.yaml

say "antsibull-docs"
antsibull-docs lint-collection-docs --plugin-docs . || failed+=(antsibull-docs)

say "galaxy-importer"
ansible-galaxy collection build --output-path "$temporary"
cd "$temporary"
# `make lint-ansible` runs ansible-lint with more rules than the importer.
export GALAXY_IMPORTER_RUN_ANSIBLE_LINT=false
{
    python -m galaxy_importer.main lakehouse-airflow-*.tar.gz | tee importer.log
    ! grep -qE '^(WARNING|ERROR)' importer.log
} || failed+=(galaxy-importer)

say "ansible-test sanity"
cd "$copy"
version="$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
HOME="$sanity_home" ansible-test sanity --local --python "$version" --color no || failed+=("ansible-test sanity")

[ "${#failed[@]}" -eq 0 ] || die "These found something: ${failed[*]}."
