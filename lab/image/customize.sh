#!/bin/sh
# mmdebstrap runs this with the image's root directory. It makes the image what an administrator hands over:
# a Debian host with SSH, a sudo user and the company's CA certificates.
set -eu
root="$1"
here="$(dirname "$0")"

chroot "$root" useradd --create-home --shell /bin/bash --groups sudo deploy
echo 'deploy ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/deploy"
chmod 0440 "$root/etc/sudoers.d/deploy"
chroot "$root" install -d -m 0700 -o deploy -g deploy /home/deploy/.ssh

python3 "$here/install_ca.py" "$LAB_CA_BUNDLE" "$root"
chroot "$root" update-ca-certificates >/dev/null 2>&1

# As in Debian's own container images: no flush to the disk after each file, no translated descriptions of packages.
echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/lab"
echo 'Acquire::Languages "none";' >"$root/etc/apt/apt.conf.d/90lab"

# systemd needs a writable cgroup tree, which Docker mounts read-only where the machine has cgroup v2.
cat >"$root/usr/local/sbin/lab-init" <<'EOF'
#!/bin/sh
mount -o remount,rw /sys/fs/cgroup 2>/dev/null
exec /lib/systemd/systemd
EOF

# Docker mounts its own /etc/hosts over the host's, and a mounted file cannot be replaced.
# A real host owns the file, and its content survives a reboot.
cat >"$root/usr/local/sbin/lab-host" <<'EOF'
#!/bin/sh
umount /etc/hosts
[ -s /etc/hosts ] || printf '127.0.0.1\tlocalhost\n127.0.1.1\t%s\n::1\tlocalhost ip6-localhost ip6-loopback\n' "$(uname -n)" >/etc/hosts
ssh-keygen -A
EOF
chmod 0755 "$root/usr/local/sbin/lab-init" "$root/usr/local/sbin/lab-host"

cat >"$root/etc/systemd/system/lab-host.service" <<'EOF'
[Unit]
Description=Container with its own /etc/hosts and SSH host keys
DefaultDependencies=no
Before=sysinit.target ssh.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/lab-host

[Install]
WantedBy=sysinit.target
EOF
chroot "$root" systemctl --quiet enable lab-host.service ssh.service

# Each host generates its own.
rm -f "$root"/etc/ssh/ssh_host_*
: >"$root/etc/machine-id"
: >"$root/etc/hosts"
