#!/usr/bin/env bash
# Installs the locked controller tools into .venv.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/functions.sh

lock=requirements/controller.txt

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "Python 3.11 or newer is needed, this is $(python3 --version)."
need ssh:openssh-client
python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv

# Companies re-sign TLS: trust what this machine trusts.
bundle=/etc/ssl/certs/ca-certificates.crt
[ -r "$bundle" ] && export PIP_CERT="${PIP_CERT:-$bundle}"
export UV_SYSTEM_CERTS=true PIP_DISABLE_PIP_VERSION_CHECK=1

.venv/bin/python -c 'import pip' 2>/dev/null || python3 -m venv --clear .venv

use_pip_index

say "Installing the controller tools into .venv"
uv_lock="$(mktemp)"
trap 'rm -f "$uv_lock"' EXIT
awk '/^[^ #]/ { wanted = /^uv==/ } wanted' "$lock" >"$uv_lock"
.venv/bin/pip install -q --no-deps --require-hashes -r "$uv_lock"
# `pip install`, not `sync`: sync would remove the venv's own pip.
VIRTUAL_ENV="$PWD/.venv" .venv/bin/uv pip install -q --require-hashes -r "$lock"
touch .venv/.up-to-date
