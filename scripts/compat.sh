#!/usr/bin/env bash
# Checks the playbooks and the plugins with the oldest ansible-core that meta/runtime.yml promises, and the syntax with
# the newest, which is that of .venv. `make unit` tests the plugins with that one.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/functions.sh

oldest=2.17.14
venv=.cache/ansible-core-$oldest
export UV_SYSTEM_CERTS=true
export PATH="$PWD/.venv/bin:$PATH"
export ANSIBLE_COLLECTIONS_ON_ANSIBLE_VERSION_MISMATCH=error

if [ ! "$venv/.up-to-date" -nt .venv/.up-to-date ]; then
    say "Installing ansible-core $oldest into $venv"
    use_pip_index
    uv venv -q --clear --python .venv/bin/python "$venv"
    uv pip install -q --python "$venv" --no-deps "ansible-core==$oldest"
    # The other packages, community.postgresql among them, are those of .venv.
    .venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
        >"$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/controller.pth"
    touch "$venv/.up-to-date"
fi

for bin in "$venv/bin" .venv/bin; do
    say "$("$bin/ansible" --version | sed -n 1p)"
    "$bin/ansible-playbook" -i inventories/small/hosts.yml --syntax-check site.yml playbooks/*.yml >/dev/null
done
"$venv/bin/python" -m pytest -q -p no:cacheprovider tests/unit
