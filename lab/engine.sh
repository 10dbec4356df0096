#!/usr/bin/env bash
# engine.sh             ensures that a Docker engine answers; installs and starts Debian's where none does.
# engine.sh COMMAND...  the same, then runs COMMAND with access to the engine.
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
. "$root/scripts/functions.sh"

log="$root/.cache/dockerd.log"

answers() { "$@" docker info >/dev/null 2>&1; }

# A killed engine leaves its pid files behind. If another process has the number by now, the next engine
# takes it for a running engine and refuses to start.
clear_stale_pid() { # FILE NAME
    local pid
    [ -e "$1" ] || return 0
    pid="$(as_root cat "$1")"
    if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != "$2" ]; then
        say "Removing $1, left behind by a $2 that no longer runs"
        as_root rm -f "$1"
    fi
}

wait_for_engine() {
    local _
    for _ in $(seq 1 "$1"); do
        answers as_root && return 0
        sleep 0.5
    done
    return 1
}

start_engine() {
    if [ -d /run/systemd/system ]; then
        say "Starting the Docker engine (systemctl start docker)"
        as_root systemctl start docker
    else
        if pgrep -x dockerd >/dev/null && wait_for_engine 60; then
            return 0 # it was already starting
        fi
        clear_stale_pid /var/run/docker.pid dockerd
        clear_stale_pid /run/docker/containerd/containerd.pid containerd
        say "Starting the Docker engine (dockerd, log in $log)"
        mkdir -p "$(dirname "$log")"
        # Detached, so that it outlives the terminal and this script.
        # shellcheck disable=SC2016
        as_root sh -c 'exec setsid -f dockerd --storage-driver=overlay2 >>"$1" 2>&1 </dev/null' sh "$log"
    fi
    wait_for_engine 120 || {
        [ ! -r "$log" ] || tail -n 20 "$log" >&2
        die "The Docker engine does not answer."
    }
}

if ! answers; then
    if [ -n "${DOCKER_HOST:-}" ]; then
        die "No Docker engine answers at DOCKER_HOST=$DOCKER_HOST. Start it, or unset DOCKER_HOST to use a local one."
    fi
    if ! PATH="$PATH:/usr/sbin" command -v dockerd >/dev/null; then
        say "No Docker engine here: installing Debian's (docker.io)"
        packages=(docker.io iptables)
        # Debian 13 has the client in a package of its own.
        if ! command -v docker >/dev/null; then
            as_root apt-get update -q >&2
            ! apt-cache show docker-cli >/dev/null 2>&1 || packages+=(docker-cli)
        fi
        apt_install "${packages[@]}"
    fi
    wait_for_engine 4 || start_engine
fi

[ "$#" -gt 0 ] || exit 0
answers && exec "$@"

# The engine answers root only: this user is not in its group.
user="$(id -un)"
if ! getent group docker | cut -d: -f4 | tr , '\n' | grep -qx "$user"; then
    say "Adding $user to the group docker, which may use the engine"
    as_root usermod -aG docker "$user"
fi
# The membership takes effect at the next login; sg applies it now.
exec sg docker -c "$(printf '%q ' "$@")"
