#!/bin/sh
# Run by mmdebstrap with the image's root folder: turns it into what an administrator hands over,
# a Debian host with SSH, a sudo user and the company's certificates.
set -eu
root="$1"
here="$(dirname "$0")"

chroot "$root" useradd --create-home --shell /bin/bash --groups sudo deploy
echo 'deploy ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/deploy"
chmod 0440 "$root/etc/sudoers.d/deploy"
chroot "$root" install -d -m 0700 -o deploy -g deploy /home/deploy/.ssh

python3 "$here/image-ca.py" "$LAB_CA_BUNDLE" "$root"
chroot "$root" update-ca-certificates >/dev/null 2>&1

# systemd needs a writable cgroup tree, which Docker mounts read-only where the machine has cgroup v2.
cat >"$root/usr/local/sbin/lab-init" <<'EOF'
#!/bin/sh
mount -o remount,rw /sys/fs/cgroup 2>/dev/null
exec /lib/systemd/systemd
EOF

# Docker lays its own /etc/hosts over the host's, and a mounted file cannot be replaced.
# A real host owns the file, and keeps what is written to it across a reboot.
cat >"$root/usr/local/sbin/lab-host" <<'EOF'
#!/bin/sh
umount /etc/hosts
[ -s /etc/hosts ] || printf '127.0.0.1\tlocalhost\n127.0.1.1\t%s\n::1\tlocalhost ip6-localhost ip6-loopback\n' "$(uname -n)" >/etc/hosts
ssh-keygen -A
EOF
chmod 0755 "$root/usr/local/sbin/lab-init" "$root/usr/local/sbin/lab-host"

cat >"$root/etc/systemd/system/lab-host.service" <<'EOF'
[Unit]
Description=Make a container's /etc/hosts and SSH keys its own
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

# Each host makes its own.
rm -f "$root"/etc/ssh/ssh_host_*
: >"$root/etc/machine-id"
: >"$root/etc/hosts"
