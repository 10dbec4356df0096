# shellcheck shell=bash
# Functions that the shell scripts of scripts/ and lab/ share: source it.

say() { printf '>>> %s\n' "$*" >&2; }
die() { printf '!!! %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "This needs root for: $*. Run it as root or install sudo."
    fi
}

apt_install() {
    command -v apt-get >/dev/null ||
        die "Install these by hand, this machine has no apt-get: $*"
    say "Installing Debian packages: $*"
    as_root apt-get update -q >&2
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "$@" >&2
}

# need COMMAND:PACKAGE ... installs the package of each command that is missing.
need() {
    local pair missing=()
    for pair in "$@"; do
        PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
    done
    [ "${#missing[@]}" -eq 0 ] || apt_install "${missing[@]}"
}

# uv does not read pip's settings: pass it the index that they name.
use_pip_index() {
    local index="${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-${PIP_INDEX_URL:-}}}"
    [ -n "$index" ] || index=$(.venv/bin/pip config get global.index-url 2>/dev/null || true)
    [ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
}

# make_venv VENV LOCK: makes a virtual environment with the locked packages.
make_venv() {
    export UV_SYSTEM_CERTS=true
    use_pip_index
    uv venv -q --clear --python .venv/bin/python "$1"
    uv pip install -q --python "$1" --require-hashes -r "$2"
}
