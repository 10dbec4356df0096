#!/usr/bin/env bash
# build.sh RELEASE: builds the bare-host image of a Debian release, unless it exists, and prints its name.
# The image is built from Debian packages, so no image registry is needed.
# LAB_MIRROR names another Debian mirror.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/functions.sh

release="${1:?usage: build.sh RELEASE}"
ca_bundle="${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}"
[ -r "$ca_bundle" ] || ca_bundle=/dev/null
packages=systemd,systemd-sysv,dbus,openssh-server,sudo,python3,ca-certificates,iproute2,iptables,procps

# The tag is a hash of everything that goes into the image: a changed recipe makes a new image.
recipe="$(cat lab/image/build.sh lab/image/customize.sh lab/image/install_ca.py "$ca_bundle" <(echo "$release ${LAB_MIRROR:-}"))"
tag="lakehouse-lab:$release-$(sha256sum <<<"$recipe" | cut -c1-12)"

if ! docker image inspect "$tag" >/dev/null 2>&1; then
    need mmdebstrap:mmdebstrap python3:python3
    [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || apt_install debian-archive-keyring
    say "Building the bare-host image $tag"
    # shellcheck disable=SC2016
    as_root env LAB_CA_BUNDLE="$ca_bundle" mmdebstrap --quiet --format=tar --variant=minbase --include="$packages" \
        --customize-hook="'$PWD/lab/image/customize.sh' \"\$1\"" \
        "$release" - ${LAB_MIRROR:+"$LAB_MIRROR"} |
        docker import \
            --change 'CMD ["/usr/local/sbin/lab-init"]' \
            --change 'LABEL lakehouse.lab.image=1' \
            - "$tag" >&2
fi
echo "$tag"
